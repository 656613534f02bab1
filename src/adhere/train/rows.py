"""Rows of training data: a prompt, what its answer must meet, and the problem it puts, if any.

    {"prompt": "Describe the sea in under 9 words.", "constraints": [{"kind": "length.words", "at_most": 8}]}

Rules:

- `prompt` is a text or a list of chat messages. `constraints` is a list of JSON objects, or a JSON string of it; where
  it is absent, the constraints are those that the prompt states in words (`constraints.parse`).
- `problem`, where there is one, has the form of `problem_rows`.
- `id` names the row in every later file; where it is absent, it is a hash of the prompt.
- Columns of a trainer hold JSON strings: nested columns would be merged into one schema, and absent keys filled in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adhere.constraints.constraint import Constraint
from adhere.constraints.parse import parse
from adhere.core.errors import UserError
from adhere.core.reading import parse_json
from adhere.problems.problem import Problem
from adhere.train.problem_rows import problem_to_json
from adhere.train.reward import constraints_of, problem_of

Message = dict[str, str]


@dataclass(frozen=True)
class PromptRow:
    """A prompt to train or to measure with.

    Attributes:
        id: names it in every file made from it.
        messages: chat messages, the last of them the user's.
        constraints: what an answer must meet.
        problem: the question that an answer answers; None where there is none.
    """

    id: str
    messages: tuple[Message, ...]
    constraints: tuple[Constraint, ...]
    problem: Problem | None = None

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of its constraints."""
        return frozenset(one.kind for one in self.constraints)

    @property
    def text(self) -> str:
        """What the user says last."""
        return self.messages[-1]["content"]

    def columns(self) -> dict[str, Any]:
        """The row as a trainer's data set holds it: `prompt`, and JSON strings `constraints` and `problem`."""
        problem = None if self.problem is None else json.dumps(problem_to_json(self.problem))
        listed = [one.to_json() for one in self.constraints]
        return {"prompt": list(self.messages), "constraints": json.dumps(listed), "problem": problem}

    def to_json(self) -> dict[str, Any]:
        """The row as a JSON object, as `row_from_json` reads it."""
        record: dict[str, Any] = {
            "id": self.id,
            "prompt": list(self.messages),
            "constraints": [one.to_json() for one in self.constraints],
        }
        if self.problem is not None:
            record["problem"] = problem_to_json(self.problem)
        return record


def row_from_json(record: Mapping[str, Any]) -> PromptRow:
    """The row that a JSON object describes; see the module's rules.

    Raises:
        UserError: there is no prompt, or constraints or problem are malformed.
    """
    messages = _messages(record.get("prompt"))
    entry = record.get("constraints")
    constraints = tuple(parse(messages[-1]["content"])) if entry is None else constraints_of(entry)
    identity = record.get("id") or hashlib.sha256(json.dumps(messages).encode()).hexdigest()[:16]
    return PromptRow(str(identity), messages, constraints, problem_of(record.get("problem")))


def _messages(prompt: object) -> tuple[Message, ...]:
    if isinstance(prompt, str) and prompt.strip():
        return ({"role": "user", "content": prompt},)
    if isinstance(prompt, Sequence) and not isinstance(prompt, str) and prompt:
        messages = tuple(
            {"role": str(one["role"]), "content": str(one["content"])}
            for one in prompt
            if isinstance(one, Mapping) and "role" in one and "content" in one
        )
        if len(messages) == len(prompt) and messages[-1]["role"] == "user":
            return messages
    raise UserError("a row's `prompt` is a text, or chat messages of which the last is the user's")


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file, with the numbers of their lines; empty lines are passed over.

    Raises:
        UserError: the file cannot be read, or a line is no JSON object.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    record = parse_json(line)
                except ValueError as error:
                    raise UserError(f"{path}, line {number}: no JSON ({error})") from None
                if not isinstance(record, dict):
                    raise UserError(f"{path}, line {number}: not a JSON object")
                yield number, record
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UserError(f"cannot read {path}: {reason}") from None


def read_rows(path: Path) -> list[PromptRow]:
    """The rows of a JSON Lines file.

    Raises:
        UserError: a row is malformed, has no constraint and no problem, or two rows have one id; names the line.
    """
    rows: list[PromptRow] = []
    lines_of: dict[str, int] = {}
    for number, record in read_jsonl(path):
        try:
            row = row_from_json(record)
        except UserError as error:
            raise UserError(f"{path}, line {number}: {error}") from None
        if not row.constraints and row.problem is None:
            raise UserError(f"{path}, line {number}: neither constraints nor a problem: nothing could be rewarded")
        if row.id in lines_of:
            raise UserError(f"{path}, lines {lines_of[row.id]} and {number} have one id, {row.id!r}")
        lines_of[row.id] = number
        rows.append(row)
    if not rows:
        raise UserError(f"{path} holds no rows")
    return rows


def to_jsonl(records: Iterable[Mapping[str, Any]]) -> str:
    """JSON Lines."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
