"""One row of a file, and one that could not be read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

LIMIT = 16_000_000
"""Bytes of the longest row that is read: some 3,000 pages. A longer one is an accident, not an answer."""


class Line(NamedTuple):
    """A row as it stands in a file, as JSON."""

    file: str
    number: int
    """Of the line where rows are lines, of the row otherwise; from 1."""
    raw: bytes
    digest: str
    """Of the file's rows up to and including this one."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that could not be read."""

    file: str
    line: int
    """0 where the whole file could not be read."""
    problem: str
    digest: str = ""
    identity: str | None = None
    model: str | None = None
    """The prompt's id and the model, where a damaged row still shows them."""
    counted: bool = False
    """Whether a record stands for it already, so that it is not counted again."""
    unstated: bool = False
    """Whether the row is sound and its prompt, which was to be read, states nothing that can be checked."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}" if self.line else f"{self.file}: {self.problem}"

    def to_line(self) -> str:
        fields: dict[str, object] = {
            "file": self.file,
            "line": self.line,
            "problem": self.problem,
            "digest": self.digest,
        }
        more = {"identity": self.identity, "model": self.model, "counted": self.counted, "unstated": self.unstated}
        fields.update((name, value) for name, value in more.items() if value)
        return json.dumps({"bad": fields}, separators=(",", ":"))


_VALUE = rb'"\s*:\s*(?:"([^"\\]{1,200})"|(-?\d{1,20})(?=[,}\s]))'
_IDENTITY = re.compile(rb'"(?:custom_id|key|prompt_id|id)' + _VALUE)
_MODEL = re.compile(rb'"model' + _VALUE)
_SEARCHED = 4_000
"""Bytes of a damaged row in which its id is looked for: writers put it first."""


def shown_in(raw: bytes) -> tuple[str | None, str | None]:
    """The prompt's id and the model's name in a row that cannot be read, as far as they can be seen."""
    matches = (pattern.search(raw[:_SEARCHED]) for pattern in (_IDENTITY, _MODEL))
    identity, model = (match and (match[1] or match[2]).decode("utf-8", "replace") for match in matches)
    return identity, model


def numbered(name: str, rows: Iterable[bytes | str], first: int = 1) -> Iterator[Line | Bad]:
    """Rows as lines; a string among them is a problem with the row in its place."""
    digest = hashlib.blake2b(digest_size=8)
    for number, row in enumerate(rows, first):
        if isinstance(row, str):
            yield Bad(name, number, row, digest.hexdigest())
        else:
            digest.update(row)
            yield Line(name, number, row, digest.hexdigest())
