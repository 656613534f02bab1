"""The pocket world's questions as `adhere.problems`, so that answers are graded as for any other data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adhere.problems.coding import CodeProblem
from adhere.problems.mathematics import MathProblem
from adhere.problems.multihop import Hop, QAProblem
from adhere.problems.problem import Problem


def math_problem(prompt: str, answer: str, steps: Sequence[str], key: str) -> Problem:
    """A word problem whose answer is a number; `steps` are its worked steps."""
    solution = " ".join((*steps, f"The answer is {answer}."))
    return MathProblem(prompt, answer, id=key, solution=solution)


def multihop_problem(prompt: str, hops: Sequence[tuple[str, str]], key: str) -> Problem:
    """A question over facts; each of `hops` is a fact on the way and the name it leads to."""
    return QAProblem(
        prompt,
        (hops[-1][1],),
        hops=tuple(Hop(fact, (name,)) for fact, name in hops),
        id=key,
        instruction="",
    )


def code_problem(
    prompt: str, name: str, cases: Sequence[tuple[tuple[Any, ...], Any]], program: str, key: str
) -> Problem:
    """A function to be written; `cases` are argument tuples with the value to be returned."""
    return CodeProblem(prompt, name, cases, id=key, reference=program)
