"""End phrase: the answer ends with a given phrase, and nothing follows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator

from adhere.constraints.constraint import BROKEN, HOLDS, AtEnd, Check, Constraint, Monitor, Span, Verdict, Wanted
from adhere.constraints.registry import register

_WRAPPING = "\"'“”’*_`)]}"
"""Signs that may close a quotation, an emphasis or a bracket around the end."""
_SLACK = 64
"""Characters of closing signs and white space after the phrase that are looked past."""


def _phrase(value: str) -> str:
    if not value.strip():
        raise ValueError("a phrase must have a character that is not white space")
    return value.strip()


@register
class EndPhrase(Constraint):
    """The answer ends with this phrase, in either case, as words of its own; closing signs around it do not count.

    The reference looks past double quotation marks alone, and finds the phrase in the end of a longer word.
    """

    kind: ClassVar[str] = "structure.end_phrase"

    phrase: Annotated[str, AfterValidator(_phrase)]

    def describe(self) -> str:
        return f'Finish your response with the exact phrase "{self.phrase}"'

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _EndMonitor(self.phrase)

    def _by_reference(self, text: str) -> Check:
        met = text.strip().strip('"').lower().endswith(self.phrase.lower())
        return Check(Verdict.of(met), "the phrase ends it" if met else "another end", wanted=self.phrase)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(phrase="Any other questions?"), cls(phrase="the end")

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        last = text.rstrip().rsplit("\n", 1)[-1].strip()
        if 0 < len(last) <= 60 and '"' not in last and "\n" in text.strip() and cls(phrase=last).check(text).met:
            yield cls(phrase=last)


class _EndMonitor(Monitor):
    """Keeps the end of the text, as long as the phrase and what may stand after it."""

    def __init__(self, phrase: str) -> None:
        super().__init__()
        self._phrase = phrase
        self._end = ""

    def _read(self, chunk: str) -> None:
        self._end = (self._end + chunk)[-(len(self._phrase) + _SLACK) :]

    def wanted(self) -> Wanted:
        return Wanted() if self.fork().close().met else Wanted((self._phrase,), at_end=True)

    def _conclude(self) -> Check:
        phrase = self._phrase
        # the phrase may itself end with such signs
        for end in (self._end.rstrip(), self._end.rstrip().rstrip(_WRAPPING + " ")):
            start = len(end) - len(phrase)
            if end[start if start > 0 else 0 :].lower() == phrase.lower():
                if start > 0 and end[start - 1].isalnum() and phrase[0].isalnum():
                    continue
                at = self.length - len(self._end) + start
                spans = (Span(at, at + len(phrase)),)
                return Check(HOLDS, "the phrase ends the answer", phrase, phrase, spans)
        found = self._end.rstrip()[-len(phrase) :]
        return Check(BROKEN, f"the answer ends with {found!r}", found, phrase)
