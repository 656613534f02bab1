"""Words of a text in any script: by rule where words stand apart, by a dictionary where they do not.

Rules.

- Chinese, Japanese, Thai, Lao, Khmer and Burmese are written without spaces between words. A stretch of such characters
  is cut by ICU's dictionaries (the package `icu4py`, MIT with ICU's licence, wheels for all platforms; UAX #29 leaves
  these scripts to dictionaries).
- How a stretch is cut is known when it has ended; that it holds one word is known when it begins. A stretch is cut
  after `LONGEST_STRETCH` characters at the latest, so that memory stays flat.
- Without ICU a stretch has at least one word and at most one for each of its characters; a count for which that makes a
  difference is UNSURE.
- Everything else is counted by `counters.Words`, to which such a stretch is a space.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Self

import regex

from adhere.constraints.reading.counters import Counter, Words

LONGEST_STRETCH = 400

_SCRIPTS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々〆"
_STRETCH = regex.compile(
    rf"[[{_SCRIPTS}]--[\p{{P}}\p{{Nd}}\p{{S}}]][[{_SCRIPTS}\p{{M}}\u200b-\u200d]--[\p{{P}}\p{{Nd}}\p{{S}}]]*", regex.V1
)
_GOES_ON = regex.compile(rf"[[{_SCRIPTS}\p{{M}}\u200b-\u200d]--[\p{{P}}\p{{Nd}}\p{{S}}]]*", regex.V1)


@cache
def _breaker() -> Callable[[str], Any] | None:
    """ICU's word breaker; None where ICU is not installed."""
    try:
        from icu4py.breakers import WordBreaker
    except ImportError:
        return None
    # the dictionary is chosen by the script, not by the language
    return lambda text: WordBreaker(text, "ja")


def words_in(stretch: str) -> int | None:
    """How many words a stretch without spaces has; None where that cannot be told."""
    breaker = _breaker()
    if breaker is None:
        return None if len(stretch) > 1 else 1
    return max(1, sum(1 for piece in breaker(stretch) if not piece.isspace()))


class SegmentedWords(Counter):
    """Counts words of any script. `spare` is how many more there may be, for want of a dictionary."""

    __slots__ = ("_began", "_stretch", "_words", "spare")

    def __init__(self) -> None:
        super().__init__()
        self._words = Words()
        self._stretch = ""
        self._began: tuple[int, ...] | None = None
        self.spare = 0

    def fork(self) -> Self:
        other = super().fork()
        other._words = self._words.fork()
        return other

    def read(self, chunk: str) -> int:
        if not self._stretch and (chunk.isascii() or _STRETCH.search(chunk) is None):
            self._began = None
            new = self._words.read(chunk)
            self.count += new
            return new
        began: list[int] = []
        at = 0
        if self._stretch:
            at = self._go_on(chunk, _GOES_ON.match(chunk).end(), began)  # type: ignore[union-attr]  # it matches ""
        for match in _STRETCH.finditer(chunk, at):
            self._between(chunk[at : match.start()], at, began)
            began.append(match.start() + 1)
            at = self._go_on(chunk, match.end(), began, match.start())
        if not self._stretch:
            self._between(chunk[at:], at, began)
        self._began = tuple(began)
        self.count += len(began)
        return len(began)

    def where(self, k: int) -> int:
        return self._words.where(k) if self._began is None else self._began[k - 1]

    def _between(self, text: str, at: int, began: list[int]) -> None:
        if text:
            new = self._words.read(text)
            began += [at + self._words.where(k) for k in range(1, new + 1)]

    def _go_on(self, chunk: str, end: int, began: list[int], start: int = 0) -> int:
        """The stretch goes on up to `end`; it has ended there unless the chunk has."""
        text = self._stretch + chunk[start:end]
        done = len(self._stretch) - start
        self._stretch = ""
        while len(text) > LONGEST_STRETCH:
            self._cut(text[:LONGEST_STRETCH], LONGEST_STRETCH + 1 - done, began)
            began.append(LONGEST_STRETCH + 1 - done)
            text, done = text[LONGEST_STRETCH:], done - LONGEST_STRETCH
        if end == len(chunk):
            self._stretch = text
        else:
            self._cut(text, end + 1, began)
        return end

    def _cut(self, stretch: str, certain: int, began: list[int]) -> None:
        """A stretch has ended, as is certain after so many characters of the chunk; its first word was counted."""
        count = words_in(stretch)
        if count is None:
            self.spare += len(stretch) - 1
        else:
            began += [certain] * (count - 1)
        self._words.read(" ")

    def ending(self) -> tuple[int, int]:
        """The fewest and the most words that there are if the text ends here."""
        if not self._stretch:
            return self.count, self.count + self.spare
        count = words_in(self._stretch)
        if count is None:
            return self.count, self.count + self.spare + len(self._stretch) - 1
        return self.count + count - 1, self.count + count - 1 + self.spare
