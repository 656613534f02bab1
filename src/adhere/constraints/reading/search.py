"""Finding terms in a text that arrives in chunks.

Rules:

- A term is found where it stands as a whole: no letter, digit or mark directly before it or after it, unless the
  term itself begins or ends with something else ("cat" is not in "concatenate"; "C++" is in "C++."). Han, Hiragana
  and Katakana have no spaces between words: there a term is found wherever it stands.
- Case does not count (Unicode case folding, one character to one). White space in a term matches any white space.
- An occurrence is certain once the character after it is known, or the text has ended: "cat" at the end of a
  prefix may still become "catalogue"; "C++" is certain at once. Occurrences of one term do not overlap.
- The tail kept between chunks is no longer than the longest term (with its white space), so reading costs O(1) per
  character for a given set of terms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import regex

_EDGE = r"[[\w\p{M}]--[\p{Han}\p{Hiragana}\p{Katakana}]]"
_WORD_CHARACTER = regex.compile(_EDGE, regex.V1)
_SPACE = re.compile(r"\s+")

LONGEST_SPACE = 32
"""White space between the words of a term, at the most: without a bound a tail could grow without end."""


def term_pattern(term: str) -> str:
    """A pattern that finds `term` as a whole word or phrase."""
    words = [regex.escape(word, special_only=True) for word in _SPACE.split(term.strip())]
    body = rf"\s{{1,{LONGEST_SPACE}}}+".join(words)
    stripped = term.strip()
    before = f"(?<!{_EDGE})" if _WORD_CHARACTER.match(stripped[0]) else ""
    after = f"(?!{_EDGE})" if _WORD_CHARACTER.match(stripped[-1]) else ""
    return f"{before}{body}{after}"


LONGEST_FIRST = 64
"""Characters of a word whose beginnings are kept: their number times their length grows with its square."""
LONGEST_REMEMBERED = 1_000
"""Characters of the terms that are kept ready: strangers' requests bring terms too, and longer ones would fill the
memory."""


class Terms:
    """Counts whole occurrences of each of several terms.

    `counts[i]` is the number of certain occurrences of term i.
    """

    def __init__(self, terms: Sequence[str]) -> None:
        self.terms = tuple(terms)
        self.counts: tuple[int, ...] = (0,) * len(self.terms)
        remembered = sum(map(len, self.terms)) <= LONGEST_REMEMBERED
        made = _all_compiled if remembered else _all_compiled.__wrapped__
        self._wanted, self._firsts, self._reach = made(self.terms)
        self._tail = ""
        self._unsettled: int | None = 0
        """The answer of `unsettled` since the last chunk, once somebody asked."""
        self._done = (0,) * len(self.terms)
        """Where in the tail each term may next be found: what lies before was counted already."""

    def fork(self) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def unsettled(self) -> int:
        """How many of the last characters may be the beginning of an occurrence that is not certain yet."""
        if self._unsettled is None:
            self._unsettled = self._forming()
        return self._unsettled

    def _forming(self) -> int:
        tail = self._tail
        lowered = tail.lower() if tail.isascii() else None
        starts = [
            match.start()
            for wanted, done in zip(self._wanted, self._done, strict=True)
            if wanted.may_form(lowered, done) and (match := wanted.pattern.search(tail, done, partial=True)) is not None
        ]
        return len(tail) - min(starts, default=len(tail))

    def read(self, chunk: str, *, last: bool = False) -> list[tuple[int, int, int, int]]:
        """New certain occurrences, as (term, start, end, certain): the last is the number of characters after which it
        was certain; all are relative to `chunk` (a start may be negative). They come in the order of certainty.

        With `last`, the text ends with this chunk, and what stands at its very end is certain too.
        """
        self._unsettled = None
        tail = self._tail
        text = tail + chunk
        length = len(text)
        lowered: str | None = text.lower()
        if not text.isascii() and (lowered != text.casefold() or len(lowered) != length):
            lowered = None
        drop = length - self._reach
        if lowered is not None and not any(first is None or first in lowered for first in self._firsts):
            self._keep(text, drop, self._done)
            return []
        found: list[tuple[int, int, int, int]] = []
        counts, done = list(self.counts), list(self._done)
        shift = len(tail)
        for i, wanted in enumerate(self._wanted):
            for match in wanted.matches(text, lowered, done[i]):
                end = match.end()
                certain = end + wanted.open
                if certain > length:
                    if not last:
                        break
                    certain = length
                counts[i] += 1
                done[i] = end
                found.append((i, match.start() - shift, end - shift, certain - shift))
        self._keep(text, drop, done)
        self.counts = tuple(counts)
        if len(found) > 1:
            found.sort(key=lambda item: item[3])
        return found

    def _keep(self, text: str, drop: int, done: Sequence[int]) -> None:
        """Keep the end of `text`, without its first `drop` characters."""
        if drop <= 0:
            self._tail, self._done = text, tuple(done)
            return
        self._tail = text[drop:]
        # it begins with the character before: nothing new begins there
        self._done = tuple([max(1, at - drop) for at in done])


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A term made ready to be found.

    `open` tells whether a character after it could make it part of a longer word. `first` is its first word in lower
    case, where that is ASCII. `reach` is the number of characters that may lie between the start of an occurrence and
    the character that makes it certain, plus one before it, which tells whether it begins a word.
    """

    pattern: regex.Pattern[str]
    open: bool
    first: str | None
    reach: int
    beginnings: tuple[str, ...] | None
    """Of `first`; None where it is too long to keep them all."""

    def may_form(self, lowered: str | None, start: int) -> bool:
        """Whether an occurrence may be in the making from `start` on: its first word is there, or begins at the end."""
        if lowered is None or self.first is None or self.beginnings is None:
            return True
        return lowered.endswith(self.beginnings) or lowered.find(self.first, start) >= 0

    def matches(self, text: str, lowered: str | None, start: int) -> Iterator[regex.Match[str]]:
        """Matches from `start` on. The first word is found as a string, ten times as fast, where `lowered` is given: it
        is where lower case is all that folding does to the text, character by character."""
        first, pattern = self.first, self.pattern
        if lowered is None or first is None:
            yield from pattern.finditer(text, start)
            return
        at = lowered.find(first, start)
        while at >= 0:
            match = pattern.match(text, at)
            if match:
                yield match
            at = lowered.find(first, match.end() if match else at + 1)


@lru_cache(maxsize=10_000)
def _all_compiled(terms: tuple[str, ...]) -> tuple[tuple[_Wanted, ...], tuple[str | None, ...], int]:
    """The terms made ready, their first words, and the longest reach."""
    wanted = tuple(_compiled(term) for term in terms)
    return wanted, tuple(one.first for one in wanted), max((one.reach for one in wanted), default=1)


def _compiled(term: str) -> _Wanted:
    words = _SPACE.split(term.strip())
    first = words[0].lower()
    return _Wanted(
        pattern=regex.compile(term_pattern(term), regex.IGNORECASE | regex.V1),
        open=_WORD_CHARACTER.match(words[-1][-1]) is not None,
        first=first if first.isascii() else None,
        beginnings=tuple(first[:end] for end in range(1, len(first))) if len(first) <= LONGEST_FIRST else None,
        reach=sum(map(len, words)) + LONGEST_SPACE * (len(words) - 1) + 2,
    )
