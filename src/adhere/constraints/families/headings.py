"""Headings: how many Markdown headings the answer has, and which, in which order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from pydantic import Field

from adhere.constraints.bases.bounds import BOUND, Bounded
from adhere.constraints.bases.line_counts import LineCountMonitor
from adhere.constraints.constraint import BROKEN, HOLDS, Check, Constraint, Monitor, Span, Verdict
from adhere.constraints.families.terms import Term, quoted
from adhere.constraints.reading import text_forms
from adhere.constraints.reading.readers import Line, LineReader
from adhere.constraints.registry import register

_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(?=[^\s#])")
_SIGNS = " \t#*_:."


def _find(line: Line) -> Iterator[tuple[int, int]]:
    match = _HEADING.match(line.text) if line.starts else None
    if match:
        yield match.end(), len(line.text.rstrip())


@register
class Headings(Bounded):
    """How many Markdown headings the answer has ("# ...", "## ..."). Both profiles judge alike."""

    kind: ClassVar[str] = "format.headings"
    pieces: ClassVar[tuple[str, ...]] = ("# ", "## a\n", "\n", "a", "#")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (re.compile(rf"\b{BOUND} (?:Markdown )?headings?\b", re.I),)

    def describe(self) -> str:
        return f"Use {self.bounds('Markdown heading')}."

    def monitor(self) -> Monitor:
        return LineCountMonitor(self, _find, "heading")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_least=2), cls(at_least=3, at_most=3), cls(at_most=1)


_QUOTED = re.compile(r"[\"“]([^\"“”\n]{1,200})[\"”]")


@register
class HeadingOrder(Constraint):
    """The answer has these Markdown headings, in this order; others may stand between them. Case, emphasis and a colon
    at the end do not count. Both profiles judge alike.
    """

    kind: ClassVar[str] = "format.heading_order"
    pieces: ClassVar[tuple[str, ...]] = (
        "# Summary\n",
        "## **Risks:**\n",
        "# ",
        "Summary",
        "Risks",
        "\n",
        "# Outlook\n",
    )
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\b(?:Markdown )?headings,? in this order:? (?P<headings>[\"“][^\"“”\n]{1,200}[\"”]"
            r"(?:(?:, ?| and |, and )[\"“][^\"“”\n]{1,200}[\"”]){0,20})",
            re.I,
        ),
    )

    headings: Annotated[tuple[Term, ...], Field(min_length=1, max_length=50)]

    def describe(self) -> str:
        return f"Use these Markdown headings, in this order: {quoted(self.headings)}."

    def monitor(self) -> Monitor:
        return _OrderMonitor(self.headings)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(headings=("Summary", "Risks")), cls(headings=("Outlook",))

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(headings=tuple(_QUOTED.findall(match["headings"])))


class _OrderMonitor(Monitor):
    def __init__(self, headings: tuple[str, ...]) -> None:
        super().__init__()
        self._headings = headings
        self._lines = LineReader()
        self._found: tuple[Span, ...] = ()

    def fork(self) -> Monitor:  # type: ignore[override]
        other = super().fork()
        other._lines = self._lines.fork()
        return other

    def _read(self, chunk: str) -> None:
        self._take(self._lines.read(chunk))

    def _take(self, lines: list[Line]) -> None:
        for line in lines:
            if line.fenced or len(self._found) == len(self._headings):
                continue
            for start, end in _find(line):
                said = " ".join(line.text[start:end].strip(_SIGNS).split())
                if text_forms.folded(said) == text_forms.folded(self._headings[len(self._found)].strip(_SIGNS)):
                    at = self.length + line.start
                    self._found += (Span(at + start, at + end),)
                    if len(self._found) == len(self._headings):
                        self._decide(HOLDS, line.end)

    def _conclude(self) -> Check:
        self._take(self._lines.finish())
        count, wanted = len(self._found), quoted(self._headings)
        if count == len(self._headings):
            return Check(HOLDS, "all headings found, in order", count, wanted, self._found)
        missing = f"the heading {quoted(self._headings[count : count + 1])} is missing"
        return Check(BROKEN, missing + (" behind the one before it" if count else ""), count, wanted, self._found)

    def standing(self) -> Verdict:
        return HOLDS if self.verdict is HOLDS else super().standing()
