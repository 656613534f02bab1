"""Bullet points: lines that begin with a Markdown bullet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Self

from adhere.constraints.bases.bounds import Bounded
from adhere.constraints.bases.line_counts import LineCountMonitor
from adhere.constraints.constraint import AtEnd, Check, Monitor
from adhere.constraints.reading.marks import BULLETS
from adhere.constraints.reading.readers import Line, LineReader
from adhere.constraints.registry import register

_BULLET = re.compile(rf"\s*[{re.escape(BULLETS)}][ \t]+(?=\S)")
_RULE = re.compile(r"\s*(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,})$")
_REFERENCE = re.compile(r"^\s*\*[^\*].*$", re.M), re.compile(r"^\s*-.*$", re.M)


def _find(line: Line) -> Iterator[tuple[int, int]]:
    match = _BULLET.match(line.text) if line.starts else None
    if match and not _RULE.match(line.text):
        yield match.end(), len(line.text)


@register
class Bullets(Bounded):
    """How many bullet points the answer has.

    The reference takes any line that begins with a dash, and *emphasis* at the start of a line, for a bullet point.
    """

    kind: ClassVar[str] = "format.bullets"

    def describe(self) -> str:
        return f"Use {self.bounds('bullet point')}."

    def monitor(self) -> Monitor:
        if self.profile == "reference":
            return AtEnd(self._by_reference)
        return LineCountMonitor(self, _find, "bullet point")

    def _by_reference(self, text: str) -> Check:
        return self.sum_up(sum(len(pattern.findall(text)) for pattern in _REFERENCE), "bullet point")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_least=3, at_most=3), cls(at_least=1), cls(at_most=1)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        reader = LineReader()
        lines = [*reader.read(text), *reader.finish()]
        count = sum(1 for line in lines if not line.fenced for _ in _find(line))
        if count > 1:
            yield cls(at_least=count, at_most=count)
