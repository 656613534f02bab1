"""Rows of sentences: rules that compare each sentence with the one before it, or with its place in the row.

What is a sentence is said in `constraints/reading/sentences.py`. All are judged whole: a sentence is
only known when the next one has begun.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, ClassVar, Self

from pydantic import Field

from adhere.constraints.bases.bounds import NUMBER, number
from adhere.constraints.bases.reference_profile import PUNCTUATION, Twofold, bare
from adhere.constraints.bases.reference_profile import sentences as punkt_sentences
from adhere.constraints.constraint import BROKEN, HOLDS, Check, Span
from adhere.constraints.reading.segments import cut, sentences, words
from adhere.constraints.registry import register

_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@register
class WordIncrement(Twofold):
    """Each sentence has exactly so many words more than the one before."""

    kind: ClassVar[str] = "sentences.increment"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\beach sentence (?:in your response )?must contain exactly (?P<n>{NUMBER}) more words? than the "
            rf"previous one",
            re.I,
        ),
    )

    by: Annotated[int, Field(strict=True, ge=0)]

    def describe(self) -> str:
        what = "word" if self.by == 1 else "words"
        return f"Each sentence must contain exactly {self.by} more {what} than the previous one."

    def followed(self, text: str) -> bool:
        counts = [len(bare(sentence).split()) for sentence in punkt_sentences(text)]
        return all(other == one + self.by for one, other in pairwise(counts))

    def judge(self, text: str) -> Check:
        wanted = f"{self.by} more words in each sentence"
        spans = sentences(text)
        counts = [len(words(sentence)) for sentence in cut(text, spans)]
        found = ", ".join(map(str, counts[:12])) + (", ..." if len(counts) > 12 else "")
        wrong = tuple(
            span for span, (one, other) in zip(spans[1:], pairwise(counts), strict=True) if other != one + self.by
        )
        return Check(BROKEN if wrong else HOLDS, f"sentences of {found} words", found, wanted, wrong)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(by=2), cls(by=1)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        counts = [len(words(sentence)) for sentence in cut(text, sentences(text)[:3])]
        if len(counts) == 3 and counts[1] > counts[0]:
            increment = cls(by=counts[1] - counts[0])
            if increment.check(text).met:
                yield increment

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(by=number(match["n"]))


def _alliteration(heads: list[str]) -> int:
    """Words that stand beside one with the same first letter, but of which the head of the run counts once."""
    total, running = 0, False
    for one, other in pairwise(heads):
        same = one == other
        total += (1 if running else 2) if same else 0
        running = same
    return total


def _longest_run(heads: list[str]) -> int:
    longest = run = min(len(heads), 1)
    for one, other in pairwise(heads):
        run = run + 1 if one == other else 1
        longest = max(longest, run)
    return longest


@register
class AlliterationIncrement(Twofold):
    """Each sentence has a longer run of words with the same first letter than the one before.

    The reference adds up all runs of a sentence, however short, instead of taking the longest.
    """

    kind: ClassVar[str] = "sentences.alliteration"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\beach sentence must have a longer sequence of consecutive alliterative words than the previous one", re.I
        ),
    )

    def describe(self) -> str:
        return "Each sentence must have a longer sequence of consecutive alliterative words than the previous one."

    def followed(self, text: str) -> bool:
        before = -1
        for sentence in punkt_sentences(text):
            heads = [word[0] for token in sentence.lower().split() if (word := token.lstrip(PUNCTUATION + " "))]
            here = _alliteration(heads)
            if here <= before:
                return False
            before = here
        return True

    def judge(self, text: str) -> Check:
        wanted = "a longer run of alliterating words in each sentence"
        spans = sentences(text)
        runs = [_longest_run([w[0].casefold() for w in words(text[span.start : span.end])]) for span in spans]
        found = ", ".join(map(str, runs[:12])) + (", ..." if len(runs) > 12 else "")
        wrong = tuple(span for span, (one, other) in zip(spans[1:], pairwise(runs), strict=False) if other <= one)
        return Check(BROKEN if wrong else HOLDS, f"runs of {found} words", found, wanted, wrong)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)


@register
class SentenceAlphabet(Twofold):
    """Twenty-six sentences whose first words start with the letters of the alphabet in order.

    The reference looks at the very first character, a quotation mark or a bullet included.
    """

    kind: ClassVar[str] = "sentences.alphabet"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\b26[- ]sentences? (?:story )?where each sentence'?s first word starts with the letters of the alphabet "
            r"in order",
            re.I,
        ),
    )

    def describe(self) -> str:
        return (
            "Tell a 26-sentence story where each sentence's first word starts with the letters of the alphabet in "
            "order."
        )

    def followed(self, text: str) -> bool:
        firsts = [sentence.lstrip()[:1].lower() for sentence in punkt_sentences(text)]
        return firsts == list(_ALPHABET)

    def judge(self, text: str) -> Check:
        wanted = "26 sentences, from A to Z"
        spans = sentences(text)
        for due, span in zip(_ALPHABET, spans, strict=False):
            word = words(text[span.start : span.end])[0]
            if word[0].casefold() != due:
                return Check(BROKEN, f'"{word}" where "{due}" was due', word, wanted, (span,))
        return Check(HOLDS if len(spans) == 26 else BROKEN, f"{len(spans)} sentences", len(spans), wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)


@register
class EqualSentences(Twofold):
    """So many sentences of the same number of characters, no word in two of them.

    The reference never looks at the words.
    """

    kind: ClassVar[str] = "sentences.equal_length"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\b(?P<n>{NUMBER}) sentences, all containing the same number of characters but using all different words",
            re.I,
        ),
    )

    sentences: Annotated[int, Field(strict=True, ge=2)] = 3

    def describe(self) -> str:
        return (
            f"Respond with {self.sentences} sentences, all containing the same number of characters but using all "
            "different words."
        )

    def followed(self, text: str) -> bool:
        lengths = [len(sentence.strip()) for sentence in punkt_sentences(text)]
        return len(lengths) == self.sentences and len(set(lengths)) == 1

    def judge(self, text: str) -> Check:
        wanted = f"{self.sentences} sentences of one length, no word in two of them"
        spans: list[Span] = sentences(text)
        pieces = cut(text, spans)
        lengths = [len(piece) for piece in pieces]
        if len(spans) != self.sentences:
            return Check(BROKEN, f"{len(spans)} sentences", len(spans), wanted)
        if len(set(lengths)) > 1:
            found = ", ".join(map(str, lengths))
            return Check(BROKEN, f"sentences of {found} characters", found, wanted, tuple(spans))
        seen: set[str] = set()
        for piece, span in zip(pieces, spans, strict=True):
            here = [word.casefold() for word in words(piece)]
            if twice := next((word for word in here if word in seen), None):
                return Check(BROKEN, f'"{twice}" stands in two sentences', twice, wanted, (span,))
            seen.update(here)
        return Check(HOLDS, f"{self.sentences} sentences of {lengths[0]} characters", lengths[0], wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(), cls(sentences=2)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(sentences=number(match["n"]))
