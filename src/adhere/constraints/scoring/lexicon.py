"""A scorer made of word lists: counts of known words per class, nothing else.

Rules:

- A word is a run of letters and marks; case does not count; apostrophes part words ("we'll" is "we" and "ll").
- Every class of an aspect has a list of words, and a word is in at most one class of an aspect. A text's label is
  the class with strictly the most hits; where two lead together there is no label.
- A text in which no word is known cannot be told (`known=False`), except for toxicity: a text without an insult is
  not toxic.
- `Tally` reads a text in chunks and costs O(1) per character, so tone can be watched while it is written.

The lists are small on purpose. They are exact for the pocket world, whose vocabulary is drawn from them, and a rough
guess for free text; where it matters, use a judge (see `scorers.py`). Insults are mild ones.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final, Self

import regex

from adhere.constraints.scoring.scorers import Aspect, Score, add_scorer


def _classes(**lists: str) -> Mapping[str, frozenset[str]]:
    return MappingProxyType({name: frozenset(words.split()) for name, words in lists.items()})


TOPICS: Final = _classes(
    sea="sea boat harbor wave sand shell sail fish island beach ocean ship tide coast shore whale anchor sailor surf "
    "boats waves shells sails islands ships whales sailors",
    garden="garden flower tree rose leaf seed bee grass bush apple soil fence petal gardener blossom weed "
    "flowers trees roses leaves seeds bees bushes apples",
    city="city street tower bus bridge shop market square train taxi crowd traffic mayor subway building sidewalk "
    "streets towers buses bridges shops markets trains taxis crowds buildings",
    kitchen="kitchen oven cup bread soup plate spoon pot cake salt knife fork stove recipe butter flour cook "
    "cups plates spoons pots cakes knives forks recipes",
    school="school teacher book desk pen lesson class pupil map test exam student pencil homework classroom library "
    "teachers books desks pens lessons pupils maps tests exams students",
    music="music song drum piano guitar singer band choir bell dance melody violin concert rhythm chorus flute "
    "songs drums guitars singers bands bells dances melodies concerts",
    winter="winter snow ice coat frost sled storm wind scarf glove blizzard mitten icicle skate december "
    "coats sleds storms winds scarves gloves mittens",
    space="space star moon planet rocket comet sun orbit galaxy signal astronaut telescope asteroid meteor cosmos "
    "stars moons planets rockets comets suns galaxies signals",
)
"""Topic words: the first ten of each are those of the pocket world."""

SENTIMENTS: Final = _classes(
    positive="good lovely bright happy sweet warm nice great fine kind beautiful pleasant wonderful excellent joy "
    "delight love enjoy cheerful charming superb amazing perfect best glad fresh delightful fantastic awesome",
    negative="bad ugly gray sad bitter cold poor awful broken cruel dirty gloomy terrible horrible hate dreadful "
    "worst miserable nasty painful grim bleak disgusting disappointing dull unpleasant angry lonely",
)

REGISTERS: Final = _classes(
    formal="indeed moreover thus hence therefore furthermore certainly regarding consequently nevertheless "
    "accordingly notwithstanding herein whereas shall sincerely hereby pursuant",
    informal="yeah wow hey gonna kinda super totally guys okay stuff wanna gotta cool yep nope dude lol btw ain "
    "sorta yup awesome ll ve doesn didn isn aren wasn couldn wouldn shouldn",
)

TOXICITY: Final = _classes(
    toxic="stupid dumb idiot fool silly moron loser jerk clown dummy dolt nitwit lazy useless idiotic foolish "
    "moronic imbecile dimwit blockhead worthless pathetic nincompoop halfwit twit crybaby "
    "idiots fools morons losers jerks clowns dummies dolts nitwits imbeciles dimwits twits",
)

CLASSES: Final[Mapping[Aspect, Mapping[str, frozenset[str]]]] = MappingProxyType(
    {"topic": TOPICS, "sentiment": SENTIMENTS, "register": REGISTERS, "toxicity": TOXICITY}
)

_CLASS_OF: Final = {
    aspect: {word: name for name, words in classes.items() for word in words} for aspect, classes in CLASSES.items()
}

_WORD = regex.compile(r"[\p{L}\p{M}]++")
_ASCII_WORD = re.compile(r"[a-z]++")
_LONGEST = max(len(word) for classes in _CLASS_OF.values() for word in classes)
_TOO_LONG = "x" * (_LONGEST + 1)


@cache
def _beginnings(aspect: Aspect) -> frozenset[str]:
    return frozenset(word[:end] for word in _CLASS_OF[aspect] for end in range(1, len(word) + 1))


class Tally:
    """Counts the hits of each class of one aspect in a text that arrives in chunks.

    Attributes:
        hits: number of certain hits by class: a word is certain once the character after it is known.
    """

    def __init__(self, aspect: Aspect) -> None:
        self._aspect: Aspect = aspect
        self._class_of = _CLASS_OF[aspect]
        self.hits: dict[str, int] = {}
        self._tail = ""

    def fork(self) -> Self:
        other = copy.copy(self)
        other.hits = self.hits.copy()
        return other

    def unsettled(self) -> int:
        """The length of the word that the text ends within, where it may still become a known one."""
        return len(self._tail) if self._tail.casefold() in _beginnings(self._aspect) else 0

    def read(self, chunk: str, *, last: bool = False) -> list[tuple[str, int, int]]:
        """New certain hits as (class, start, end), offsets relative to `chunk` (a start may be negative)."""
        text = self._tail + chunk
        if text.isascii():
            words = _ASCII_WORD.findall(text.lower())
            if self._class_of.keys().isdisjoint(words):
                self._tail = ""
                if not last and words and text[-1].isalpha():
                    self._tail = words[-1] if len(words[-1]) <= _LONGEST else _TOO_LONG
                return []
        shift = len(self._tail)
        found: list[tuple[str, int, int]] = []
        self._tail = ""
        for match in _WORD.finditer(text):
            start, end = match.span()
            if end == len(text) and not last:
                # A word too long for any list stays too long: its length is all that matters.
                self._tail = match[0] if end - start <= _LONGEST else _TOO_LONG
                break
            if end - start <= _LONGEST and (name := self._class_of.get(match[0].casefold())):
                self.hits[name] = self.hits.get(name, 0) + 1
                found.append((name, start - shift, end - shift))
        return found


class Lexicon:
    """The scorer by word lists."""

    def score(self, text: str, aspect: Aspect, label: str) -> Score:
        tally = Tally(aspect)
        tally.read(text, last=True)
        return weigh(tally.hits, aspect, label)


def weigh(hits: Mapping[str, int], aspect: Aspect, label: str) -> Score:
    """The score that these counts amount to. The probability is the share of the hits that are the label's."""
    if aspect == "toxicity":
        toxic = bool(hits)
        return Score("toxic" if toxic else "clean", float(toxic if label == "toxic" else not toxic))
    total = sum(hits.values())
    if not total or label not in CLASSES[aspect]:
        return Score(None, 0.0, known=False)
    return Score(leading(hits), hits.get(label, 0) / total)


def leading(hits: Mapping[str, int]) -> str | None:
    """The class with strictly the most hits."""
    most = max(hits.values(), default=0)
    first = [name for name, count in hits.items() if count == most]
    return first[0] if len(first) == 1 else None


def words_of(aspect: Aspect) -> Iterable[str]:
    """Every word that the lexicon knows under `aspect`."""
    return _CLASS_OF[aspect]


add_scorer("lexicon", Lexicon)
