"""Grades of many responses at once: programs share the sandbox, everything else is graded in this process."""

from __future__ import annotations

from collections.abc import Sequence

from adhere.problems.coding import CodeProblem, grade_code
from adhere.problems.problem import Grade, Problem


def grade_all(problems: Sequence[Problem], responses: Sequence[str]) -> list[Grade]:
    """The grades of `responses[i]` to `problems[i]`, code run together so that it is fast.

    Raises:
        ValueError: the two sequences differ in length.
    """
    grades: list[Grade | None] = [None] * len(problems)
    code: list[int] = []
    for index, (problem, response) in enumerate(zip(problems, responses, strict=True)):
        if isinstance(problem, CodeProblem):
            code.append(index)
        else:
            grades[index] = problem.grade(response)
    programs = [(problem, responses[i]) for i in code if isinstance(problem := problems[i], CodeProblem)]
    for index, grade in zip(code, grade_code(programs), strict=True):
        grades[index] = grade
    return [grade for grade in grades if grade is not None]
