"""The pocket world's questions as `adhere.problems`, so that its answers are graded as everybody else's are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adhere.problems.coding import CodeProblem
from adhere.problems.mathematics import MathProblem
from adhere.problems.multihop import Hop, QAProblem
from adhere.problems.problem import Problem


def math_problem(prompt: str, answer: str, steps: Sequence[str], key: str) -> Problem:
    """A word problem with a number for an answer; `steps` are its worked steps."""
    solution = " ".join((*steps, f"The answer is {answer}."))
    return MathProblem(prompt, answer, id=key, solution=solution)


def multihop_problem(prompt: str, hops: Sequence[tuple[str, str]], key: str) -> Problem:
    """A question over facts; `hops` are the facts on the way, each with what it names."""
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
    """A function to be written, with the arguments it is called with and what it must return."""
    return CodeProblem(prompt, name, cases, id=key, reference=program)
