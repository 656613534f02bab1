"""Language: the whole answer is in one language."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator

from adhere.constraints.constraint import BROKEN, HOLDS, UNSURE, AtEnd, Check, Constraint, Monitor, Verdict
from adhere.constraints.reading import languages
from adhere.constraints.registry import nearest, register

FOREIGN = 1 / 3
"""The share of letters in another script from which an answer is not wholly in its language. Names, terms and code
stand in Latin letters in any language and stay well under it."""


def _known(code: str) -> str:
    code = code.lower()
    if code not in languages.NAMES:
        raise ValueError(f"no language is known as {code!r}{nearest(code, languages.NAMES)}")
    return code


@register
class ResponseLanguage(Constraint):
    """The answer is in the language with this ISO 639-1 code.

    UNSURE where the text is too short, or too odd, to tell its language. The reference passes a text without letters,
    takes any likeliest language, and does not mind half the text in another script.
    """

    kind: ClassVar[str] = "language.response"

    language: Annotated[str, AfterValidator(_known)]

    def describe(self) -> str:
        return f"Answer in {languages.NAMES[self.language]}."

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _LanguageMonitor(self.language)

    def _by_reference(self, text: str) -> Check:
        found = languages.by_reference(text)
        if found is None and not any(map(str.isalpha, text)):
            return Check(HOLDS, "no letter to tell a language by", wanted=self.language)
        return Check(Verdict.of(found == self.language), _reason(found), found=found, wanted=self.language)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(language="en"), cls(language="hi"), cls(language="de")


def _reason(found: str | None) -> str:
    return f"the answer is in {languages.NAMES[found]}" if found else "the language cannot be told"


class _LanguageMonitor(Monitor):
    """Keeps the first `languages.LONGEST` characters."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._language = language
        self._sample = ""

    def _read(self, chunk: str) -> None:
        if len(self._sample) < languages.LONGEST:
            self._sample = (self._sample + chunk)[: languages.LONGEST]

    def _conclude(self) -> Check:
        guess = languages.detect(self._sample)
        found, wanted = guess.language, self._language
        script = languages.SCRIPT_OF[wanted]
        if found is None:
            likeliest = guess.likeliest
            if likeliest is None or languages.SCRIPT_OF[likeliest] == script:
                return Check(UNSURE, "too little to tell the language by", wanted=wanted)
            return Check(BROKEN, f"not in the script of {languages.NAMES[wanted]}", wanted=wanted)
        if found == wanted and guess.share < 1 - FOREIGN:
            reason = f"{_reason(found)}, but {1 - guess.share:.0%} of its letters are in another script"
            return Check(BROKEN, reason, found=found, wanted=wanted)
        return Check(Verdict.of(found == wanted), _reason(found), found=found, wanted=wanted)
