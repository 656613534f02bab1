"""Counts of what stands on single lines: bullet points, placeholders, highlights, titles, sections.

Their monitors judge at the end of each line, so a bound is seen to break (or to hold) up to a line late; code between
Markdown fences is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Self

from adhere.constraints.bases.bounds import Bounded
from adhere.constraints.constraint import BROKEN, HOLDS, MOST_SPANS, Check, Monitor, Span
from adhere.constraints.reading.readers import Line, LineReader

Find = Callable[[Line], Iterable[tuple[int, int]]]
"""Where in a line what is counted stands: starts and ends, in the line's characters."""


class LineCountMonitor(Monitor):
    """Watches the number of what `find` finds against the bounds of a constraint."""

    def __init__(self, bounded: Bounded, find: Find, unit: str, units: str | None = None) -> None:
        super().__init__()
        self._bounded = bounded
        self._find = find
        self._unit, self._units = unit, units
        self._lines = LineReader()
        self._count = 0
        self._spans: tuple[Span, ...] = ()
        if bounded.at_most is None and bounded.at_least == 0:
            self._decide(HOLDS, 0)

    def fork(self) -> Self:
        other = super().fork()
        other._lines = self._lines.fork()
        return other

    def _read(self, chunk: str) -> None:
        self._take(self._lines.read(chunk))

    def _take(self, lines: list[Line]) -> None:
        for line in lines:
            if line.fenced:
                continue
            for start, end in self._find(line):
                self._count += 1
                if len(self._spans) < MOST_SPANS:
                    at = self.length + line.start
                    self._spans += (Span(at + start, at + end),)
                bounded = self._bounded
                if bounded.at_most is not None:
                    if self._count > bounded.at_most:
                        self._decide(BROKEN, line.end)
                elif self._count == bounded.at_least:
                    self._decide(HOLDS, line.end)

    def _conclude(self) -> Check:
        self._take(self._lines.finish())
        check = self._bounded.sum_up(self._count, self._unit, self._units)
        return Check(check.verdict, check.reason, check.found, check.wanted, self._spans)
