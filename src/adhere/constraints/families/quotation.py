"""Quotation: the whole answer stands in double quotation marks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Self

from adhere.constraints.bases.parameterless import Parameterless
from adhere.constraints.constraint import BROKEN, AtEnd, Check, Monitor, Span, Verdict
from adhere.constraints.registry import register

_OPENING = '"“„”'
_CLOSING = '"”“'
WANTED = "the answer in double quotation marks"


@register
class Quotation(Parameterless):
    """The answer begins and ends with a double quotation mark. The reference knows the straight ones alone."""

    kind: ClassVar[str] = "format.quotation"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ('"', "“", "”", "a", " ")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\b(?:wrap|wrapped|enclose|enclosed|put|placed?|inside|in|with|within|surround(?:ed)?)"
            r"(?: (?:your|the|this|whole|entire|final))*(?: (?:answer|response|reply|output|text|email|message|poem))?"
            r"(?: (?:in|with|within|inside|by|between|using))?(?: a pair of)?"
            r" (?:double quotation marks?|double quotes?)",
            re.I,
        ),
        re.compile(
            r"\b(?:wrap|enclose|put|place|surround) (?:your|the) (?:(?:whole|entire|full|complete) )?"
            r"(?:answer|response|reply|output|text) (?:in|with|within|inside|between) (?:quotation marks|quotes)\b",
            re.I,
        ),
    )

    def describe(self) -> str:
        return "Wrap your entire response in double quotation marks."

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _QuotationMonitor()

    def _by_reference(self, text: str) -> Check:
        text = text.strip()
        met = len(text) > 1 and text[0] == '"' and text[-1] == '"'
        return Check(Verdict.of(met), f"{WANTED} {'found' if met else 'wanted'}", wanted=WANTED)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        if cls().check(text).met:
            yield cls()


class _QuotationMonitor(Monitor):
    def __init__(self) -> None:
        super().__init__()
        self._first = ""
        self._last = ""
        self._inked = 0
        """Characters that are not white space, counted up to two."""
        self._end = 0

    def _read(self, chunk: str) -> None:
        ink = chunk.rstrip()
        if not ink:
            return
        self._end = self.length + len(ink)
        stripped = ink.lstrip()
        if not self._first:
            self._first = stripped[0]
            if self._first not in _OPENING:
                self._decide(BROKEN, len(ink) - len(stripped) + 1)
        self._inked = min(2, self._inked + len(stripped))
        self._last = stripped[-1]

    def _conclude(self) -> Check:
        if self._first and self._first not in _OPENING:
            assert self.at is not None
            reason = f"the answer begins with {self._first!r}"
            return Check(BROKEN, reason, self._first, WANTED, (Span(self.at - 1, self.at),))
        if self._inked < 2 or self._last not in _CLOSING:
            reason = f"the answer ends with {self._last!r}" if self._last else "there is no answer"
            spans = (Span(self._end - 1, self._end),) if self._end else ()
            return Check(BROKEN, reason, self._last, WANTED, spans)
        return Check(Verdict.HOLDS, f"{WANTED} found", wanted=WANTED)
