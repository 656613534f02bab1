"""Constraints with a public checker whose verdicts differ from what the instruction says, and its tools.

A `Twofold` family judges in two ways: `followed` gives the reference checker's answer with its faults, for numbers that
can be compared; `watch` (or `judge`, for what can only be judged whole) says what the instruction says.

The reference checkers read text with NLTK's tokens and Python's `string.punctuation`; those tools stand here and
nowhere else. NLTK is imported when a text is first cut by it.
"""

from __future__ import annotations

import re
import string
from abc import abstractmethod
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Self

from adhere.constraints.constraint import AtEnd, Check, Constraint, Monitor, Verdict
from adhere.constraints.reading import nltk_loader
from adhere.constraints.reading.segments import punkt

PUNCTUATION = string.punctuation
_NO_PUNCTUATION = str.maketrans("", "", PUNCTUATION)


class Twofold(Constraint):
    """A family with a reference checker of its own."""

    @abstractmethod
    def followed(self, text: str) -> bool:
        """What the reference checker answers."""

    def judge(self, text: str) -> Check:
        """The check of a finished text, in the fixed profile."""
        raise NotImplementedError(f"{type(self).__name__} gives neither `judge` nor `watch`")

    def watch(self) -> Monitor:
        """A monitor in the fixed profile; families that can tell before the end override it."""
        return AtEnd(self.judge)

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else self.watch()

    def _by_reference(self, text: str) -> Check:
        met = self.followed(text)
        return Check(Verdict.of(met), f"the reference checker says {'followed' if met else 'not followed'}")

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        del match
        return cls()


def bare(text: str) -> str:
    """`text` without ASCII punctuation."""
    return text.translate(_NO_PUNCTUATION)


def edged(text: str) -> str:
    """`text` without ASCII punctuation and blanks at its ends."""
    return text.strip(PUNCTUATION + " ")


def sentences(text: str) -> list[str]:
    """The sentences that `nltk.sent_tokenize` makes of `text`."""
    return [text[start:end] for start, end in punkt(text)]


@cache
def _tokenize() -> Callable[[str], tuple[str, ...]]:
    tokenizer = nltk_loader.word_tokenizer()

    @lru_cache(maxsize=1 << 12)
    def tokenize(sentence: str) -> tuple[str, ...]:
        return tuple(tokenizer.tokenize(sentence))

    return tokenize


def tokens(text: str) -> Iterator[str]:
    """The tokens that `nltk.word_tokenize` makes of `text`: Treebank's, sentence by sentence.

    Cut as they are asked for, since a sentence costs half a millisecond; the loosened texts of an answer share most.
    """
    tokenize = _tokenize()
    for start, end in punkt(text):
        yield from tokenize(text[start:end])
