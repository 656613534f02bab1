"""Constraints asked around what an answer already has: counts, marks, variety, form.

`around(rng, kind, answer)` gives one constraint of that kind that the answer meets, or None where the kind says nothing
of such an answer. The kinds are those of the pool (`kinds.py`) that do not name a word.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Final

from adhere.constraints.constraint import Constraint
from adhere.constraints.families.case import LetterCase
from adhere.constraints.families.length import Characters, Lines, Paragraphs, Words
from adhere.constraints.families.marks import WithoutMark
from adhere.constraints.families.numbers import Numbers
from adhere.constraints.families.sentences import Sentences
from adhere.constraints.families.vocabulary import DifferentWords, Repeats
from adhere.constraints.reading.counters import Words as CountWords
from adhere.models.pocket.world.asking import bounds
from adhere.models.pocket.world.item import pick

_WORD: Final = re.compile(r"[^\W_]+")
_MARKS: Final = {"comma": ",", "exclamation mark": "!", "question mark": "?", "semicolon": ";", "colon": ":"}


def _words(rng: random.Random, answer: str) -> Constraint:
    counter = CountWords()
    counter.read(answer)
    return Words.model_validate(bounds(rng, counter.count, (4, 20), (0, 20)))


def _characters(rng: random.Random, answer: str) -> Constraint:
    return Characters.model_validate(bounds(rng, len(answer), (15, 60), (0, 60)))


def _sentences(rng: random.Random, answer: str) -> Constraint:
    n = max(1, sum(1 for piece in re.split(r"\.(?:\s|$)", answer) if piece.strip()))
    low = max(1, n - int(rng.random() * 2))
    forms: tuple[dict[str, int], ...] = (
        {"at_least": n, "at_most": n},
        {"at_least": low, "at_most": n},
        {"at_most": n + int(rng.random() * 2)},
    )
    return Sentences.model_validate(pick(rng, forms))


def _mark(rng: random.Random, answer: str) -> Constraint | None:
    absent = [mark for mark, sign in _MARKS.items() if sign not in answer]
    return WithoutMark.model_validate({"mark": pick(rng, absent)}) if absent else None


def _numbers(rng: random.Random, answer: str) -> Constraint:
    n = len(re.findall(r"\d+", answer))
    if n and rng.random() < 0.6:
        return Numbers(at_least=n, at_most=n)
    if n and rng.random() < 0.5:
        return Numbers(at_least=max(1, n - int(rng.random() * 3)))
    return Numbers(at_most=max(1, n) + int(rng.random() * 2))


def _repeats(rng: random.Random, answer: str) -> Constraint | None:
    words = _WORD.findall(answer.lower())
    most = max(map(words.count, set(words)), default=0)
    return Repeats(at_most=most + int(rng.random() * 2)) if 0 < most <= 6 else None


def _different(rng: random.Random, answer: str) -> Constraint | None:
    n = len(set(_WORD.findall(answer.lower())))
    return DifferentWords(at_least=max(1, n - int(rng.random() * 5))) if n > 1 else None


def _lines(rng: random.Random, answer: str) -> Constraint:
    n = sum(1 for line in answer.split("\n") if line.strip())
    return Lines(at_least=n, at_most=n) if rng.random() < 0.7 else Lines(at_most=n)


def _paragraphs(rng: random.Random, answer: str) -> Constraint:
    n = answer.count("\n\n") + 1
    return Paragraphs(at_least=n, at_most=n) if rng.random() < 0.7 else Paragraphs(at_most=n)


def _case(rng: random.Random, answer: str) -> Constraint | None:
    del rng
    return LetterCase(case="lower") if answer == answer.lower() else None


_AROUND: Final[dict[str, Callable[[random.Random, str], Constraint | None]]] = {
    "length.words": _words,
    "length.characters": _characters,
    "length.sentences": _sentences,
    "excludes.mark": _mark,
    "numbers.count": _numbers,
    "vocabulary.repeats": _repeats,
    "vocabulary.different": _different,
    "length.lines": _lines,
    "length.paragraphs": _paragraphs,
    "case.letters": _case,
}

FORMS: Final = ("length.lines", "length.paragraphs", "case.letters")
"""Kinds for which the answer may be reformatted first; see `formed`."""

EXTRA: Final = (
    "excludes.mark",
    "numbers.count",
    "vocabulary.repeats",
    "vocabulary.different",
    *FORMS,
)
"""Kinds of the pool outside the nine skills; some descriptions carry one of them."""


def around(rng: random.Random, kind: str, answer: str) -> Constraint | None:
    """A constraint of that kind which `answer` meets; None where there is none, or its own check says otherwise."""
    constraint = _AROUND[kind](rng, answer)
    return constraint if constraint is not None and constraint.check(answer).met else None


def formed(kind: str, answer: str, last: str) -> str:
    """The answer with `last`, its end, on a line or in a paragraph of its own, or all in lowercase."""
    if kind == "case.letters":
        return answer.lower()
    head = answer.removesuffix(last).rstrip(" ")
    gap = "\n" if kind == "length.lines" else "\n\n"
    return f"{head}{gap}{last}" if head and head != answer and not head.endswith("\n") else answer
