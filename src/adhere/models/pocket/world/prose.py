"""Short texts of the pocket world: on a topic, in a mood and a register, with some words and without others.

Sentences are templates with slots for articles, nouns, adjectives and names. A text is composed sentence by sentence;
required words are placed first. Topic, mood and style are drawn beforehand, so that little is searched for.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from adhere.models.pocket.world.item import pick
from adhere.models.pocket.world.vocabulary import (
    FORMAL,
    INSULT_ADJECTIVES,
    INSULT_NOUNS,
    NAMES,
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    TOPIC_NOUNS,
)

_SLOT: Final = re.compile(r"\b([DNAPRIJ])\b")


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence template: its pieces, every second one a slot, and its fixed words."""

    pieces: tuple[str, ...]
    words: frozenset[str]
    nouns: int
    adjectives: int


def _templates(text: str) -> tuple[Template, ...]:
    templates = []
    for line in text.strip().splitlines():
        pieces = tuple(_SLOT.split(line.strip()))
        slots = pieces[1::2]
        fixed = frozenset(" ".join(pieces[0::2]).lower().replace(".", " ").replace(",", " ").split())
        templates.append(Template(pieces, fixed, slots.count("N"), slots.count("A")))
    return tuple(templates)


# D article, N noun, A adjective, P name, R register marker, J insulting adjective, I insulting noun
PLAIN: Final = _templates(
    """
    D N is A.
    D N near D N is A.
    D N and D N are A.
    D A N stands near D N.
    D N looks A.
    D N looks A and A.
    P sees D N.
    P sees D A N near D N.
    P has D A N.
    There is D A N near D N.
    There is D N here.
    We see D N and D N.
    D N has D A N.
    Here comes D A N.
    P and P like D A N.
    D A N is next to D N.
    Every N here is A.
    My N is A.
    P asks for D N, D N and D N.
    D N was A, and D N was A.
    """
)
FORMAL_ONES: Final = _templates(
    """
    R, D N is A.
    R, D N stands near D N.
    R, P has D A N.
    D N is R A.
    R, there is D A N near D N.
    R, D N and D N are A.
    """
)
INFORMAL_ONES: Final = _templates(
    """
    R, D N is A.
    R, look at D A N.
    D N is R A.
    R, P has D A N.
    D A N looks R A.
    R, D N and D N are A.
    """
)
RUDE_ONES: Final = _templates(
    """
    P is D J I.
    You are D J I.
    D J N is near D N.
    P has D J N.
    Only D I likes D N.
    You I, D N is A.
    """
)

MARKERS: Final = {
    "formal": tuple("indeed moreover thus hence therefore furthermore certainly".split()),
    "informal": tuple("yeah wow hey kinda super totally".split()),
}
_OPENING: Final = {
    "formal": tuple(word for word in FORMAL if word != "regarding"),
    "informal": tuple("yeah wow hey".split()),
}
_INSIDE: Final = {"formal": ("certainly", "indeed", "thus"), "informal": ("kinda", "super", "totally")}

MOODS: Final = ("positive", "negative", "neutral")
ADJECTIVES: Final = {"positive": POSITIVE, "negative": NEGATIVE, "neutral": NEUTRAL}

_AN = re.compile(r"\b([Aa]) (?=[aeiou])")
COMMON: Final = ("the", "is", "and", "a", "near", "has")
"""Words that nearly every text contains."""


@dataclass(slots=True)
class ProsePlan:
    """The properties of a text to be composed.

    Attributes:
        topic: whose nouns it uses.
        mood: positive, negative or neutral: whose adjectives it uses.
        style: formal, informal or plain.
        include: words that must be in it, nouns and adjectives apart.
        banned: words that must not.
        sentences: how many, at least.
        rude: share of insulting sentences.
    """

    topic: str
    mood: str = "neutral"
    style: str = "plain"
    nouns: Sequence[str] = ()
    adjectives: Sequence[str] = ()
    markers: Sequence[str] = ()
    banned: Collection[str] = ()
    sentences: int = 2
    rude: float = 0.0


