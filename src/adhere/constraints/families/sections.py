"""Sections: parts of the answer that begin with a marker and a number, as in "Section 1"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator

from adhere.constraints.bases.bounds import BOUND, Bounded, bound
from adhere.constraints.bases.line_counts import LineCountMonitor
from adhere.constraints.constraint import AtEnd, Check, Monitor
from adhere.constraints.reading.plain_regex import count
from adhere.constraints.reading.readers import Line
from adhere.constraints.registry import register


def _marker(value: str) -> str:
    value = value.strip()
    if not value or "\n" in value:
        raise ValueError("a marker is a word or two on one line")
    return value


@lru_cache(maxsize=1024)
def _heading(marker: str) -> re.Pattern[str]:
    return re.compile(rf"[\s#*_>\-\[(\"“]*{re.escape(marker)}[ \t]?(?:\d+|[IVXLC]+\b|[A-Z]\b)(?!\w)", re.I)


@register
class Sections(Bounded):
    """How many sections the answer has, each begun by a line that opens with the marker and its number.

    The reference finds the marker with a digit anywhere in a line ("see section 2 above" is a section there).
    """

    kind: ClassVar[str] = "structure.sections"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\b{BOUND} sections?\b[^\n]{{0,80}}?"
            rf"(?:with|using|by) [\"“']?(?P<marker>[^\W\d_][\w-]{{0,30}})[\"”']? (?:X|\d|and (?:its|their|a) number)\b",
            re.I,
        ),
    )

    marker: Annotated[str, AfterValidator(_marker)] = "Section"

    def describe(self) -> str:
        return f"Write {self.bounds('section')}. Mark the beginning of each with {self.marker} X."

    def monitor(self) -> Monitor:
        if self.profile == "reference":
            return AtEnd(self._by_reference)
        return LineCountMonitor(self, self._find, "section")

    def _find(self, line: Line) -> Iterator[tuple[int, int]]:
        match = _heading(self.marker).match(line.text) if line.starts else None
        if match:
            yield match.span()

    def _by_reference(self, text: str) -> Check:
        return self.sum_up(count(rf"\s?{self.marker}\s?\d+\s?", text, case=True), "section")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_least=3), cls(marker="SECTION", at_least=2, at_most=2), cls(marker="Day", at_most=2)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        bounds = bound(match)
        return cls.model_validate({"marker": match["marker"], **bounds}) if bounds else None
