"""The kinds of easy problems, made from templates and word lists of our own writing (`words.json`).

Rules:

- `one-hop`: a text of five sentences, one of which answers the question; no other is of its kind.
- `two-hop`: the question is about somebody whom another sentence names; what is true of the person asked about is the
  wrong answer.
- `capitals`: no text. `functions`: a Python function of one line, tried on two calls.
- Arithmetic is left out: what a model of this size gets right there is luck.
- Problems depend on kind, seed and number alone; the first n of a longer list are the shorter list. No two are alike.
- Another seed gives other problems of the first two kinds, and another order of the others, which are few.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from adhere.core.errors import UserError
from adhere.problems.coding import CodeProblem
from adhere.problems.easy.short_answer import ShortAnswerProblem
from adhere.problems.multihop import Hop
from adhere.problems.problem import Problem

Kind = Literal["one-hop", "two-hop", "capitals", "functions"]
KINDS: tuple[Kind, ...] = get_args(Kind)

READ = "Read the text and answer the question."
_MOST_TRIES = 100
"""Draws for each problem wanted before it is said that there are no more."""


def easy_problems(kind: Kind, count: int, seed: int = 0) -> tuple[Problem, ...]:
    """`count` problems of a kind, or all there are of one that is limited.

    Raises:
        UserError: there is no such kind.
    """
    if kind not in KINDS:
        raise UserError(f"there are no easy problems of kind {kind!r}; there are: {', '.join(KINDS)}")
    makers: Mapping[Kind, Callable[[random.Random], Iterator[Problem]]] = {
        "one-hop": _one_hop,
        "two-hop": _two_hop,
        "capitals": _capitals,
        "functions": _functions,
    }
    problems: dict[str, Problem] = {}
    for tries, problem in enumerate(makers[kind](random.Random(f"easy {kind} {seed}"))):
        problems.setdefault(problem.prompt, problem)
        if len(problems) == count or tries > _MOST_TRIES * count:
            break
    return tuple(problems.values())


def _one_hop(rng: random.Random) -> Iterator[Problem]:
    while True:
        name, other, third = rng.sample(_words()["names"].split(), 3)
        asked, *others = rng.sample(_words()["facts"], 5)
        value = rng.choice(asked["values"])
        # nobody else has a fact of the kind asked for: small models take whichever value of the kind stands last
        people = (name, other, other, third)
        sentences = [
            asked["states"].format(name=name, value=value),
            *(
                fact["states"].format(name=who, value=rng.choice(fact["values"]))
                for fact, who in zip(others, people, strict=True)
            ),
        ]
        rng.shuffle(sentences)
        yield _question(asked, asked["asks"].format(name=name), value, sentences)


def _two_hop(rng: random.Random) -> Iterator[Problem]:
    while True:
        name, relative, third = rng.sample(_words()["names"].split(), 3)
        relation = rng.choice(_words()["relations"])
        asked, beside = rng.sample(_words()["facts"], 2)
        value, wrong = rng.sample(asked["values"], 2)
        kinship = f"{name}'s {relation} is {relative}."
        sentences = [
            asked["states"].format(name=name, value=wrong),
            kinship,
            asked["states"].format(name=relative, value=value),
            beside["states"].format(name=third, value=rng.choice(beside["values"])),
        ]
        question = asked["of_relative"].format(name=name, relation=relation)
        hops = (Hop(kinship, (relative,)), Hop(question, (value,)))
        yield _question(asked, question, value, sentences, hops)


def _question(
    fact: Mapping[str, Any], question: str, value: str, sentences: list[str], hops: tuple[Hop, ...] = ()
) -> ShortAnswerProblem:
    return ShortAnswerProblem(
        question=question,
        answers=(value,),
        context=(("Text:", " ".join(sentences)),),
        hops=hops,
        instruction=READ,
        rivals=tuple(one for one in fact["values"] if one != value),
    )


def _capitals(rng: random.Random) -> Iterator[Problem]:
    capitals: Mapping[str, list[str]] = _words()["capitals"]
    for country in rng.sample(sorted(capitals), len(capitals)):
        yield ShortAnswerProblem(
            question=rng.choice(_words()["capital_forms"]).format(country=country),
            answers=tuple(capitals[country]),
            instruction="",
            rivals=tuple(city for other, cities in capitals.items() if other != country for city in cities),
        )


def _functions(rng: random.Random) -> Iterator[Problem]:
    forms: list[str] = _words()["function_forms"]
    functions: list[Any] = _words()["functions"]
    pairs = [(form, function) for function in functions for form in forms]
    for form, (signature, does, calls) in rng.sample(pairs, len(pairs)):
        yield CodeProblem(
            prompt=form.format(signature=signature, does=does),
            entry_point=signature.split("(")[0],
            tests=[(tuple(arguments), expected) for arguments, expected in calls],
        )


@cache
def _words() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads((files(__package__) / "words.json").read_text(encoding="utf-8"))
    return loaded
