"""Words of a closed list: pronouns, conjunctions, names, stop words; how many, how many different, what share.

The lists are those of the instruction's field: the coordinating conjunctions of English ("FANBOYS"), the pronouns of
English, the fifty names of IFBench's instruction, and the stop words of the Snowball project (BSD-3), as NLTK hands
them on.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Annotated, ClassVar, Self

from pydantic import Field

from adhere.constraints.bases.bounds import NUMBER, number
from adhere.constraints.bases.per_word import WordMonitor
from adhere.constraints.bases.reference_profile import Twofold, edged, tokens
from adhere.constraints.constraint import BROKEN, HOLDS, MOST_SPANS, Check, Monitor, Span, Verdict
from adhere.constraints.registry import register

CONJUNCTIONS = frozenset("and but for nor or so yet".split())

PRONOUNS = frozenset(
    "i me we us you he him she her it they them my mine our ours your yours his hers its their theirs "
    "myself ourselves yourself yourselves himself herself itself themselves this that these those "
    "who whom whose which what whoever whomever whatever whichever "
    "anybody anyone anything everybody everyone everything nobody nothing somebody someone something "
    "each either neither both all some any none".split()
)

_PRONOUN = re.compile(rf"\b(?:{'|'.join(PRONOUNS)}|gimme|lemme)")

NAMES = (
    "Emma Liam Sophia Jackson Olivia Noah Ava Lucas Isabella Mason Mia Ethan Charlotte Alexander Amelia Benjamin "
    "Harper "
    "Leo Zoe Daniel Chloe Samuel Lily Matthew Grace Owen Abigail Gabriel Ella Jacob Scarlett Nathan Victoria "
    "Elijah Layla "
    "Nicholas Audrey David Hannah Christopher Penelope Thomas Nora Andrew Aria Joseph Claire Ryan Stella Jonathan"
).split()

_PLAIN_STOP_WORDS = (
    "i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself "
    "it its itself they them their theirs themselves what which who whom this that these those am is are was were be "
    "been being have has had having do does did doing a an the and but if or because as until while of at by for with "
    "about against between into through during before after above below to from up down in out on off over under again "
    "further then once here there when where why how all any both each few more most other some such no nor not "
    "only own "
    "same so than too very can will just don should now"
)
_SHORTENED = "ain aren couldn didn doesn hadn hasn haven isn mightn mustn needn shan shouldn wasn weren won wouldn"
_FRAGMENTS = frozenset(f"{_PLAIN_STOP_WORDS} {_SHORTENED} s t d ll m o re ve y ma".split())
"""Stop words as they are left when apostrophes split words, which the reference's tokens do."""
STOP_WORDS = frozenset(_PLAIN_STOP_WORDS.split()) - {"don"}
"""Whole stop words; a contraction of them with an apostrophe ("you're", "isn't") is one too."""
_ENDINGS = frozenset("s d ll m re ve t".split())


def _is_stop_word(word: str) -> bool:
    if word in STOP_WORDS:
        return True
    head, apostrophe, ending = word.replace("’", "'").partition("'")
    return bool(apostrophe) and ending in _ENDINGS and (head in STOP_WORDS or head in _FRAGMENTS)


class _ListMonitor(WordMonitor):
    """Counts the words of a list until there are enough: each of them, or each different one."""

    def __init__(self, listed: frozenset[str], at_least: int, what: str, *, different: bool, cased: bool) -> None:
        super().__init__()
        self._listed, self._at_least, self._what = listed, at_least, what
        self._different, self._cased = different, cased
        self._seen: frozenset[str] = frozenset()
        self._count = 0
        self._spans: tuple[Span, ...] = ()
        if not at_least:
            self._decide(HOLDS, 0)

    def _word(self, word: str, start: int, certain: int) -> None:
        key = word if self._cased else word.casefold()
        if key not in self._listed:
            key = re.split("['’-]", key, maxsplit=1)[0]  # "it's" is a pronoun, "Emma's" names Emma
            if key not in self._listed:
                return
        if self._different:
            if key in self._seen:
                return
            self._seen |= {key}
        self._count += 1
        if len(self._spans) < MOST_SPANS:
            self._spans += (Span(self.length + start, self.length + start + len(key)),)
        if self._count >= self._at_least:
            self._decide(HOLDS, certain)

    def _conclude(self) -> Check:
        self._finish()
        wanted = f"at least {self._at_least} {self._what}"
        met = self._count >= self._at_least
        return Check(
            Verdict.of(met),
            f"{'at least ' if met else ''}{self._count} {self._what}; {wanted} wanted",
            found=self._count,
            wanted=wanted,
            spans=self._spans,
        )


class _ListedWords(Twofold):
    """At least so many words of a list."""

    at_least: Annotated[int, Field(strict=True, ge=0)]

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(at_least=number(match["n"]))

    def _noun(self, singular: str) -> str:
        return singular if self.at_least == 1 else f"{singular}s"


