"""Numbers as people write them, and the interval that a number and a relation state.

- Digits with thousands separators of any language ("1,000", "1.000", "1 000"); "1k"; a decimal is no count.
- Words by a language's tables: small numbers, tens, and multipliers ("two hundred and fifty", "three dozen").
- `ABOUT` is how far "about n" may be off, each way, as a share of n; at least one unit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ABOUT = 0.2
"""The share of n by which "about n" may be missed; `read_instructions` takes another."""

LARGEST = 10_000_000
"""Larger numbers are no counts of words."""

DIGITS = r"\d{1,3}(?:[,.’'\u00a0\u202f ]\d{3})+(?!\d)|\d{1,9}"
"""A number in digits."""

_GROUPED = re.compile(r"\d{1,3}(?:([,.’'\u00a0\u202f ])\d{3})(?:\1\d{3})*")


def digits(text: str) -> int | None:
    """The value of a number in digits; None where it is none ("3.14", "1.000,5")."""
    if text.isdecimal():
        value = int(text)
    elif _GROUPED.fullmatch(text):
        value = int("".join(c for c in text if c.isdecimal()))
    else:
        return None
    return value if value <= LARGEST else None


@dataclass(frozen=True)
class NumberWords:
    """How a language words numbers: the values of single words, multipliers ("hundred", "dozen"), the articles that may
    stand for one before a multiplier, and what may stand between ("and")."""

    values: Mapping[str, int]
    multipliers: Mapping[str, int]
    articles: frozenset[str] = frozenset()
    joints: frozenset[str] = frozenset()
    characters: bool = False
    """Whether numbers are written character by character, digits before multipliers (二百五十)."""

    def longest(self, words: Sequence[str]) -> tuple[int, int] | None:
        """The number that the first of `words` spell, as (value, how many words), or None."""
        if self.characters:
            return self._by_characters(words)
        total = current = used = at = 0
        if len(words) > 1 and words[0] in self.articles and words[1] in self.multipliers:
            at = 1
        while at < len(words):
            word = words[at]
            if (value := self.values.get(word)) is not None:
                if used and not _continues(current, value):
                    break
                current += value
            elif (value := self.multipliers.get(word)) is not None:
                if value >= 1000:
                    total, current = total + max(current, 1) * value, 0
                elif current < 100:
                    current = max(current, 1) * value
                else:
                    break
            elif word in self.joints and used == at and used:
                at += 1
                continue
            else:
                break
            at += 1
            used = at
        return (total + current, used) if used and total + current <= LARGEST else None

    def _by_characters(self, words: Sequence[str]) -> tuple[int, int] | None:
        """Digits before multipliers, the largest last read closing a group: 二百五十, 两千, 一万二."""
        total = section = digit = used = 0
        for word in words:
            if (value := self.values.get(word)) is not None:
                if digit:
                    break
                digit = value
            elif (value := self.multipliers.get(word)) is not None:
                if value >= 10_000:
                    total, section = total + (section + digit or 1) * value, 0
                else:
                    section += (digit or 1) * value
                digit = 0
            else:
                break
            used += 1
        value = total + section + digit
        return (value, used) if used and value <= LARGEST else None


def _continues(current: int, value: int) -> bool:
    """Whether a number word may stand behind what has been read: "twenty" "five", "hundred" "twelve"."""
    if value == 0:
        return False
    return current % 100 == 0 if value >= 10 else current % 10 == 0 and current % 100 != 10


@dataclass(frozen=True, slots=True)
class Interval:
    """How many of something there may be; None is no bound."""

    low: int | None = None
    high: int | None = None

    @property
    def possible(self) -> bool:
        if self.low is None and self.high is None:
            return False
        if self.high is not None and self.high < 0:
            return False
        return self.low is None or self.high is None or self.low <= self.high

    def meet(self, other: Interval) -> Interval:
        """What both allow."""
        lows = [low for low in (self.low, other.low) if low is not None]
        highs = [high for high in (self.high, other.high) if high is not None]
        return Interval(max(lows, default=None), min(highs, default=None))

    def bounds(self) -> dict[str, int]:
        """As the parameters of a bounded family."""
        record = {"at_least": self.low, "at_most": self.high}
        return {name: value for name, value in record.items() if value is not None}


_NEGATED = {"gt": "le", "lt": "ge"}
"""What the negation of a relation states. Only strict relations are negated in speech: "not more than"; the
negation of "exactly 5" bounds nothing."""


def interval(relation: str | None, n: int, *, negated: bool = False, about: float = ABOUT) -> Interval | None:
    """The interval that `relation` and `n` state: le, ge, lt, gt, eq, about, or None for a bare number."""
    if negated:
        if relation not in _NEGATED:
            return None
        relation = _NEGATED[relation]
    match relation:
        case "le":
            return Interval(None, n)
        case "ge":
            return Interval(n, None)
        case "lt":
            return Interval(None, n - 1) if n > 0 else None
        case "gt":
            return Interval(n + 1, None)
        case "about":
            width = max(1, math.floor(n * about))
            return Interval(n - width, n + width) if n > 1 else None
        case "eq" | None:
            return Interval(n, n)
    raise ValueError(f"no relation is called {relation!r}")
