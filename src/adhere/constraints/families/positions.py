"""Positions: a word at a given place in the answer, or in a sentence of it."""

from __future__ import annotations

import re
from itertools import islice
from typing import Annotated, ClassVar, Self

from pydantic import Field

from adhere.constraints.bases.reference_profile import PUNCTUATION, Twofold, edged, tokens
from adhere.constraints.bases.reference_profile import sentences as punkt_sentences
from adhere.constraints.constraint import BROKEN, HOLDS, Check, Span
from adhere.constraints.families.terms import Term
from adhere.constraints.reading.search import Terms
from adhere.constraints.reading.segments import sentences, words
from adhere.constraints.registry import register

Place = Annotated[int, Field(strict=True, ge=1)]
_TH = r"-?(?:st|nd|rd|th)?"
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_QUOTED_OR_NOT = r"(?:[\"“](?P<word>[^\"“”\n]{1,80})[\"”]|(?P<plain>[\w'-]{1,40}))"


@register
class KeywordInSentence(Twofold):
    """A word or phrase stands in the n-th sentence."""

    kind: ClassVar[str] = "positions.sentence"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\binclude (?:the )?(?:key)?word {_QUOTED_OR_NOT} in the (?P<n>\d{{1,4}}){_TH} sentence(?!,? as)", re.I
        ),
    )

    word: Term
    sentence: Place

    def describe(self) -> str:
        return f'Include the word "{self.word}" in the {self.sentence}-th sentence.'

    def followed(self, text: str) -> bool:
        pieces = punkt_sentences(text)[self.sentence - 1 : self.sentence]
        return any(re.search(rf"\b{re.escape(self.word)}\b", piece, re.I) for piece in pieces)

    def judge(self, text: str) -> Check:
        wanted = f'"{self.word}" in sentence {self.sentence}'
        spans = sentences(text)
        if len(spans) < self.sentence:
            return Check(BROKEN, f"only {len(spans)} sentences", len(spans), wanted)
        span = spans[self.sentence - 1]
        search = Terms((self.word,))
        met = bool(search.read(text[span.start : span.end], last=True))
        return Check(HOLDS if met else BROKEN, f"{'found' if met else 'not found'} there", wanted=wanted, spans=(span,))

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(word="sea", sentence=3), cls(word="new york", sentence=1)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(word=match["word"] or match["plain"], sentence=int(match["n"]))


@register
class WordInSentence(Twofold):
    """A word is the m-th word of the n-th sentence."""

    kind: ClassVar[str] = "positions.word_of_sentence"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\binclude (?:the )?(?:key)?word {_QUOTED_OR_NOT} in the (?P<n>\d{{1,4}}){_TH} sentence, as the "
            rf"(?P<m>\d{{1,4}}){_TH} word of that sentence",
            re.I,
        ),
    )

    word: Term
    sentence: Place
    place: Place

    def describe(self) -> str:
        return (
            f'Include the word "{self.word}" in the {self.sentence}-th sentence, as the {self.place}-th word of that '
            "sentence."
        )

    def followed(self, text: str) -> bool:
        for piece in punkt_sentences(text)[self.sentence - 1 : self.sentence]:
            inked = [token for token in tokens(piece) if any(map(str.isalnum, token))]
            return [token.lower() for token in inked[self.place - 1 : self.place]] == [self.word.lower()]
        return False

    def judge(self, text: str) -> Check:
        wanted = f'"{self.word}" as word {self.place} of sentence {self.sentence}'
        spans = sentences(text)
        if len(spans) < self.sentence:
            return Check(BROKEN, f"only {len(spans)} sentences", len(spans), wanted)
        span = spans[self.sentence - 1]
        here = words(text[span.start : span.end])
        if len(here) < self.place:
            return Check(BROKEN, f"only {len(here)} words in it", len(here), wanted, (span,))
        found = here[self.place - 1]
        met = found.casefold() == self.word.casefold()
        return Check(HOLDS if met else BROKEN, f'"{found}" stands there', found, wanted, (span,))

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(word="sea", sentence=2, place=3), cls(word="sky", sentence=1, place=1)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(word=match["word"] or match["plain"], sentence=int(match["n"]), place=int(match["m"]))


@register
class SecondAndSecondToLast(Twofold):
    """The second word of the answer and its second to last are a given word.

    The reference counts marks as words, but for one at the very end: "Well, vibrant ..." and "... vibrant green!\\""
    fail.
    """

    kind: ClassVar[str] = "positions.second_words"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\bsecond word in your response and the second to last word in your response should be the word "
            rf"{_QUOTED_OR_NOT}",
            re.I,
        ),
    )

    word: Term

    def describe(self) -> str:
        return (
            "The second word in your response and the second to last word in your response should be the word "
            f'"{self.word}".'
        )

    def followed(self, text: str) -> bool:
        head = [token.lower() for token in islice(tokens(text), 3)]
        tail: list[str] = []
        for sentence in reversed(punkt_sentences(text)):
            tail = [token.lower() for token in tokens(sentence)] + tail
            if len(tail) > 2:
                break
        if not tail:
            return False
        back = -3 if tail[-1] in PUNCTUATION else -2
        return len(tail) >= -back and head[1] == tail[back] == self.word.lower()

    def judge(self, text: str) -> Check:
        wanted = f'"{self.word}" second and second to last'
        here = words(text)
        if len(here) < 2:
            return Check(BROKEN, f"only {len(here)} words", len(here), wanted)
        found = f'"{here[1]}" and "{here[-2]}"'
        met = here[1].casefold() == here[-2].casefold() == self.word.casefold()
        return Check(HOLDS if met else BROKEN, f"{found} stand there", found, wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(word="vibrant"), cls(word="sea")

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(word=match["word"] or match["plain"])


_TOKEN = re.compile(r"\S+")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff66-\uff9f々〆]")
_REFERENCE_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


@register
class EveryNthJapanese(Twofold):
    """Every n-th word is in Japanese; words are what blanks separate, for Japanese has none within.

    A mark alone is no word, and a number is no Japanese one. The reference counts marks and passes numbers. An answer
    of fewer words has no n-th, and meets this.
    """

    kind: ClassVar[str] = "positions.japanese"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(rf"\bevery (?P<n>\d{{1,4}}){_TH}(?: word)? of your response must be in Japanese", re.I),
        re.compile(r"\bevery (?P<worded>second|third|fourth|fifth) word of your response must be in Japanese", re.I),
    )

    every: Place

    def describe(self) -> str:
        return f"Every {self.every}-th word of your response must be in Japanese."

    def followed(self, text: str) -> bool:
        due = (edged(word) for word in text.split()[self.every - 1 :: self.every])
        return all(_REFERENCE_JAPANESE.search(word) for word in due if word and not word.isdigit())

    def judge(self, text: str) -> Check:
        wanted = f"every {self.every}-th word in Japanese"
        count = 0
        for match in _TOKEN.finditer(text):
            word = match[0]
            if not any(map(str.isalnum, word)):
                continue
            count += 1
            if count % self.every == 0 and not _JAPANESE.search(word):
                return Check(BROKEN, f'word {count} is "{word[:40]}"', word[:40], wanted, (Span(*match.span()),))
        return Check(HOLDS, f"{count // self.every} Japanese words in their places", count // self.every, wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(every=5), cls(every=2)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        worded = match.groupdict().get("worded")
        return cls(every=_ORDINALS.index(worded.lower()) + 1 if worded else int(match["n"]))
