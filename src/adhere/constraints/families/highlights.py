"""Highlights: stretches set off with Markdown emphasis, as in *highlighted* or **highlighted**."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Self

from adhere.constraints.bases.bounds import BOUND, Bounded, bound
from adhere.constraints.bases.line_counts import LineCountMonitor
from adhere.constraints.constraint import AtEnd, Check, Monitor
from adhere.constraints.reading.readers import Line
from adhere.constraints.registry import register

_EMPHASIS = re.compile(r"(?<![*\w\\])(\*{1,3})(?=[^\s*])[^*\n]*?(?<=[^\s*])\1(?![*\w])")
_SINGLE = re.compile(r"\*[^\n\*]*\*")
_DOUBLE = re.compile(r"\*\*[^\n\*]*\*\*")


def _find(line: Line) -> Iterator[tuple[int, int]]:
    return (match.span() for match in _EMPHASIS.finditer(line.text)) if "*" in line.text else iter(())


@register
class Highlights(Bounded):
    """How many stretches the answer sets off with asterisks.

    The reference takes whatever stands between two asterisks of a line, bullets' asterisks among them, for a
    highlight; here emphasis touches what it sets off, as in Markdown.
    """

    kind: ClassVar[str] = "format.highlights"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\bhighlight(?:ing)?,? {BOUND} (?:\w+ )?(?:sections?|phrases?|words?|parts?|sentences?|stretch(?:es)?)\b"
            rf"(?: (?:in|of) (?:your|the) (?:answer|response|text))?(?: (?:with|in|using) (?:markdown|asterisks))?",
            re.I,
        ),
        re.compile(rf"\b{BOUND} highlighted (?:text )?(?:sections?|phrases?|words?|parts?|sentences?)\b", re.I),
        re.compile(rf"\bitalici[sz]e,? {BOUND} (?:of your )?(?:\w+ )?\w+\b", re.I),
        re.compile(rf"\b{BOUND} italic(?:i[sz]ed)?(?: text)? (?:sections?|phrases?|words?|parts?)\b", re.I),
        re.compile(
            rf"\b{BOUND} (?:\w+ )?(?:sections?|phrases?|words?|parts?) (?:should|must|need to|have to) be"
            rf" (?:highlighted|italici[sz]ed)\b",
            re.I,
        ),
    )

    def describe(self) -> str:
        return f"Highlight {self.bounds('section')} with markdown."

    def monitor(self) -> Monitor:
        if self.profile == "reference":
            return AtEnd(self._by_reference)
        return LineCountMonitor(self, _find, "highlight")

    def _by_reference(self, text: str) -> Check:
        single = sum(1 for found in _SINGLE.findall(text) if found.strip("*").strip())
        double = sum(1 for found in _DOUBLE.findall(text) if found[2:-2].strip())
        return self.sum_up(single + double, "highlight")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_least=3), cls(at_least=1, at_most=1), cls(at_most=2)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        bounds = bound(match)
        if bounds and match["bare"]:
            bounds = {"at_least": bounds["at_least"]}
        return cls.model_validate(bounds) if bounds else None
