"""Rules that every word keeps, watched word by word.

A family says in `fault` what is wrong with a word, given the word before it and how many came before. The first fault
breaks the constraint, at the character that makes the word certain: "over" may still become "overs".
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

from adhere.constraints.bases.reference_profile import Twofold
from adhere.constraints.constraint import BROKEN, HOLDS, OPEN, Check, Monitor, Span
from adhere.constraints.reading.readers import WordReader

_SLICE = 512
"""Characters that are cut into words at once: most rules are decided by the first few words."""


class WordMonitor(Monitor):
    """A monitor that is handed whole words, until the outcome is decided."""

    def __init__(self) -> None:
        super().__init__()
        self._words = WordReader()

    def fork(self) -> Self:
        other = super().fork()
        other._words = self._words.fork()
        return other

    def _read(self, chunk: str) -> None:
        for at in range(0, len(chunk), _SLICE):
            if self.verdict.decided:
                return
            self._take(self._words.read(chunk[at : at + _SLICE]), at)

    def _finish(self) -> None:
        """The text has ended: the last word is certain now."""
        if not self.verdict.decided:
            self._take(self._words.finish(), 0)

    def _take(self, words: list[tuple[str, int, int]], shift: int) -> None:
        for word, start, certain in words:
            self._word(word, start + shift, certain + shift)
            if self.verdict is not OPEN:
                return

    @abstractmethod
    def _word(self, word: str, start: int, certain: int) -> None:
        """A word that begins at `start` is certain after `certain` characters of the chunk."""


class EveryWord(Twofold):
    """A rule that every word keeps. A text without words keeps every rule."""

    decides_early: ClassVar[bool] = True
    wanted: ClassVar[str]
    """The rule in a few words, for the reason."""

    @abstractmethod
    def fault(self, word: str, before: str, index: int, /) -> str | None:
        """What is wrong with `word`, in words, or None. `before` is the word before it ("" for the first), `index`
        the number of words before it."""

    def watch(self) -> Monitor:
        return _EveryWordMonitor(self)


class _EveryWordMonitor(WordMonitor):
    def __init__(self, rule: EveryWord) -> None:
        super().__init__()
        self._rule = rule
        self._before = ""
        self._index = 0
        self._fault = ""
        self._spans: tuple[Span, ...] = ()

    def _word(self, word: str, start: int, certain: int) -> None:
        fault = self._rule.fault(word, self._before, self._index)
        if fault is not None:
            self._fault = fault
            self._spans = (Span(self.length + start, self.length + start + len(word)),)
            self._decide(BROKEN, certain)
        self._before = word
        self._index += 1

    def _conclude(self) -> Check:
        self._finish()
        wanted = self._rule.wanted
        if self._fault:
            return Check(BROKEN, self._fault, wanted=wanted, spans=self._spans)
        return Check(HOLDS, f"{wanted}, throughout", found=f"{self._index} words", wanted=wanted)
