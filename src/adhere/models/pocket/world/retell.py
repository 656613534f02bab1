"""Retelling a text without its insults, or in another mood or style.

The task invites plain copying, and asks for a copy that differs. In training insults are dropped, and only known ones;
texts that must change their mood or style stand in the test side alone, so that there the instruction is followed only
by generalisation.
"""

from __future__ import annotations

import random
from typing import Final

from adhere.constraints.constraint import Constraint
from adhere.constraints.families.terms import Exclude
from adhere.constraints.families.tone import Register, Sentiment, Topic, Toxicity
from adhere.models.pocket.world import wordings
from adhere.models.pocket.world.asking import ask, between, count
from adhere.models.pocket.world.hardness import Hardness
from adhere.models.pocket.world.item import Dialogue, Side, pick, side_of
from adhere.models.pocket.world.prose import MARKERS, MOODS, ProsePlan, compose
from adhere.models.pocket.world.vocabulary import (
    APART_ADJECTIVES,
    APART_NOUNS,
    KNOWN_ADJECTIVES,
    KNOWN_NOUNS,
    NAMES,
    NEGATIVE,
    POSITIVE,
    TOPIC_NOUNS,
    TOPICS,
)


def dialogue(rng: random.Random, side: Side, hard: Hardness, skills: list[str]) -> Dialogue | None:
    """A task to retell a text, with or without its insults."""
    topic = pick(rng, TOPICS)
    clean = "toxicity" in skills
    text = compose(rng, ProsePlan(topic, mood=pick(rng, MOODS), sentences=1 + int(rng.random() * 3)))
    if text is None:
        return None
    apart = hard.insults_apart if clean else 0.5
    original = _insulted(rng, text, between(rng, hard.insults), apart)
    answer = text if clean else original
    constraints: list[Constraint] = [Toxicity()] if clean else []
    rest = [skill for skill in skills if skill in ("word_count", "character_count", "topic", "exclusion")]
    for skill in rest:
        if skill == "topic":
            constraints.append(Topic(topic=topic))
        elif skill == "exclusion":
            words = [word for word in TOPIC_NOUNS[topic] if word not in text.lower()]
            if words:
                constraints.append(Exclude(terms=tuple(rng.sample(words, min(len(words), between(rng, (1, 2)))))))
    count(rng, hard, rest, answer, constraints)
    if not all(constraint.check(answer).met for constraint in constraints):
        return None
    key = f"retell {original} " + " ".join(sorted(constraint.describe() for constraint in constraints))
    if side_of(key) != side:
        return None
    task = pick(rng, wordings.RETELL).format(o=pick(rng, NAMES), t=original)
    return ask(rng, key, task, constraints, answer, False, {"task": "retell"})


def _insulted(rng: random.Random, text: str, number: int, apart: float) -> str:
    """The text with `number` insults inserted before nouns or at the ends of sentences."""
    words = text.split(" ")
    for _ in range(number):
        strange = rng.random() < apart
        if rng.random() < 0.6:
            places = [at for at in range(1, len(words)) if words[at - 1].lower() in ("the", "a")]
            if not places:
                continue
            words.insert(pick(rng, places), pick(rng, APART_ADJECTIVES if strange else KNOWN_ADJECTIVES))
        else:
            places = [at for at, word in enumerate(words) if word.endswith(".") and ", you" not in word]
            if not places:
                continue
            at = pick(rng, places)
            insult = pick(rng, APART_NOUNS if strange else KNOWN_NOUNS)
            words[at] = f"{words[at][:-1]}, you {insult}."
    return " ".join(words)


_TURNED: Final = {
    **dict(zip(POSITIVE, NEGATIVE, strict=True)),
    **dict(zip(NEGATIVE, POSITIVE, strict=True)),
    **{one: MARKERS["informal"][at % 3] for at, one in enumerate(MARKERS["formal"])},
    "yeah": "indeed",
    "wow": "moreover",
    "hey": "furthermore",
    "kinda": "certainly",
    "super": "indeed",
    "totally": "thus",
}
"""The replacement of each word when a text changes its mood or style."""


def turned(rng: random.Random, side: Side, skills: list[str]) -> Dialogue | None:
    """A task to retell a text of one mood or style in the opposite one."""
    topic = pick(rng, TOPICS)
    mood, style = pick(rng, MOODS), "plain"
    constraint: Constraint
    if "register" in skills:
        style = pick(rng, ("formal", "informal"))
        constraint = Register.model_validate({"register": "informal" if style == "formal" else "formal"})
    else:
        mood = pick(rng, MOODS[:2])
        constraint = Sentiment.model_validate({"sentiment": "negative" if mood == "positive" else "positive"})
    original = compose(rng, ProsePlan(topic, mood=mood, style=style, sentences=1 + int(rng.random() * 3)))
    if original is None:
        return None
    answer = " ".join(_turn(word, "register" in skills) for word in original.split(" "))
    if not constraint.check(answer).met or constraint.check(original).met:
        return None
    key = f"turn {original} " + constraint.describe()
    if side_of(key) != side:
        return None
    task = pick(rng, wordings.RETELL).format(o=pick(rng, NAMES), t=original)
    return ask(rng, key, task, [constraint], answer, False, {"task": "turn"})


def _turn(word: str, style: bool) -> str:
    bare = word.strip(".,").lower()
    if bare not in _TURNED or style != (bare not in POSITIVE and bare not in NEGATIVE):
        return word
    other = _TURNED[bare]
    other = other.capitalize() if word[0].isupper() else other
    return other + word[len(bare) :]
