"""The letters of words: rules that every word keeps by its letters, and words that must be there for theirs.

Letters are compared without case and without diacritics ("É" is "e"). The alphabet is that of English.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import Annotated, ClassVar, Self

from pydantic import Field

from adhere.constraints.bases.bounds import NUMBER, number
from adhere.constraints.bases.per_word import EveryWord, WordMonitor
from adhere.constraints.bases.reference_profile import Twofold, bare, edged
from adhere.constraints.constraint import BROKEN, HOLDS, Check, Monitor, Span
from adhere.constraints.reading.counters import Paragraphs
from adhere.constraints.registry import register

_VOWELS = frozenset("aeiou")
ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_PRIMES = frozenset(n for n in range(2, 201) if all(n % d for d in range(2, n)))


def letters(word: str) -> str:
    """The letters and digits of `word` alone, without case and diacritics."""
    if word.isascii():
        if word.isalnum():
            return word.lower()
    else:
        word = unicodedata.normalize("NFKD", word)
    return "".join(filter(str.isalnum, word)).casefold()


@register
class PrimeLengths(EveryWord):
    """Every word has a prime number of letters; marks inside it do not count.

    The reference joins what a dash joins ("sea—sky" is one word of six).
    """

    kind: ClassVar[str] = "letters.prime_lengths"
    wanted: ClassVar[str] = "words of prime lengths"
    pieces: ClassVar[tuple[str, ...]] = ("sea ", "a ", "b")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\bwords (?:with|whose|of) lengths? (?:that )?(?:is|are|a)? ?prime(?: numbers?)?\b", re.I),
    )

    def describe(self) -> str:
        return "Use only words with lengths that are prime numbers."

    def fault(self, word: str, _before: str, _index: int) -> str | None:
        length = len(letters(word))
        return None if length in _PRIMES else f'"{word}" has {length} letters'

    def followed(self, text: str) -> bool:
        return all(len(word) in _PRIMES and len(word) < 100 for word in bare(text).split())

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)


_CLUSTER = re.compile(r"[bcdfghjklmnpqrstvwxyz]{2}")


@register
class ConsonantClusters(EveryWord):
    """Every word has two consonants side by side; "y" is one, as in the reference.

    The reference takes whatever stands between blanks for a word, a lone dash included.
    """

    kind: ClassVar[str] = "letters.consonant_clusters"
    wanted: ClassVar[str] = "a consonant cluster in each word"
    pieces: ClassVar[tuple[str, ...]] = ("strong ", "a ")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\beach word(?: in your response)? has at least one consonant cluster"
            r"(?: \(two or more consonants together\))?",
            re.I,
        ),
    )

    def describe(self) -> str:
        return "Ensure each word has at least one consonant cluster (two or more consonants together)."

    def fault(self, word: str, _before: str, _index: int) -> str | None:
        return None if _CLUSTER.search(letters(word)) else f'"{word}" has no consonant cluster'

    def followed(self, text: str) -> bool:
        return all(_CLUSTER.search(word) for word in text.lower().split())

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)


@register
class AlphabetLoop(EveryWord):
    """Each word starts with the letter of the alphabet after that of the word before, "a" following "z".

    The reference has no answer for a text whose first word begins with a letter beyond "z"; it counts as not followed.
    """

    kind: ClassVar[str] = "letters.alphabet"
    decides_early: ClassVar[bool] = False  # it tells when the word is complete, a letter or more late
    wanted: ClassVar[str] = "each word one letter on in the alphabet"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\beach word (?:(?:in|of) your response )?must start with the next letter of the alphabet"
            r"(?:, looping back to ['\"]?A['\"]? after ['\"]?Z['\"]?)?",
            re.I,
        ),
    )

    def describe(self) -> str:
        return 'Each word must start with the next letter of the alphabet, looping back to "A" after "Z".'

    def fault(self, word: str, before: str, _index: int) -> str | None:
        first = letters(word)[:1]
        if not first or first not in ALPHABET:
            return f'"{word}" begins with no letter of the alphabet'
        if before:
            due = ALPHABET[(ALPHABET.index(letters(before)[0]) + 1) % 26]
            if first != due:
                return f'"{word}" follows "{before}"; a word with "{due}" was due'
        return None

    def followed(self, text: str) -> bool:
        words = [word[0].lower() for word in edged(bare(text)).split()]
        if not words or words[0] not in ALPHABET:
            return False
        start = ALPHABET.index(words[0])
        return all(letter == ALPHABET[(start + k) % 26] for k, letter in enumerate(words[1:], 1))

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)


@register
class NoSharedInitials(EveryWord):
    """No two words in a row begin with the same letter."""

    kind: ClassVar[str] = "letters.no_shared_initials"
    decides_early: ClassVar[bool] = False  # it tells when the word is complete, a letter or more late
    wanted: ClassVar[str] = "no two words in a row with the same first letter"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\bno two consecutive words (?:can|may|should|must)?(?: share|begin with|start with)"
                   r" the same (?:first )?letter", re.I),
    )  # fmt: skip

    def describe(self) -> str:
        return "No two consecutive words can share the same first letter."

    def fault(self, word: str, before: str, _index: int) -> str | None:
        first = letters(word)[:1]
        return f'"{before} {word}"' if first and first == letters(before)[:1] else None

    def followed(self, text: str) -> bool:
        words = bare(text.lower()).split()
        return all(one[0] != other[0] for one, other in pairwise(words))

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)


@register
class Vowels(Twofold):
    """One paragraph whose words use no more than so many different vowels of a, e, i, o, u.

    The reference knows no diacritics, and no paragraph of more than one line.
    """

    kind: ClassVar[str] = "letters.vowels"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("aeiou", "b", "\n\n")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(rf"\ba paragraph using words that contain only (?P<n>{NUMBER}) types? of vowels?", re.I),
    )

    kinds: Annotated[int, Field(strict=True, ge=0, le=4)] = 3

    def describe(self) -> str:
        types = "type of vowel" if self.kinds == 1 else "types of vowels"
        return f"Write a paragraph using words that contain only {self.kinds} {types}."

    def followed(self, text: str) -> bool:
        text = text.strip()
        return "\n" not in text and len(set(text.lower()) & set("aeiou")) <= self.kinds

    def watch(self) -> Monitor:
        return _VowelMonitor(self.kinds)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(), cls(kinds=1)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(kinds=number(match["n"]))


class _VowelMonitor(Monitor):
    def __init__(self, kinds: int) -> None:
        super().__init__()
        self._kinds = kinds
        self._seen: frozenset[str] = frozenset()
        self._paragraphs = Paragraphs()
        self._fault = ""

    def fork(self) -> Self:
        other = super().fork()
        other._paragraphs = self._paragraphs.fork()
        return other

    def _read(self, chunk: str) -> None:
        if self.verdict.decided:
            return
        before = self._paragraphs.count
        self._paragraphs.read(chunk)
        never = len(chunk) + 1
        second = self._paragraphs.where(2 - before) if before < 2 <= self._paragraphs.count else never
        new = (_VOWELS & set(_plain(chunk))) - self._seen
        too_many = self._too_many(chunk) if len(self._seen) + len(new) > self._kinds else never
        self._seen |= new
        if (at := min(second, too_many)) < never:
            self._fault = "a second paragraph" if second < too_many else f'"{chunk[at - 1]}" is one vowel too many'
            self._decide(BROKEN, at)

    def _too_many(self, chunk: str) -> int:
        """After how many characters of `chunk` there are too many kinds."""
        seen = set(self._seen)
        for at, character in enumerate(chunk, 1):
            seen |= _VOWELS & set(_plain(character))
            if len(seen) > self._kinds:
                return at
        raise AssertionError("there are not too many")

    def _conclude(self) -> Check:
        wanted = f"one paragraph, {self._kinds} kinds of vowels at most"
        if self.at is not None:
            return Check(BROKEN, self._fault, wanted=wanted, spans=(Span(self.at - 1, self.at),))
        found = ", ".join(sorted(self._seen)) or "none"
        return Check(HOLDS, f"vowels: {found}", found=found, wanted=wanted)


def _plain(text: str) -> str:
    return (text if text.isascii() else unicodedata.normalize("NFKD", text)).lower()


@register
class Palindromes(Twofold):
    """So many different single-word palindromes of at least so many letters.

    The reference counts the same palindrome again and again, and numbers too.
    """

    kind: ClassVar[str] = "letters.palindromes"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("level radar civic rotor kayak refer madam tenet stats solos ", "level ", "s")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\bat least (?P<n>{NUMBER}) single-word palindromes?,?"
            rf"(?: each)? (?:of )?at least (?P<length>{NUMBER}) (?:characters|letters) ?(?:long)?",
            re.I,
        ),
    )

    at_least: Annotated[int, Field(strict=True, ge=1)] = 10
    letters: Annotated[int, Field(strict=True, ge=2)] = 5

    def describe(self) -> str:
        what = "palindrome" if self.at_least == 1 else "palindromes"
        return f"Include at least {self.at_least} single-word {what}, each at least {self.letters} characters long."

    def followed(self, text: str) -> bool:
        words = (word for word in bare(text).lower().split() if len(word) >= self.letters)
        return sum(word == word[::-1] for word in words) >= self.at_least

    def watch(self) -> Monitor:
        return _PalindromeMonitor(self)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(), cls(at_least=1, letters=3)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(at_least=number(match["n"]), letters=number(match["length"]))


class _PalindromeMonitor(WordMonitor):
    def __init__(self, constraint: Palindromes) -> None:
        super().__init__()
        self._constraint = constraint
        self._found: frozenset[str] = frozenset()
        self._spans: tuple[Span, ...] = ()

    def _word(self, word: str, start: int, certain: int) -> None:
        if len(word) < self._constraint.letters:
            return
        plain = letters(word)
        if len(plain) < self._constraint.letters or plain != plain[::-1] or not plain.isalpha():
            return
        if plain not in self._found:
            self._found |= {plain}
            self._spans += (Span(self.length + start, self.length + start + len(word)),)
            if len(self._found) >= self._constraint.at_least:
                self._decide(HOLDS, certain)

    def _conclude(self) -> Check:
        self._finish()
        count, wanted = len(self._found), self._constraint.at_least
        return Check(
            HOLDS if count >= wanted else BROKEN,
            f"{count} different palindromes; at least {wanted} wanted",
            found=count,
            wanted=wanted,
            spans=self._spans,
        )
