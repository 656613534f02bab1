"""Choosing self-evident constraints: those that a solution already meets and that do not reveal it.

    choice = choose(problem, answer, most=16, seed=0)
    choice.constraints          # in the order in which they are inserted: the first k are those of the arm x k
    choice.dropped              # {"names_answer": 2, "contradiction": 0}

Rules:

- Candidates are what `induce(answer)` yields, and the words of the problem that the answer does without ("do not use
  the word ..."). Each is confirmed by its own check on the answer before it is used.
- They are taken one kind in turn: the first of the kinds is drawn for each problem, so that over many problems every
  kind comes first about as often; each next one is of the group (length, contains, excludes, ...) used least so far.
  The k constraints of an arm are the first k: a longer arm holds the shorter one.
- A constraint must not state the answer nor hint at it. Dropped, and counted as `names_answer`, is one that
    - quotes the answer, a word of it, or a number, or speaks of as many as the answer says;
    - quotes what a hop on the way is answered by (multi-hop QA);
    - quotes any piece of a program that the problem does not show, but for `return` (code).
- No constraint contradicts one chosen before it (`constraints.conflicts`). All are met by one answer, so none should:
  it is a guard against a wrong check, and counted.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_origin

from pydantic import BaseModel

from adhere.constraints.conflicts import contradict
from adhere.constraints.constraint import Constraint
from adhere.constraints.families.terms import Exclude, telling_words
from adhere.constraints.induce import induce
from adhere.problems.multihop import QAProblem, normalise
from adhere.problems.problem import Problem

FREE = frozenset({"return", "def"})
"""Words that every program has: to ask for them tells nothing."""
MOST_UNUSED = 3
"""Words of the problem that are forbidden, at the most."""
SHORT = 3
"""Words of an answer up to this length are too common to give it away by themselves ("the", "of")."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for one answer.

    Attributes:
        constraints: in the order of insertion.
        dropped: how many candidates were dropped, by reason ("names_answer", "contradiction").
        examples: one sentence dropped for each reason.
    """

    constraints: tuple[Constraint, ...]
    dropped: Mapping[str, int]
    examples: Mapping[str, str]


def choose(
    problem: Problem,
    answer: str,
    most: int,
    seed: int = 0,
    *,
    read: str | None = None,
    kinds: Collection[str] | None = None,
    more: Iterable[Constraint] = (),
) -> Choice:
    """Constraints that `answer` meets and that may stand with `problem`.

    Args:
        problem: the question that `answer` solves.
        answer: the solution, reasoning removed.
        most: how many at the most.
        seed: decides the order, with the problem's id.
        read: the answer as it was read, which must not be stated either.
        kinds: take only these.
        more: further candidates (a model's); confirmed like the others.
    """
    fit: dict[str, list[Constraint]] = {}
    dropped: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for constraint in dict.fromkeys((*candidates(problem, answer, kinds), *more)):
        if not constraint.check(answer).met:
            continue
        if hint(constraint, problem, read) is not None:
            dropped["names_answer"] += 1
            examples.setdefault("names_answer", constraint.describe())
            continue
        fit.setdefault(constraint.kind, []).append(constraint)
    chosen: list[Constraint] = []
    for constraint in _in_turn(fit, random.Random(f"sustain {seed} {problem.id}")):
        if len(chosen) == most:
            break
        if any(contradict(constraint, other) for other in chosen):
            dropped["contradiction"] += 1
            examples.setdefault("contradiction", constraint.describe())
            continue
        chosen.append(constraint)
    return Choice(tuple(chosen), dropped, examples)


def candidates(problem: Problem, answer: str, kinds: Collection[str] | None = None) -> Iterator[Constraint]:
    """What might be asked of `answer`; nothing is left out yet."""
    yield from induce(answer, kinds)
    if kinds is None or Exclude.kind in kinds:
        said = {word.casefold() for word in _words(answer)}
        unused = [word for word in telling_words(_question(problem)) if word not in said]
        for word in unused[:MOST_UNUSED]:
            constraint = Exclude(terms=(word,))
            if constraint.check(answer).met:
                yield constraint


def _question(problem: Problem) -> str:
    """The problem's own words, without the paragraphs it is to be answered from."""
    return problem.question if isinstance(problem, QAProblem) else problem.prompt


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def _in_turn(fit: Mapping[str, list[Constraint]], rng: random.Random) -> Iterator[Constraint]:
    """Every constraint once: kinds in random order, but always one of the group that was used least."""
    queues = {kind: list(constraints) for kind, constraints in sorted(fit.items())}
    for queue in queues.values():
        rng.shuffle(queue)
    order = sorted(queues)
    rng.shuffle(order)
    rank = {kind: place for place, kind in enumerate(order)}
    by_kind: Counter[str] = Counter()
    by_group: Counter[str] = Counter()
    while queues:
        kind = min(queues, key=lambda kind: (by_kind[kind], by_group[kind.partition(".")[0]], rank[kind]))
        by_kind[kind] += 1
        by_group[kind.partition(".")[0]] += 1
        yield queues[kind].pop()
        if not queues[kind]:
            del queues[kind]


def hint(constraint: Constraint, problem: Problem, read: str | None = None) -> str | None:
    """Why the constraint would give the answer away, or None where it does not."""
    golds = [problem.reference, *([read] if read else [])]
    if isinstance(problem, QAProblem):
        golds += problem.answers
    numbers = {number for gold in golds if len(gold) < 40 for number in _numbers(gold)}
    if problem.domain != "code" and numbers & set(_numbers(constraint.describe())):
        return "it speaks of as many as the answer says"
    revealing = {
        word for gold in golds if problem.domain != "code" for word in normalise(gold).split() if len(word) > SHORT
    }
    if isinstance(problem, QAProblem):
        revealing |= {word for hop in problem.hops for name in hop.names for word in normalise(name).split()}
        revealing = {word for word in revealing if len(word) > SHORT}
    shown = {word.casefold() for word in _words(problem.prompt)}
    for text in quotes(constraint):
        if any(character.isdigit() for character in text):
            return "it quotes a number"
        words = normalise(text).split()
        if revealing & set(words) or any(normalise(gold) == normalise(text) for gold in golds):
            return "it quotes the answer, or a word of it"
        if problem.domain == "code" and (
            not text.isidentifier() or (text.casefold() not in shown and text not in FREE)
        ):
            return "it quotes the program"
    return None


def quotes(constraint: Constraint) -> list[str]:
    """The texts that a constraint quotes: the strings among its parameters, at any depth, that hold a letter or digit.

    A parameter with a fixed list of values (`Literal`: lower case, formal) quotes nothing.
    """
    matches: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, str):
            matches.append(value)
        elif isinstance(value, BaseModel):
            matches.extend(quotes(value) if isinstance(value, Constraint) else [])
        elif isinstance(value, Mapping):
            for entry in value.values():
                walk(entry)
        elif isinstance(value, (list, tuple, set, frozenset)):
            for entry in value:
                walk(entry)

    for name, field in type(constraint).model_fields.items():
        if get_origin(field.annotation) is not Literal:
            walk(getattr(constraint, name))
    return [text for text in matches if any(character.isalnum() for character in text)]


def _numbers(text: str) -> list[str]:
    return [number.replace(",", "") for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]