@register
class Pronouns(_ListedWords):
    """At least so many pronouns. What stands before an apostrophe counts ("it's"); "/" separates ("she/her")."""

    kind: ClassVar[str] = "words.pronouns"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (re.compile(rf"\bat least (?P<n>{NUMBER}) pronouns?\b", re.I),)

    def describe(self) -> str:
        return f"Include at least {self.at_least} {self._noun('pronoun')}."

    def followed(self, text: str) -> bool:
        text = text.replace("/", " ").lower()
        if len(_PRONOUN.findall(text)) < self.at_least:  # tokens are costly, and no more of them are pronouns
            return False
        pronouns = (token for token in tokens(text) if token in PRONOUNS)
        return sum(1 for _ in islice(pronouns, self.at_least)) >= self.at_least

    def watch(self) -> Monitor:
        return _ListMonitor(PRONOUNS, self.at_least, "pronouns", different=False, cased=False)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_least=3), cls(at_least=25)


@register
class Conjunctions(_ListedWords):
    """At least so many different coordinating conjunctions: and, but, for, nor, or, so, yet.

    The reference tells "And", "and" and "and," apart, so that one conjunction can pass for three.
    """

    kind: ClassVar[str] = "words.conjunctions"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(rf"\bat least (?P<n>{NUMBER}) different coordinating conjunctions?\b", re.I),
    )

    at_least: Annotated[int, Field(strict=True, ge=0, le=7)]

    def describe(self) -> str:
        return f"Use at least {self.at_least} different coordinating {self._noun('conjunction')}."

    def followed(self, text: str) -> bool:
        return len({word for word in text.split() if edged(word).lower() in CONJUNCTIONS}) >= self.at_least

    def watch(self) -> Monitor:
        return _ListMonitor(CONJUNCTIONS, self.at_least, "conjunctions", different=True, cased=False)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_least=3), cls(at_least=1)


_NAMES = frozenset(NAMES)
_NAME_PATTERN = re.compile(rf"\b(?:{'|'.join(NAMES)})\b")


@register
class PersonNames(_ListedWords):
    """At least so many different names of IFBench's list of fifty."""

    kind: ClassVar[str] = "words.names"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\bat least (?P<n>{NUMBER}) different person names?(?: in (?:the|your) response)?,? from this list"
            rf"(?: of person names)?: {', '.join(NAMES)}",
            re.I,
        ),
    )

    at_least: Annotated[int, Field(strict=True, ge=0, le=50)]

    def describe(self) -> str:
        names = ", ".join(NAMES)
        return f"Mention at least {self.at_least} different {self._noun('person name')}, from this list: {names}."

    def followed(self, text: str) -> bool:
        return len(set(_NAME_PATTERN.findall(text))) >= self.at_least

    def watch(self) -> Monitor:
        return _ListMonitor(_NAMES, self.at_least, "names of the list", different=True, cased=True)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_least=3), cls(at_least=1)


_TOKEN = re.compile(r"\w+")


@register
class StopWords(Twofold):
    """Stop words are no more than so many percent of all words. A text without words has no share, and fails.

    The reference's tokens end at apostrophes: "isn't" is "isn" and "t", two stop words of two.
    """

    kind: ClassVar[str] = "words.stop_words"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\bstop words constitute (?:no more than|at most) (?P<n>\d{1,3}) ?(?:%|percent) of the total words\b", re.I
        ),
    )

    at_most: Annotated[float, Field(ge=0, le=100)]

    def describe(self) -> str:
        return f"Ensure that stop words constitute no more than {self.at_most:g}% of the total words."

    def followed(self, text: str) -> bool:
        words = _TOKEN.findall(text.lower())
        return bool(words) and sum(word in _FRAGMENTS for word in words) / len(words) * 100 <= self.at_most

    def watch(self) -> Monitor:
        return _ShareMonitor(self.at_most)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_most=40), cls(at_most=10)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(at_most=float(match["n"]))


class _ShareMonitor(WordMonitor):
    def __init__(self, at_most: float) -> None:
        super().__init__()
        self._at_most = at_most
        self._stop_words = 0
        self._count = 0

    def _word(self, word: str, start: int, certain: int) -> None:
        del start, certain
        self._count += 1
        self._stop_words += _is_stop_word(word.casefold())

    def _conclude(self) -> Check:
        self._finish()
        wanted = f"at most {self._at_most:g} % stop words"
        if not self._count:
            return Check(BROKEN, "no words", wanted=wanted)
        share = 100 * self._stop_words / self._count
        return Check(
            Verdict.of(share <= self._at_most),
            f"{share:.1f} % stop words ({self._stop_words} of {self._count}); {wanted} wanted",
            found=round(share, 1),
            wanted=wanted,
        )
