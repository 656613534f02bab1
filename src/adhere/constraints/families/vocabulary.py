"""Vocabulary: how many different words there are, and how often one may come again.

Words are told apart without case; "don't" and "don’t" are one.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from pydantic import Field

from adhere.constraints.bases.bounds import NUMBER, number
from adhere.constraints.bases.per_word import WordMonitor
from adhere.constraints.bases.reference_profile import Twofold, bare, edged
from adhere.constraints.constraint import BROKEN, HOLDS, OPEN, Check, Monitor, Span
from adhere.constraints.reading.segments import words
from adhere.constraints.registry import register


def _same(word: str) -> str:
    return word.casefold().replace("’", "'")


class _VocabularyMonitor(WordMonitor):
    """Counts each word; a subclass says what a count means."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, int] = {}

    def fork(self) -> Self:
        other = super().fork()
        other._counts = self._counts.copy()
        return other

    def _word(self, word: str, start: int, certain: int) -> None:
        word = _same(word)
        self._counts[word] = self._counts.get(word, 0) + 1
        self._counted(word, start, certain)

    @abstractmethod
    def _counted(self, word: str, start: int, certain: int) -> None:
        """One more word is certain after `certain` characters of the chunk."""


@register
class DifferentWords(Twofold):
    """At least so many different words.

    The reference counts whatever stands between blanks, so that a dash counts as a word and "sea/sky" as one.
    """

    kind: ClassVar[str] = "vocabulary.different"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(rf"\bat least (?P<n>{NUMBER}) (?:unique|different|distinct) words?\b", re.I),
    )

    at_least: Annotated[int, Field(strict=True, ge=1)]

    def describe(self) -> str:
        return f"Use at least {self.at_least} unique {'word' if self.at_least == 1 else 'words'}."

    def followed(self, text: str) -> bool:
        return len({edged(word) for word in text.lower().split()}) >= self.at_least

    def watch(self) -> Monitor:
        return _DifferentMonitor(self.at_least)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_least=3), cls(at_least=50)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        different = len({_same(word) for word in words(text)})
        if different >= 10:
            yield cls(at_least=different // 10 * 10)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(at_least=number(match["n"]))


class _DifferentMonitor(_VocabularyMonitor):
    def __init__(self, at_least: int) -> None:
        super().__init__()
        self._at_least = at_least

    def _counted(self, word: str, start: int, certain: int) -> None:
        del word, start
        if len(self._counts) >= self._at_least:
            self._decide(HOLDS, certain)

    def _conclude(self) -> Check:
        self._finish()
        count, wanted = len(self._counts), f"at least {self._at_least} different words"
        reached = self.verdict is HOLDS
        found = f"{'at least ' if reached else ''}{count} different words"
        return Check(HOLDS if reached else BROKEN, f"{found}; {wanted} wanted", found=count, wanted=wanted)


@register
class Repeats(Twofold):
    """No word stands there more than so many times."""

    kind: ClassVar[str] = "vocabulary.repeats"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a ", "b")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(rf"\b(?:not|n't|never) (?:repeat|use) any word more than (?P<n>{NUMBER}) times?\b", re.I),
    )

    at_most: Annotated[int, Field(strict=True, ge=1)]

    def describe(self) -> str:
        return f"Do not repeat any word more than {self.at_most} {'time' if self.at_most == 1 else 'times'}."

    def followed(self, text: str) -> bool:
        counts: dict[str, int] = {}
        for word in bare(text.lower()).split():
            counts[word] = counts.get(word, 0) + 1
        return max(counts.values(), default=0) <= self.at_most

    def watch(self) -> Monitor:
        return _RepeatMonitor(self.at_most)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_most=3), cls(at_most=1)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        counts: dict[str, int] = {}
        for word in words(text):
            counts[_same(word)] = counts.get(_same(word), 0) + 1
        if 0 < (most := max(counts.values(), default=0)) <= 5:
            yield cls(at_most=most)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(at_most=number(match["n"]))


class _RepeatMonitor(_VocabularyMonitor):
    def __init__(self, at_most: int) -> None:
        super().__init__()
        self._at_most = at_most
        self._worst = ""
        self._span: tuple[Span, ...] = ()

    def _counted(self, word: str, start: int, certain: int) -> None:
        if self._counts[word] > self._at_most:
            self._worst = word
            self._span = (Span(self.length + start, self.length + start + len(word)),)
            self._decide(BROKEN, certain)

    def _conclude(self) -> Check:
        self._finish()
        wanted = f"no word more than {self._at_most} times"
        if self.verdict is OPEN:
            most = max(self._counts.values(), default=0)
            return Check(HOLDS, f"no word more than {most} times", found=most, wanted=wanted)
        count = self._counts[self._worst]
        return Check(BROKEN, f'"{self._worst}" for the {count}. time', found=count, wanted=wanted, spans=self._span)
