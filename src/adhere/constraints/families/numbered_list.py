"""Numbered list: lines that begin with a number and a point or bracket."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Self

from adhere.constraints.bases.bounds import BOUND, Bounded
from adhere.constraints.bases.line_counts import LineCountMonitor
from adhere.constraints.constraint import Monitor
from adhere.constraints.reading.readers import Line
from adhere.constraints.registry import register

_ITEM = re.compile(r"\s{0,12}\d{1,4}[.)．、]\s*(?=\S)(?!\d)")


def _find(line: Line) -> Iterator[tuple[int, int]]:
    match = _ITEM.match(line.text) if line.starts else None
    if match:
        yield match.end(), len(line.text)


@register
class NumberedItems(Bounded):
    """How many items of numbered lists the answer has: lines that begin with a number and a point or bracket. "3.5 is"
    begins with a number of its own and is no item. Both profiles judge alike: no public benchmark asks for it.
    """

    kind: ClassVar[str] = "format.numbered_items"
    pieces: ClassVar[tuple[str, ...]] = ("1. ", "2) ", "3.5 ", "\n", "a", "10. b\n")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\bnumbered list (?:of|with|that has|containing) {BOUND} (?:items?|entries|points?|steps?)\b", re.I
        ),
        re.compile(rf"\b{BOUND} numbered (?:items?|points?)\b", re.I),
    )

    def describe(self) -> str:
        return f"Write a numbered list with {self.bounds('item')}."

    def monitor(self) -> Monitor:
        return LineCountMonitor(self, _find, "numbered item")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_least=3, at_most=3), cls(at_least=2), cls(at_most=5)
