"""Markdown table: the answer has a table, of so many columns."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Self

from pydantic import Field

from adhere.constraints.constraint import BROKEN, HOLDS, Check, Constraint, Monitor, Span
from adhere.constraints.reading.readers import Line, LineReader
from adhere.constraints.registry import register

_RULE = re.compile(r"\s{0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")
_BAR = re.compile(r"(?<!\\)\|")


def _columns(row: str) -> int:
    """How many cells a row of a table has; 0 where it is none."""
    row = row.strip()
    bars = len(_BAR.findall(row))
    return bars + 1 - row.startswith("|") - (row.endswith("|") and not row.endswith("\\|")) if bars else 0


@register
class MarkdownTable(Constraint):
    """The answer has a table as Markdown (GFM) writes it: a header, a rule below it of as many columns, and a row at
    least. Both profiles judge alike.

    columns: how many columns a table must have to count; any number if left out.
    """

    kind: ClassVar[str] = "format.markdown_table"
    pieces: ClassVar[tuple[str, ...]] = ("| a | b |\n", "|---|---|\n", "| 1 | 2 |\n", "\n", "a | b\n", "-|-\n", "|")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\bMarkdown table(?: (?:with|of) (?:exactly )?(?P<n>\d{1,2}) columns?)?\b", re.I),
    )

    columns: Annotated[int, Field(strict=True, ge=1, le=99)] | None = None

    def describe(self) -> str:
        if self.columns is None:
            return "Include a Markdown table."
        return f"Include a Markdown table with {self.columns} {'column' if self.columns == 1 else 'columns'}."

    def monitor(self) -> Monitor:
        return _TableMonitor(self.columns)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(), cls(columns=2)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(columns=int(match["n"]) if match["n"] else None)


class _TableMonitor(Monitor):
    def __init__(self, columns: int | None) -> None:
        super().__init__()
        self._columns = columns
        self._lines = LineReader()
        self._header = 0
        """Columns of the line before, which may be a header."""
        self._ruled = False
        """Whether a header and its rule have been read."""
        self._other = 0
        """Columns of a table that has not as many as wanted."""
        self._span: tuple[Span, ...] = ()

    def fork(self) -> Monitor:  # type: ignore[override]
        other = super().fork()
        other._lines = self._lines.fork()
        return other

    def _read(self, chunk: str) -> None:
        self._take(self._lines.read(chunk))

    def _take(self, lines: list[Line]) -> None:
        for line in lines:
            if self._span:
                return
            cells = 0 if line.fenced or not line.starts else _columns(line.text)
            if self._ruled and cells:
                if self._columns in (None, self._header):
                    self._span = (Span(self.length + line.start, self.length + line.start + len(line.text)),)
                    self._decide(HOLDS, line.end)
                    return
                self._other = self._header
                self._ruled = False
            elif self._header and cells == self._header and _RULE.fullmatch(line.text):
                self._ruled = True
            else:
                self._ruled, self._header = False, cells

    def _conclude(self) -> Check:
        self._take(self._lines.finish())
        wanted = "a table" if self._columns is None else f"a table of {self._columns} columns"
        if self._span:
            return Check(HOLDS, f"{wanted} found", wanted=wanted, spans=self._span)
        reason = f"the table has {self._other} columns" if self._other else "no table found"
        return Check(BROKEN, reason, found=self._other or None, wanted=wanted)
