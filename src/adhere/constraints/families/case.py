"""Case: all capital letters, all lowercase, in English or in any language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import ClassVar, Literal, Self

import regex

from adhere.constraints.constraint import BROKEN, HOLDS, OPEN, AtEnd, Check, Constraint, Monitor, Span, Verdict
from adhere.constraints.reading import languages
from adhere.constraints.registry import register

Case = Literal["upper", "lower"]

_WORDS = {"upper": "capital letters", "lower": "lowercase letters"}
_CASE_NAMES = r"(?P<upper>capital(?:i[sz]ed)?(?: letters| case)?|capitals|upper[ -]?case(?: letters)?|caps)"
_LOWER_NAMES = r"(?P<lower>lower[ -]?case(?: letters)?)"


def _misfit(chunk: str, case: str) -> int:
    """Where the first letter of the wrong case stands in `chunk`, -1 where none does.

    Letters are what Unicode calls upper, lower or title case, styled ones too (a mathematical bold "A" is a capital). A
    small letter that has no capital of one letter ("ß") fits anywhere, and so do raised letters ("nº").
    """
    if chunk.isascii() and chunk == (chunk.lower() if case == "lower" else chunk.upper()):
        return -1
    match = _MISFITS[case].search(chunk)
    while match is not None and case == "upper" and not _has_capital(match[0]):
        match = _MISFITS[case].search(chunk, match.end())
    return match.start() if match is not None else -1


_MISFITS = {
    "lower": regex.compile(r"[\p{Uppercase}\p{Lt}]"),
    "upper": regex.compile(r"[\p{Ll}\p{Lt}\u24d0-\u24e9]"),
}


def _has_capital(letter: str) -> bool:
    """Whether a small letter has a capital of one letter, in its own style or, where that has none, plain."""
    if letter != letter.upper():
        return len(letter.upper()) == 1
    plain = unicodedata.normalize("NFKC", letter)
    return len(plain) == 1 and plain != plain.upper() and len(plain.upper()) == 1


class _CaseMonitor(Monitor):
    def __init__(self, case: str) -> None:
        super().__init__()
        self._case = case
        self._found = ""

    def _read(self, chunk: str) -> None:
        if not self._found:
            at = _misfit(chunk, self._case)
            if at >= 0:
                self._found = chunk[at]
                self._decide(BROKEN, at + 1)

    def standing(self) -> Verdict:
        return HOLDS if self.verdict is OPEN else self.verdict

    def _conclude(self) -> Check:
        wanted = f"only {_WORDS[self._case]}"
        if self._found:
            assert self.at is not None
            spans = (Span(self.at - 1, self.at),)
            return Check(BROKEN, f"{self._found!r} is none of them", found=self._found, wanted=wanted, spans=spans)
        return Check(HOLDS, f"{wanted} found", wanted=wanted)


@register
class LetterCase(Constraint):
    """All letters are capitals, or all are lowercase. Signs, digits and scripts without case do not count.

    The reference wants at least one letter that has case.
    """

    kind: ClassVar[str] = "case.letters"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a", "A", "ß", "1", " ", "É")

    case: Case

    def describe(self) -> str:
        return f"Use only {_WORDS[self.case]}."

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _CaseMonitor(self.case)

    def _by_reference(self, text: str) -> Check:
        return _reference_case(text, self.case)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(case="upper"), cls(case="lower")

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        if text.isupper() and _misfit(text, "upper") < 0:
            yield cls(case="upper")
        if text.islower() and _misfit(text, "lower") < 0:
            yield cls(case="lower")


def _reference_case(text: str, case: str) -> Check:
    met = text.isupper() if case == "upper" else text.islower()
    wanted = f"only {_WORDS[case]}"
    return Check(Verdict.of(met), f"{wanted} {'found' if met else 'wanted'}", wanted=wanted)


@register
class EnglishCase(Constraint):
    """The answer is in English and in one case.

    An answer too short to tell its language ("OK") is judged by its case alone; one that is surely in another
    language breaks the constraint. The reference calls the language of short answers almost at random.
    """

    kind: ClassVar[str] = "case.english"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(rf"\bin English(?: and|,)? (?:in |using )?(?:only |all ){{0,2}}{_CASE_NAMES}\b", re.I),
        re.compile(rf"\bin English(?: and|,)? (?:in |using )?(?:only |all ){{0,2}}{_LOWER_NAMES}\b", re.I),
    )

    case: Case

    def describe(self) -> str:
        return f"Answer in English and in all {_WORDS[self.case]}."

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _EnglishCaseMonitor(self.case)

    def _by_reference(self, text: str) -> Check:
        check = _reference_case(text, self.case)
        if check.verdict is BROKEN:
            return check
        language = languages.by_reference(text)
        reason = f"the language looks like {languages.NAMES.get(language or '', 'none')}"
        return Check(Verdict.of(language == "en"), reason, found=language, wanted="en")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(case="upper"), cls(case="lower")

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(case="upper" if match.groupdict().get("upper") else "lower")


class _EnglishCaseMonitor(_CaseMonitor):
    def __init__(self, case: str) -> None:
        super().__init__(case)
        self._sample = ""

    def _read(self, chunk: str) -> None:
        super()._read(chunk)
        if len(self._sample) < languages.LONGEST:
            self._sample = (self._sample + chunk)[: languages.LONGEST]

    def standing(self) -> Verdict:
        return Monitor.standing(self)  # the language has a say too

    def _conclude(self) -> Check:
        check = super()._conclude()
        if check.verdict is BROKEN:
            return check
        guess = languages.detect(self._sample)
        if guess.language not in ("en", None):
            name = languages.NAMES[guess.language]
            return Check(BROKEN, f"the answer is in {name}", found=guess.language, wanted="en")
        told = "" if guess.language else ", too short to tell the language"
        return Check(HOLDS, check.reason + told, found=guess.language, wanted="en")
