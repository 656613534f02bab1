"""Problems as JSON, so that they travel in a column of a data set and come back with their graders.

    {"domain": "math", "prompt": "2 + 2?", "answer": "4"}
    {"domain": "multihop", "question": "Which land?", "answers": ["Doria"], "instruction": ""}
    {"domain": "code", "prompt": "Write f(x)", "entry_point": "f", "tests": [[[1], 2]]}

`tests` of a program are pairs of arguments and expected value, or Python sources. What stands in a row is what decides
the grade; limits and the sandbox are this machine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from adhere.core.errors import UserError
from adhere.problems.coding import CodeProblem, CodeTest
from adhere.problems.mathematics import MathProblem
from adhere.problems.multihop import Hop, QAProblem
from adhere.problems.problem import Problem


def problem_to_json(problem: Problem) -> dict[str, Any]:
    """The problem as a JSON object.

    Raises:
        UserError: it is of a class that has no such form.
    """
    if isinstance(problem, MathProblem):
        return {"domain": "math", "prompt": problem.prompt, "answer": problem.answer, "id": problem.id}
    if isinstance(problem, QAProblem):
        return {
            "domain": "multihop",
            "question": problem.question,
            "answers": list(problem.answers),
            "context": [list(paragraph) for paragraph in problem.context],
            "hops": [[hop.text, list(hop.names)] for hop in problem.hops],
            "id": problem.id,
            "closed": problem.closed,
            "instruction": problem.instruction,
        }
    if isinstance(problem, CodeProblem):
        tests = [
            [list(test.arguments), test.expected] if isinstance(test, CodeTest) else test for test in problem.tests
        ]
        return {
            "domain": "code",
            "prompt": problem.prompt,
            "entry_point": problem.entry_point,
            "tests": tests,
            "id": problem.id,
            "stub": problem.stub,
            "setup": list(problem.setup),
        }
    raise UserError(f"a {type(problem).__name__} cannot be written to a row; math, multi-hop and code problems can")


def problem_from_json(row: Mapping[str, Any]) -> Problem:
    """The problem that `problem_to_json` wrote.

    Raises:
        UserError: no domain, an unknown one, or a field is missing or wrong.
    """
    domain = row.get("domain")
    make = _MAKERS.get(str(domain))
    if make is None:
        raise UserError(f"a problem's domain is {', '.join(_MAKERS)}, not {domain!r}")
    try:
        return make(row)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(f"a {domain} problem is malformed: {type(error).__name__}: {error}") from None


def _math(row: Mapping[str, Any]) -> Problem:
    return MathProblem(str(row["prompt"]), str(row["answer"]), id=str(row.get("id", "")))


def _multihop(row: Mapping[str, Any]) -> Problem:
    return QAProblem(
        str(row["question"]),
        tuple(row["answers"]),
        context=[(title, text) for title, text in row.get("context", ())],
        hops=[Hop(text, tuple(names)) for text, names in row.get("hops", ())],
        id=str(row.get("id", "")),
        closed=bool(row.get("closed", False)),
        instruction=str(row.get("instruction", "")),
    )


def _code(row: Mapping[str, Any]) -> Problem:
    tests = [test if isinstance(test, str) else (tuple(test[0]), test[1]) for test in row["tests"]]
    return CodeProblem(
        str(row["prompt"]),
        str(row["entry_point"]),
        tests,
        id=str(row.get("id", "")),
        stub=str(row.get("stub", "")),
        setup=tuple(row.get("setup", ())),
    )


_MAKERS: Mapping[str, Callable[[Mapping[str, Any]], Problem]] = {"math": _math, "multihop": _multihop, "code": _code}
