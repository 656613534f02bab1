"""Start phrase: the answer begins with a given phrase."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator

from adhere.constraints.constraint import BROKEN, HOLDS, OPEN, Check, Constraint, Monitor, Span, Verdict
from adhere.constraints.registry import register

_BEFORE = frozenset("\"'“”‘’«*_`#>([ \t\r\n")
"""Signs that may open a quotation, an emphasis, a heading or a bracket before the phrase."""


def _phrase(value: str) -> str:
    value = " ".join(value.split())
    if not value:
        raise ValueError("a phrase must have a character that is not white space")
    return value


@register
class StartPhrase(Constraint):
    """The answer begins with this phrase, in either case, as words of its own; opening signs before it do not count."""

    kind: ClassVar[str] = "structure.start_phrase"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a", " ", "Dear ", '"', "\n")

    phrase: Annotated[str, AfterValidator(_phrase)]

    def describe(self) -> str:
        return f'Start your response with the exact phrase "{self.phrase}"'

    def monitor(self) -> Monitor:
        return _StartMonitor(self.phrase)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(phrase="Dear reader,"), cls(phrase="sea")

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        first = text.split()[:1]
        if first and first[0].isalpha() and len(first[0]) <= 40 and cls(phrase=first[0]).check(text).met:
            yield cls(phrase=first[0])


class _StartMonitor(Monitor):
    """Compares character by character; after the phrase it waits for the end of its last word."""

    def __init__(self, phrase: str) -> None:
        super().__init__()
        self._phrase = phrase
        self._folded = phrase.casefold()
        self._done = 0
        """Characters of the folded phrase that have been seen."""
        self._space = False

    def _read(self, chunk: str) -> None:
        if self.verdict.decided:
            return
        for at, c in enumerate(chunk):
            verdict = self._step(c)
            if verdict is not OPEN:
                self._decide(verdict, at + 1)
                return

    def _step(self, c: str) -> Verdict:
        phrase = self._folded
        if self._done == len(phrase):
            return BROKEN if c.isalnum() else HOLDS
        if c.isspace():
            if self._done and phrase[self._done] == " ":
                self._space = True
                return OPEN
            return OPEN if not self._done else BROKEN
        if self._done and phrase[self._done] == " ":
            if not self._space:
                return BROKEN
            self._done, self._space = self._done + 1, False
        folded = c.casefold()
        if not phrase.startswith(folded, self._done):
            return OPEN if not self._done and c in _BEFORE else BROKEN
        self._done += len(folded)
        if self._done == len(phrase) and not phrase[-1].isalnum():
            return HOLDS
        return OPEN

    def standing(self) -> Verdict:
        return self.verdict if self.verdict.decided else Verdict.of(self._done == len(self._folded))

    def _conclude(self) -> Check:
        if self.standing() is HOLDS:
            return Check(HOLDS, "the phrase begins the answer", self._phrase, self._phrase)
        at = self.at if self.at is not None else self.length
        return Check(BROKEN, "the answer begins otherwise", None, self._phrase, (Span(0, at),))
