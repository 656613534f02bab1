"""No digits: no character of the answer is a digit, in any script."""

from __future__ import annotations

import re
from typing import ClassVar

import regex

from adhere.constraints.bases.parameterless import Parameterless
from adhere.constraints.constraint import BROKEN, HOLDS, Check, Monitor, Span, Verdict
from adhere.constraints.registry import register

_DIGIT = regex.compile(r"[\p{Nd}\p{No}\p{Nl}]")


@register
class WithoutDigits(Parameterless):
    """No digit stands in the answer: none of any script, no raised or circled one, no Roman numeral sign, no fraction.
    Number words are no digits. Both profiles judge alike.
    """

    kind: ClassVar[str] = "excludes.digits"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("1", "٣", "²", "one", " ", "Ⅳ")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\b(?:do not|don't|never) (?:use|include|write) (?:any )?(?:digits|numerals)\b", re.I),
        re.compile(r"\bwithout (?:using )?(?:any )?(?:digits|numerals)\b", re.I),
    )

    def describe(self) -> str:
        return "Do not use any digits."

    def monitor(self) -> Monitor:
        return _DigitMonitor()


class _DigitMonitor(Monitor):
    def __init__(self) -> None:
        super().__init__()
        self._first = -1

    def _read(self, chunk: str) -> None:
        if self._first < 0 and (match := _DIGIT.search(chunk)):
            self._first = self.length + match.start()
            self._decide(BROKEN, match.end())

    def standing(self) -> Verdict:
        return Verdict.of(self._first < 0)

    def _conclude(self) -> Check:
        if self._first < 0:
            return Check(HOLDS, "no digit found", wanted="no digit")
        return Check(BROKEN, "a digit found", wanted="no digit", spans=(Span(self._first, self._first + 1),))
