"""Word problems of one to four steps over small whole numbers, with worked steps.

The content is the chain of operations and their numbers; who owns what is wording. No number leaves 0..99.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from adhere.models.pocket.world.item import Question, Side, pick, side_of, weighted
from adhere.models.pocket.world.vocabulary import NAMES, THINGS

HIGHEST = 99

Operation = tuple[str, int]
"""Sign and operand."""

FIRST = ("{n} has {a} {t}.", "At first {n} has {a} {t}.", "{n} has a bag of {a} {t}.")
FIRST_TIMES = ("{n} has {a} bags with {b} {t} each.", "{n} has {a} boxes of {b} {t} each.")
STORY = {
    "+": ("{n} buys {b} more.", "{n} finds {b} more {t}.", "{o} gives {n} {b} {t}.", "{n} gets {b} more from {o}."),
    "-": ("{n} gives {b} to {o}.", "{n} loses {b} {t}.", "{o} takes {b} of them.", "{n} sells {b} {t}."),
    "*": ("Then {n} has {b} times as many.", "The number of {t} grows {b} times."),
    "/": ("{n} shares them among {b} bags and keeps one bag.", "{n} keeps one of {b} equal parts."),
}
ASK = (
    "How many {t} does {n} have now?",
    "How many {t} does {n} have in the end?",
    "How many {t} are left with {n}?",
    "Count the {t} of {n}.",
)


def operation(rng: random.Random, value: int) -> tuple[Operation, int]:
    """A random operation whose result stays within bounds, and that result."""
    while True:
        sign = weighted(rng, (("+", 4), ("-", 4), ("*", 1.5), ("/", 1.5)))
        if sign == "+" and value < HIGHEST - 1:
            operand = 2 + int(rng.random() ** 2 * min(48, HIGHEST - value - 1))  # small ones more often
            if value + operand <= HIGHEST:
                return (sign, operand), value + operand
        elif sign == "-" and value > 3:
            operand = 2 + int(rng.random() ** 2 * min(48, value - 2))
            return (sign, operand), value - operand
        elif sign == "*" and value >= 2:
            operand = 2 + int(rng.random() * 4)
            if value * operand <= HIGHEST:
                return (sign, operand), value * operand
        elif sign == "/" and value >= 4:
            divisors = [d for d in range(2, 10) if value % d == 0 and value // d > 1]
            if divisors:
                operand = pick(rng, divisors)
                return (sign, operand), value // operand


def _steps(progress: float) -> tuple[tuple[int, float], ...]:
    easy = 1 - progress
    return ((1, easy), (2, 1.0), (3, 0.2 + 0.7 * progress), (4, 0.05 + 0.6 * progress))


def question(rng: random.Random, side: Side, progress: float) -> Question:
    """A word problem that belongs to `side`."""
    while True:
        count = weighted(rng, _steps(progress))
        operations: list[Operation] = []
        if rng.random() < 0.3:
            first, by = 2 + int(rng.random() * 8), 2 + int(rng.random() * 8)
            operations.append(("*", by))
            value = first * by
        else:
            first = 3 + int(rng.random() * 60)
            value = first
        while len(operations) < count:
            done, value = operation(rng, value)
            operations.append(done)
        grouped = rng.random() < 0.5
        key = f"math {first} " + " ".join(f"{sign}{operand}" for sign, operand in operations)
        if side_of(key) == side:
            return _worded(rng, key, first, operations, grouped)


def _worded(rng: random.Random, key: str, first: int, operations: list[Operation], grouped: bool) -> Question:
    name, thing = pick(rng, NAMES), pick(rng, THINGS)
    story: list[str] = []
    steps: list[str] = []
    value = first
    for index, (sign, operand) in enumerate(operations):
        if index == 0:
            if sign == "*" and operand < 10 and first < 10 and grouped:
                story.append(pick(rng, FIRST_TIMES).format(n=name, a=first, b=operand, t=thing))
            else:
                story.append(pick(rng, FIRST).format(n=name, a=first, t=thing))
                story.append(_story_sentence(rng, sign, operand, name, thing))
        else:
            story.append(_story_sentence(rng, sign, operand, name, thing))
        after = APPLY[sign](value, operand)
        steps.append(f"{value} {sign} {operand} = {after}.")
        value = after
    prompt = " ".join([*story, pick(rng, ASK).format(n=name, t=thing)])
    answer = str(value)
    return Question(
        key=key,
        prompt=prompt,
        steps=tuple(steps),
        answer=answer,
        final=f"The answer is {answer}.",
        joint=" ",
        problem=_Make(answer, tuple(steps), key),
        size=len(steps),
    )


APPLY: dict[str, Callable[[int, int], int]] = {
    "+": int.__add__,
    "-": int.__sub__,
    "*": int.__mul__,
    "/": int.__floordiv__,
}


def _story_sentence(rng: random.Random, sign: str, operand: int, name: str, thing: str) -> str:
    other = pick(rng, NAMES)
    while other == name:
        other = pick(rng, NAMES)
    return pick(rng, STORY[sign]).format(n=name, b=operand, t=thing, o=other)


class _Make:
    """Makes the problem of a prompt."""

    def __init__(self, answer: str, steps: tuple[str, ...], key: str) -> None:
        self._answer, self._steps, self._key = answer, steps, key

    def __call__(self, prompt: str) -> Any:
        from adhere.models.pocket.world.grading import math_problem

        return math_problem(prompt, self._answer, self._steps, self._key)


def line(rng: random.Random, side: Side) -> str:
    """A worked sum as plain text, for the base checkpoint."""
    return question(rng, side, rng.random()).response
