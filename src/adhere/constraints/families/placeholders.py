"""Placeholders: names in square brackets that the reader is to fill in, as in [address]."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Self

from adhere.constraints.bases.bounds import BOUND, Bounded, bound
from adhere.constraints.bases.line_counts import LineCountMonitor
from adhere.constraints.constraint import AtEnd, Check, Monitor
from adhere.constraints.reading.readers import Line
from adhere.constraints.registry import register

_BRACKETED = re.compile(r"\[([^\[\]]{1,200})\](?![(\[])")
_TO_DO = frozenset(("x", "X"))
_REFERENCE = re.compile(r"\[.*?\]")


def _find(line: Line) -> Iterator[tuple[int, int]]:
    for match in _BRACKETED.finditer(line.text) if "[" in line.text else ():
        if match[1] not in _TO_DO and any(map(str.isalpha, match[1])):
            yield match.span()


@register
class Placeholders(Bounded):
    """How many placeholders in square brackets the answer has.

    A link, a footnote's number and a box to tick are none. The reference counts every pair of brackets on a line.
    """

    kind: ClassVar[str] = "format.placeholders"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(rf"\b{BOUND} (?:\w+ )?placeholders?\b(?:[^.\n]{{0,40}}square brackets)?", re.I),
    )

    def describe(self) -> str:
        return f"Use {self.bounds('placeholder')} in square brackets."

    def monitor(self) -> Monitor:
        if self.profile == "reference":
            return AtEnd(self._by_reference)
        return LineCountMonitor(self, _find, "placeholder")

    def _by_reference(self, text: str) -> Check:
        return self.sum_up(len(_REFERENCE.findall(text)), "placeholder")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_least=3), cls(at_most=1), cls(at_least=2, at_most=2)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        bounds = bound(match)
        if bounds and match["bare"]:  # "include 3 placeholders": nobody minds a fourth
            bounds = {"at_least": bounds["at_least"]}
        return cls.model_validate(bounds) if bounds else None
