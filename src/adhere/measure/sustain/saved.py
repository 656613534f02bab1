"""Saved answers: read and graded as in a live run; and the prompts that are still to be answered.

    adhere sustain --from-responses solved.jsonl --data gsm8k.jsonl --plan prompts.jsonl   # what to ask
    adhere sustain --from-responses answers.jsonl --data gsm8k.jsonl                       # what came of it

One JSON object a line. What is read of it:

    response      the answer, text or content parts; a line whose response is null or missing is not answered yet,
                  but with an "error" it was asked in vain: its answer is wrong, and counted apart
    id            the problem's id as the plan wrote it; or `question` or `prompt`, word for word as in the data; or the
                  data set's own columns on the line itself, and then no --data is needed
    arm           base if missing; k, position, factor: the condition; constraints: as the plan wrote them
    model, epoch  one model a file; epoch 1 if missing
    truncated     true where the tokens ran out (or finish_reason "length" or "max_tokens")

Rules:

- A problem counts if its base line is right; lines of the other arms without a base line are an error, as are two lines
  of one problem, epoch and condition.
- The plan holds every condition of every solved problem, with prompt, system prompt and constraints, and the base lines
  themselves: filled in, it is the file that is analysed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adhere.constraints.constraint import Constraint
from adhere.constraints.reasoning import answer_from_parts
from adhere.constraints.registry import from_json
from adhere.core.errors import UserError
from adhere.core.reading import parse_json
from adhere.measure.sustain import query
from adhere.measure.sustain.arms import BASE, Condition
from adhere.measure.sustain.outcome import ARMS, ArmOutcome, Exclusion
from adhere.measure.sustain.problem_sets import Material, gather
from adhere.measure.sustain.query import Query, Said
from adhere.problems import FORMATS, Problem, QAProblem, grade_all
from adhere.problems.problem import Domain

POSITIONS = ("after", "before", "system")


@dataclass(frozen=True)
class Saved:
    """What a file of answers holds.

    Attributes:
        outcomes, exclusions: as of a live run.
        material: the problems asked.
        unanswered: lines without a response.
    """

    model: str
    outcomes: tuple[ArmOutcome, ...]
    exclusions: tuple[Exclusion, ...]
    material: tuple[Material, ...]
    unanswered: int


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    query: Query
    said: Said
    model: str
    epoch: int
    failed: str = ""
    """Why there is no answer, where the provider failed."""


def read(path: str | os.PathLike[str], data: str | os.PathLike[str] | None = None) -> Saved:
    """Read and judge the answers in a file.

    Args:
        path: JSON lines, as the module's rules say.
        data: the problems, a path or a Hub name; None where the lines hold the data set's own columns.

    Raises:
        UserError: the file cannot be read, or a line lacks something, names no problem, or stands there twice.
    """
    name = os.fspath(path)
    rows = list(_rows(Path(path)))
    material = gather(None, data) if data is not None else ()
    index = _Index(material)
    lines: list[_Line] = []
    unanswered = 0
    seen: dict[tuple[str, int, Condition], int] = {}
    for number, row in rows:
        failed = row.get("response") is None and bool(row.get("error"))
        if row.get("response") is None and not failed:
            unanswered += 1
            continue
        try:
            line = _line(number, {**row, "response": ""} if failed else row, index)
        except UserError as error:
            raise UserError(f"{name}: line {number}: {error}") from None
        key = line.query.problem.id, line.epoch, line.query.condition
        if (first := seen.setdefault(key, number)) != number:
            raise UserError(f"{name}: lines {first} and {number} answer the same prompt: {key[0]}, {key[2].label}")
        lines.append(line)
    if not lines:
        raise UserError(f'{name}: there is no answer in the file; each line needs a "response"')
    models = sorted({line.model for line in lines})
    if len(models) > 1:
        raise UserError(
            f"{name}: answers of {len(models)} models ({', '.join(models[:3])}); write one file for each model"
        )
    based = {(line.query.problem.id, line.epoch) for line in lines if line.query.condition == BASE}
    for line in lines:
        if (line.query.problem.id, line.epoch) not in based:
            raise UserError(f"{name}: line {line.number}: {line.query.problem.id} has no base answer, which selects it")
    return _judged(models[0], lines, material or index.made(name), unanswered)


def _judged(model: str, lines: Sequence[_Line], material: tuple[Material, ...], unanswered: int) -> Saved:
    grades = grade_all([line.query.problem for line in lines], [line.said.answer.text for line in lines])
    outcomes, exclusions = [], []
    for line, grade in zip(lines, grades, strict=True):
        if line.failed:
            exclusions.append(query.excluded(line.query.problem, line.query.condition, "error", line.failed))
        if grade.correct is None:
            exclusions.append(query.excluded(line.query.problem, line.query.condition, "undecided", grade.reason))
        else:
            outcomes.append(query.judge(line.query, line.said, grade, model=model, epoch=line.epoch))
    return Saved(model, tuple(outcomes), tuple(exclusions), material, unanswered)


def plan(saved: Saved, conditions: Sequence[Condition], seed: int = 0) -> tuple[list[dict[str, Any]], list[Exclusion]]:
    """Every line that is to be answered for the problems that were solved, base lines first, and what is left out."""
    problems = {problem.id: problem for material in saved.material for problem in material.problems}
    most = max((condition.k for condition in conditions), default=0)
    lines: list[dict[str, Any]] = []
    left_out: list[Exclusion] = []
    for solved in saved.outcomes:
        if solved.arm != "base":
            continue
        lines.append(_written(query.base(problems[solved.problem]), saved.model, solved.epoch, solved.response))
        if not solved.correct:
            continue
        problem = problems[solved.problem]
        choice = query.chosen(problem, solved, most=most, seed=seed)
        left_out += query.dropped(problem, choice)
        for condition in conditions:
            if condition == BASE:
                continue
            query_or_exclusion = query.prepare(problem, condition, choice, seed=seed)
            if isinstance(query_or_exclusion, Exclusion):
                left_out.append(query_or_exclusion)
            else:
                lines.append(_written(query_or_exclusion, saved.model, solved.epoch, None))
    return lines, left_out


def _written(one: Query, model: str, epoch: int, response: str | None) -> dict[str, Any]:
    condition = one.condition
    line: dict[str, Any] = {"id": one.problem.id, "arm": condition.arm, "k": condition.k}
    line |= {"position": condition.position, "model": model, "epoch": epoch}
    if one.constraints:
        line["constraints"] = [constraint.to_json() for constraint in one.constraints]
    if one.system:
        line["system"] = one.system
    return {**line, "prompt": one.prompt, "response": response}


class _Index:
    """Finds the problem that a line is about."""

    def __init__(self, material: Sequence[Material]) -> None:
        self._by: dict[str, Problem] = {}
        self._own: dict[str, Problem] = {}
        for one in material:
            for problem in one.problems:
                self._by.setdefault(problem.prompt.strip(), problem)
                if isinstance(problem, QAProblem):
                    self._by.setdefault(problem.question.strip(), problem)
                self._by[problem.id] = problem

    def find(self, row: dict[str, Any]) -> Problem:
        for name in ("id", "question", "prompt"):
            value = row.get(name)
            if isinstance(value, str) and (found := self._by.get(value.strip())) is not None:
                return found
        question = row.get("question")
        if isinstance(question, str):
            for text, problem in self._by.items():
                if text.startswith(question.strip()):
                    return problem
        if self._by and not self._own:
            raise UserError("no problem of the data has this id, question or prompt")
        return self._of_row(row)

    def _of_row(self, row: dict[str, Any]) -> Problem:
        """The problem that the line itself states, in the columns of a data set."""
        given = {column for column, value in row.items() if value is not None}
        fits = [key for key, format in FORMATS.items() if format.columns <= given]
        if not fits:
            raise UserError("the line names no problem: give --data, or put the data set's columns on the line")
        format = FORMATS[max(fits, key=lambda key: len(FORMATS[key].columns))]
        try:
            problem = format.make(row)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            raise UserError(f"no problem can be read from its columns ({error})") from error
        return self._own.setdefault(problem.id, problem)

    def made(self, source: str) -> tuple[Material, ...]:
        """The problems that lines stated themselves."""
        import hashlib

        digest = hashlib.sha256(Path(source).read_bytes()).hexdigest()
        domains: dict[Domain, list[Problem]] = {}
        for problem in self._own.values():
            domains.setdefault(problem.domain, []).append(problem)
        return tuple(
            Material(domain, tuple(problems), source, digest, len(problems), format="responses")
            for domain, problems in domains.items()
        )


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                if not text.strip():
                    continue
                try:
                    row = parse_json(text)
                except ValueError as error:
                    raise UserError(f"{path}: line {number} is not JSON ({error})") from error
                if not isinstance(row, dict):
                    raise UserError(f"{path}: line {number} is not an object")
                yield number, row
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text (byte {error.start})") from error


def _line(number: int, row: dict[str, Any], index: _Index) -> _Line:
    problem = index.find(row)
    constraints = _constraints(row)
    arm, k = row.get("arm", "base"), row.get("k", len(constraints))
    position, factor = row.get("position", "after"), row.get("factor", 1.0)
    if arm not in ARMS:
        raise UserError(f"no arm is called {arm!r}; there are: {', '.join(ARMS)}")
    if position not in POSITIONS:
        raise UserError(f"no position is called {position!r}; there are: {', '.join(POSITIONS)}")
    if arm in ("constraint", "attend") and (not constraints or k != len(constraints)):
        raise UserError(f"the arm {arm} with k = {k} needs as many constraints, and has {len(constraints)}")
    if type(k) is not int or type(row.get("epoch", 1)) is not int or not isinstance(factor, (int, float)):
        raise UserError("k and epoch are whole numbers, factor is a number")
    condition = Condition(arm, k, position, float(factor))
    asked = Query(problem, condition, str(row.get("prompt", "")), str(row.get("system", "")), constraints)
    cut = row.get("truncated") is True or row.get("finish_reason") in ("length", "max_tokens")
    failed = str(row["error"])[:200] if row.get("error") and not row["response"] else ""
    said = _said(row["response"], cut)
    return _Line(number, asked, said, str(row.get("model", "saved")), row.get("epoch", 1), failed)


def _constraints(row: dict[str, Any]) -> tuple[Constraint, ...]:
    given = row.get("constraints") or []
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise UserError('constraints is a list of objects, such as {"kind": "length.words", "at_most": 50}')
    return tuple(from_json(one) for one in given)


def _said(response: Any, cut: bool) -> Said:
    if isinstance(response, str):
        return Said(response, cut)
    try:
        parted = answer_from_parts(response)
    except (TypeError, ValueError) as error:
        raise UserError(f"response is neither text nor content parts ({error})") from error
    whole = "".join(
        part if isinstance(part, str) else str(part.get("text") or part.get("reasoning") or "") for part in response
    )
    return Said(whole, cut, parted)