class Composer:
    """Composes one text."""

    def __init__(self, rng: random.Random, plan: ProsePlan) -> None:
        self._rng = rng
        self._plan = plan
        banned = frozenset(plan.banned)
        self._banned = banned
        self._nouns = [noun for noun in TOPIC_NOUNS[plan.topic] if noun not in banned]
        self._adjectives = [word for word in ADJECTIVES[plan.mood] if word not in banned] or [
            word for word in NEUTRAL if word not in banned
        ]
        self._due_nouns = list(plan.nouns)
        self._due_adjectives = list(plan.adjectives)
        self._due_markers = list(plan.markers)
        self._articles = [word for word in ("the", "a", "the") if word not in banned]

    def compose(self) -> str | None:
        """The text, or None where the plan cannot be met."""
        if not self._articles or not self._nouns:
            return None
        plan, rng = self._plan, self._rng
        written: list[str] = []
        for _ in range(plan.sentences + 6):
            if len(written) >= plan.sentences and not self._due:
                return " ".join(written)
            sentence = self._sentence(plan, rng)
            if sentence is None:
                return None
            written.append(sentence)
        return None

    @property
    def _due(self) -> int:
        return len(self._due_nouns) + len(self._due_adjectives) + len(self._due_markers)

    def _sentence(self, plan: ProsePlan, rng: random.Random) -> str | None:
        style = plan.style
        if self._due_markers and rng.random() < 0.6:
            style = "formal" if self._due_markers[0] in FORMAL else "informal"
        elif style != "plain" and rng.random() < 0.3:
            style = "plain"
        if plan.rude and rng.random() < plan.rude:
            templates = RUDE_ONES
        else:
            templates = {"plain": PLAIN, "formal": FORMAL_ONES, "informal": INFORMAL_ONES}[style]
        for _ in range(8):
            template = pick(rng, templates)
            if self._banned and not self._banned.isdisjoint(template.words):
                continue
            if self._due_adjectives and not template.adjectives and rng.random() < 0.7:
                continue
            return self._fill(template, style)
        return None

    def _fill(self, template: Template, style: str) -> str:
        rng = self._rng
        out: list[str] = []
        pieces = template.pieces
        slots = iter(range(template.nouns, 0, -1))
        used: list[str] = []
        for index, piece in enumerate(pieces):
            if index % 2 == 0:
                out.append(piece)
            elif piece == "D":
                out.append(pick(rng, self._articles))
            elif piece == "N":
                left = next(slots)
                due = self._due_nouns
                if due and rng.random() < max(0.5, len(due) / (left + 1)):
                    word = due.pop(0)
                else:
                    word = pick(rng, self._nouns)
                    for _ in range(3):
                        if word not in used:
                            break
                        word = pick(rng, self._nouns)
                used.append(word)
                out.append(word)
            elif piece == "A":
                out.append(self._due_adjectives.pop(0) if self._due_adjectives else pick(rng, self._adjectives))
            elif piece == "P":
                word = pick(rng, NAMES)
                while word in out:
                    word = pick(rng, NAMES)
                out.append(word)
            elif piece == "R":
                out.append(self._marker(style, first=index == 1))
            elif piece == "J":
                out.append(pick(rng, INSULT_ADJECTIVES))
            else:
                out.append(pick(rng, INSULT_NOUNS))
        sentence = "".join(out)
        return _AN.sub(r"\1n ", sentence[0].upper() + sentence[1:])

    def _marker(self, style: str, *, first: bool) -> str:
        choices = (_OPENING if first else _INSIDE)[style]
        for at, word in enumerate(self._due_markers):
            if word in choices:
                return self._due_markers.pop(at)
        word = pick(self._rng, choices)
        return next((other for other in choices if other not in self._banned), word) if word in self._banned else word


def compose(rng: random.Random, plan: ProsePlan) -> str | None:
    """A text by that plan, or None where there is none: draw another plan then."""
    return Composer(rng, plan).compose()
