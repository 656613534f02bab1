"""Outcomes made to measure, for tests of what is computed from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from adhere.constraints import Words
from adhere.measure.sustain.outcome import Arm, ArmOutcome
from adhere.problems.problem import Grade

RIGHT = Grade(True, "7", "7 is 7", "correct", 1.0)
WRONG = Grade(False, "8", "8 is not 7", "wrong", 0.0)
UNDECIDED = Grade(None, None, "the sandbox broke", "undecided", 0.0)
UNREADABLE = Grade(False, None, "no value in the response", "unreadable", 0.0)


def outcome(problem: str, arm: Arm, correct: bool | None, **more: Any) -> ArmOutcome:
    """An outcome; with `k` it bears so many constraints, each met."""
    grade = {True: RIGHT, False: WRONG, None: UNDECIDED}[correct]
    k = more.get("k", 0) if arm in ("constraint", "attend") else 0
    given = {
        "domain": "math",
        "grade": grade,
        "response": "The answer is 7.",
        "answer": "The answer is 7.",
        "constraints": tuple(Words(at_most=50 + i) for i in range(k)),
        "met": (True,) * k,
        "model": "m",
        "reference": "7",
        **more,
    }
    return ArmOutcome(problem=problem, arm=arm, **given)


def asked(problem: str, control: bool | None, under: bool | None, **more: Any) -> Iterator[ArmOutcome]:
    """A problem that base solved, its control, and one constraint."""
    yield outcome(problem, "base", True, **more)
    yield outcome(problem, "control", control, **more)
    yield outcome(problem, "constraint", under, k=1, **more)


def run(generator: np.random.Generator, problems: int, drop: float) -> list[ArmOutcome]:
    """A run of problems whose chance of success is beta(2, 0.7), with each arm an independent draw.

    The constraint takes `drop` from that chance; base selects as it does in truth, by one lucky success among others.
    """
    chance = generator.beta(2, 0.7, problems)
    base, control = generator.random((2, problems)) < chance
    under = generator.random(problems) < np.maximum(chance - drop, 0.0)
    made: list[ArmOutcome] = []
    for k in np.flatnonzero(base):
        made += asked(str(k), bool(control[k]), bool(under[k]))
    return made


def same(problems: Sequence[str], control: bool, under: bool, **more: Any) -> list[ArmOutcome]:
    """Several problems that all went the same way."""
    return [one for problem in problems for one in asked(problem, control, under, **more)]
