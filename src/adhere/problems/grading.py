"""Grades of many responses at once: programs share the sandbox, math shares the processes that compare.

One response never fails the batch: what a grader raises over it, other than a `UserError`, is that response's own
error, and counts as not correct.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from adhere.core.errors import UserError
from adhere.problems.coding import CodeProblem, grade_code
from adhere.problems.comparing import WORKERS
from adhere.problems.problem import Grade, Problem, failed


def grade_all(problems: Sequence[Problem], responses: Sequence[str]) -> list[Grade]:
    """The grades of `responses[i]` to `problems[i]`.

    Raises:
        ValueError: the two sequences differ in length.
        UserError: a package or the sandbox that a grader needs is not there.
    """
    pairs = list(zip(problems, responses, strict=True))
    code = [index for index, (problem, _) in enumerate(pairs) if isinstance(problem, CodeProblem)]
    others = [index for index, (problem, _) in enumerate(pairs) if not isinstance(problem, CodeProblem)]
    programs = [(problem, response) for problem, response in pairs if isinstance(problem, CodeProblem)]
    grades = dict(zip(code, grade_code(programs), strict=True))
    with ThreadPoolExecutor(WORKERS) as pool:
        grades.update(zip(others, pool.map(lambda index: grade_one(*pairs[index]), others), strict=True))
    return [grades[index] for index in range(len(pairs))]


def grade_one(problem: Problem, response: str) -> Grade:
    """The grade of one response, whatever the grader makes of it.

    Raises:
        UserError: a package or the sandbox that the grader needs is not there.
    """
    try:
        return problem.grade(response)
    except UserError:
        raise
    except Exception as error:
        return failed(error)
