"""Postscript: a note after the end, begun by a marker such as P.S."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator

from adhere.constraints.constraint import BROKEN, HOLDS, AtEnd, Check, Constraint, Monitor, Span
from adhere.constraints.reading.plain_regex import found
from adhere.constraints.reading.readers import Line, LineReader
from adhere.constraints.registry import register


def _marker(value: str) -> str:
    value = " ".join(value.split())
    if not value:
        raise ValueError("a marker must have a character that is not white space")
    return value


@lru_cache(maxsize=1024)
def _opening(marker: str) -> re.Pattern[str]:
    """The marker at the start of a line, with or without a space after each of its points."""
    body = r"\s?".join(re.escape(part) for part in re.findall(r"[^.\s]+\.?|\.", marker))
    return re.compile(rf"[\s*_#>\[(\"“-]*({body})(?!\w)", re.I)


@register
class Postscript(Constraint):
    """Near its end the answer has a line that begins with the marker, and something before it.

    The reference finds the marker anywhere, even where the answer begins or inside a word's end.
    """

    kind: ClassVar[str] = "structure.postscript"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\b(?:postscript|post script)[^\n]{0,60}?(?:starting|starts|beginning|begins|start|begin|marked) with"
            r"(?: the)?(?: marker| words?)? [\"“']?(?P<marker>P\.(?: ?P\.){0,2} ?S\.?|[^\s\"“”']{1,20})",
            re.I,
        ),
    )

    marker: Annotated[str, AfterValidator(_marker)] = "P.S."

    def describe(self) -> str:
        return f'At the end of your response, add a postscript starting with "{self.marker}".'

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _PostscriptMonitor(self.marker)

    def _by_reference(self, text: str) -> Check:
        text = text.lower()
        if self.marker == "P.P.S":
            met = re.search(r"p\.\s?p\.\s?s", text) is not None
        elif self.marker == "P.S.":
            met = re.search(r"p\.\s?s\.", text) is not None
        else:
            met = found(self.marker.lower(), text)
        return Check(HOLDS if met else BROKEN, "found" if met else "no postscript", wanted=self.marker)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(), cls(marker="P.P.S")

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        marker = match["marker"].rstrip(",;:!?")
        return cls(marker=marker)


class _PostscriptMonitor(Monitor):
    def __init__(self, marker: str) -> None:
        super().__init__()
        self._marker = marker
        self._lines = LineReader()
        self._inked = False
        self._span: Span | None = None

    def fork(self) -> Self:
        other = super().fork()
        other._lines = self._lines.fork()
        return other

    def _read(self, chunk: str) -> None:
        if not self._span:
            self._take(self._lines.read(chunk))

    def _take(self, lines: list[Line]) -> None:
        for line in lines:
            match = _opening(self._marker).match(line.text) if self._inked and line.starts and not line.fenced else None
            if match and not self._span:
                at = self.length + line.start
                self._span = Span(at + match.start(1), at + match.end(1))
                self._decide(HOLDS, line.end)
            self._inked = self._inked or bool(line.text.strip())

    def _conclude(self) -> Check:
        if not self._span:
            self._take(self._lines.finish())
        if not self._span:
            return Check(BROKEN, f"no line after the first begins with {self._marker}", wanted=self._marker)
        return Check(HOLDS, "a postscript found", found=self._marker, wanted=self._marker, spans=(self._span,))
