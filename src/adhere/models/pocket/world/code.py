"""Functions of one line, asked for in words, checked by running them.

The content is what the function computes, with its constants; names and wording are free. No function is without a
constant, so that there are enough contents for two sides.
"""

from __future__ import annotations

import random
from typing import Any, Final, NamedTuple

from adhere.models.pocket.world.item import Question, Side, pick, side_of
from adhere.models.pocket.world.vocabulary import TOPIC_NOUNS

FUNCTIONS: Final = ("f", "g", "work", "calc", "solve", "run")


class Operation(NamedTuple):
    """An operation on `{x}`: in words, as an expression, and whether the expression needs no parentheses."""

    words: str
    source: str
    atom: bool
    low: int
    high: int


NUMBER: Final = (
    Operation("adds {c} to {x}", "{x} + {c}", False, 1, 99),
    Operation("takes {c} from {x}", "{x} - {c}", False, 1, 99),
    Operation("takes {x} from {c}", "{c} - {x}", False, 1, 99),
    Operation("multiplies {x} by {c}", "{x} * {c}", False, 2, 30),
    Operation("divides {x} by {c} and rounds down", "{x} // {c}", False, 2, 30),
    Operation("gives the rest of {x} divided by {c}", "{x} % {c}", False, 2, 30),
    Operation("gives the larger of {x} and {c}", "max({x}, {c})", True, 1, 99),
    Operation("gives the smaller of {x} and {c}", "min({x}, {c})", True, 1, 99),
    Operation("tells if {x} is larger than {c}", "{x} > {c}", False, 1, 99),
    Operation("tells if {x} is equal to {c}", "{x} == {c}", False, 1, 99),
)
CHAINED: Final = 8
"""How many of the operations on numbers, from the first, return numbers, so that another may follow."""
LIST: Final = (
    Operation("adds {c} to every number in {x}", "[n + {c} for n in {x}]", True, 1, 99),
    Operation("multiplies every number in {x} by {c}", "[n * {c} for n in {x}]", True, 2, 30),
    Operation("keeps the numbers in {x} larger than {c}", "[n for n in {x} if n > {c}]", True, 1, 60),
    Operation("keeps the numbers in {x} smaller than {c}", "[n for n in {x} if n < {c}]", True, 1, 60),
    Operation("counts how often {c} is in {x}", "{x}.count({c})", True, 1, 60),
    Operation("adds {c} to the sum of {x}", "sum({x}) + {c}", False, 1, 99),
    Operation("multiplies the sum of {x} by {c}", "sum({x}) * {c}", False, 2, 30),
    Operation("adds {c} to the largest number in {x}", "max({x}) + {c}", False, 1, 99),
    Operation("adds {c} to the length of {x}", "len({x}) + {c}", False, 1, 99),
    Operation("puts {c} at the end of {x}", "{x} + [{c}]", False, 1, 99),
)
TEXT: Final = (
    Operation('puts "{w}" at the end of {x}', '{x} + "{w}"', False, 0, 0),
    Operation('puts "{w}" before {x}', '"{w}" + {x}', False, 0, 0),
    Operation("repeats {x} {c} times", "{x} * {c}", False, 2, 20),
    Operation('counts how often "{w}" is in {x}', '{x}.count("{w}")', True, 0, 0),
    Operation('tells if {x} begins with "{w}"', '{x}.startswith("{w}")', True, 0, 0),
    Operation("adds {c} to the length of {x}", "len({x}) + {c}", False, 1, 99),
)
_WORDS: Final = tuple(noun for nouns in TOPIC_NOUNS.values() for noun in nouns)

ASK: Final = (
    "Write a function {f}({x}) that {what}.",
    "Write a Python function {f}({x}) that {what}.",
    "I need a function {f}({x}) that {what}.",
    "Define {f}({x}). It {what}.",
    "Show me code for {f}({x}) that {what}.",
)

NUMBERS: Final = (0, 1, 7, 12, 50, 99)
LISTS: Final[tuple[list[int], ...]] = ([], [1], [5, 2, 9], [30, 4, 30, 61], [99, 0, 12, 7, 3])


def question(rng: random.Random, side: Side, progress: float) -> Question:
    """A coding problem that belongs to `side`."""
    while True:
        kind = pick(rng, ("number", "number", "number", "list", "list", "text"))
        operations = {"number": NUMBER, "list": LIST, "text": TEXT}[kind]
        first = pick(rng, operations)
        one, word = _constant(rng, first), pick(rng, _WORDS)
        second: Operation | None = None
        two = 0
        if kind == "number" and first in NUMBER[:CHAINED] and rng.random() < 0.2 + 0.4 * progress:
            second = pick(rng, NUMBER[:CHAINED])
            two = _constant(rng, second)
        key = (
            f"code {first.source} {one} {word if '{w}' in first.source else ''} {second.source if second else ''} {two}"
        )
        if side_of(key) == side:
            break
    name = pick(rng, FUNCTIONS)
    x = pick(rng, {"number": ("x", "n", "a"), "list": ("xs", "items"), "text": ("s", "text")}[kind])
    if kind == "list" and x == "n":
        x = "xs"
    what = first.words.format(x=x, c=one, w=word)
    source = first.source.format(x=x, c=one, w=word)
    if second:
        what += " and then " + second.words.format(x="the result", c=two)
        source = second.source.format(x=source if first.atom else f"({source})", c=two)
    prompt = pick(rng, ASK).format(f=name, x=x, what=what)
    program = f"def {name}({x}):\n    return {source}"
    return Question(
        key=key,
        prompt=prompt,
        steps=(),
        answer=source,
        final=program,
        joint="",
        problem=_Make(kind, name, x, source, word, program, key),
        size=2 if second else 1,
    )


def _constant(rng: random.Random, operation: Operation) -> int:
    return operation.low + int(rng.random() * (operation.high - operation.low + 1))


class _Make:
    """Makes the problem of a prompt; expected values are computed only when it is called."""

    def __init__(self, kind: str, name: str, x: str, source: str, word: str, program: str, key: str) -> None:
        self._kind, self._name, self._x, self._source = kind, name, x, source
        self._word, self._program, self._key = word, program, key

    def __call__(self, prompt: str) -> Any:
        from adhere.models.pocket.world.grading import code_problem

        run = eval(f"lambda {self._x}: {self._source}")  # our own source, made above from the tables
        inputs: tuple[Any, ...] = NUMBERS
        if self._kind == "list":
            inputs = tuple(value for value in LISTS if value or "max(" not in self._source)
        elif self._kind == "text":
            inputs = ("", "sea", self._word, f"{self._word} and {self._word}", f"a {self._word}")
        cases = tuple(((value,), run(value)) for value in inputs)
        return code_problem(prompt, self._name, cases, self._program, self._key)


def lines(rng: random.Random, side: Side) -> str:
    """A function as plain text, for the base checkpoint."""
    return question(rng, side, rng.random()).response
