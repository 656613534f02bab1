"""Capital words: how many words of the answer stand all in capital letters."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import ClassVar, Self

from adhere.constraints.bases.bounds import BOUND, Bounded
from adhere.constraints.constraint import BROKEN, HOLDS, MOST_SPANS, AtEnd, Check, Monitor, Span
from adhere.constraints.reading import nltk_loader
from adhere.constraints.reading.readers import WordReader
from adhere.constraints.registry import register

_SIMPLE = re.compile(r"[\"'(\[{*_#]*([A-Za-z]+)[.,!?;:)\]}*_\"]*")
_CONTRACTED = frozenset(("CANNOT", "GIMME", "GONNA", "GOTTA", "LEMME", "WANNA", "D'YE", "MORE'N"))
"""Words that NLTK's tokenizer splits although nothing inside them shows it."""


@cache
def _tokenize() -> Callable[[str], list[str]]:
    tokenize: Callable[[str], list[str]] = nltk_loader.word_tokenizer().tokenize
    return tokenize


@lru_cache(maxsize=1 << 16)
def _capitals_in(piece: str) -> int:
    """How many of the tokens that NLTK makes of a piece between white space are all in capitals.

    Its tokenizer works on whole sentences, but all its rules that part letters from letters look no further than the
    next white space; the piece is given a neighbour on each side, as it has in the sentence.
    """
    if piece.islower():
        return 0
    simple = _SIMPLE.fullmatch(piece)
    if simple and simple[1].upper() not in _CONTRACTED:
        return int(simple[1].isupper())
    return sum(map(str.isupper, _tokenize()(f"x {piece} x")))


@register
class CapitalWords(Bounded):
    """How many words are all in capital letters: those with a letter that has case, and none that is lowercase.

    The reference counts tokens of NLTK, which makes two of "CAN'T" and one of each part of "A/B"... as it happens.
    """

    kind: ClassVar[str] = "case.capital_words"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\b{BOUND} (?:words? (?:in|with|written in) (?:all )?(?:capital letters|capitals|caps|upper[ -]?case)|"
            rf"(?:all[- ])?(?:capital|upper[ -]?case|capitali[sz]ed|all[- ]caps) words?)\b",
            re.I,
        ),
        re.compile(
            rf"\bwords (?:in|with|written in) all (?:capital letters|capitals|caps)"
            rf"(?: (?:should|must|appears?|appear|be|used)){{0,4}},? {BOUND}(?: times?)?\b",
            re.I,
        ),
        re.compile(
            rf"\b{BOUND} words?(?: or phrases?)? (?:\w+ ){{0,6}}in all (?:capital letters|capitals|caps)\b", re.I
        ),
        re.compile(
            rf"\b(?:all[- ]?caps|all[- ]capital|capitali[sz]ed|capital) words?"
            rf"(?: (?:should|must|appears?|appear|be|used)){{0,4}},? {BOUND}(?: times?)?\b",
            re.I,
        ),
    )

    def describe(self) -> str:
        return f"Use {self.bounds('word in all capital letters', 'words in all capital letters')}."

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _CapitalMonitor(self)

    def _by_reference(self, text: str) -> Check:
        return self._sum_up(sum(map(_capitals_in, text.split())))

    def _sum_up(self, count: int) -> Check:
        return self.sum_up(count, "capital word")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_least=3), cls(at_most=2), cls(at_least=1, at_most=1)


class _CapitalMonitor(Monitor):
    def __init__(self, bounded: CapitalWords) -> None:
        super().__init__()
        self._bounded = bounded
        self._words = WordReader()
        self._count = 0
        self._spans: tuple[Span, ...] = ()
        if bounded.at_most is None and bounded.at_least == 0:
            self._decide(HOLDS, 0)

    def fork(self) -> Self:
        other = super().fork()
        other._words = self._words.fork()
        return other

    def _read(self, chunk: str) -> None:
        self._take(self._words.read(chunk, str.isupper))

    def _take(self, words: list[tuple[str, int, int]]) -> None:
        bounded = self._bounded
        for word, start, certain in words:
            self._count += 1
            if len(self._spans) < MOST_SPANS:
                self._spans += (Span(self.length + start, self.length + start + len(word)),)
            if bounded.at_most is not None:
                if self._count > bounded.at_most:
                    self._decide(BROKEN, certain)
            elif self._count == bounded.at_least:
                self._decide(HOLDS, certain)

    def _conclude(self) -> Check:
        self._take(self._words.finish(str.isupper))
        check = self._bounded._sum_up(self._count)
        return Check(check.verdict, check.reason, check.found, check.wanted, self._spans)
