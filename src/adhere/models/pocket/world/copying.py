"""Plain copying: repeat a text, continue a fact. Naming a word and looking up a fact both rest on it.

The content is what is copied.
"""

from __future__ import annotations

import random
from typing import Final

from adhere.models.pocket.world.item import Dialogue, Message, Side, pick, side_of
from adhere.models.pocket.world.multihop import chain, sentence_of, surround
from adhere.models.pocket.world.vocabulary import CITIES, INVENTED, LANDS, NAMES, NEUTRAL, TOPIC_NOUNS

_WORDS: Final = (*NAMES, *CITIES, *LANDS, *NEUTRAL, *(noun for nouns in TOPIC_NOUNS.values() for noun in nouns))
_AGAIN: Final = ("Repeat:", "Copy this:", "Say this again:")


def dialogue(rng: random.Random, side: Side) -> Dialogue:
    """A copying task that belongs to `side`."""
    while True:
        at = rng.random()
        key, prompt, answer = _words(rng) if at < 0.5 else _facts(rng) if at < 0.75 else _fact(rng)
        if side_of(key) == side:
            messages = (Message("user", prompt), Message("assistant", answer))
            return Dialogue("copy", messages, (), None, key, {"task": "copy", "accept": (answer,)})


def words(rng: random.Random) -> str:
    """Three to fourteen random words."""
    return " ".join(pick(rng, INVENTED if rng.random() < 0.15 else _WORDS) for _ in range(3 + int(rng.random() * 12)))


def _words(rng: random.Random) -> tuple[str, str, str]:
    text = words(rng)
    return f"copy {text}", f"{pick(rng, _AGAIN)} {text}", text


def _facts(rng: random.Random) -> tuple[str, str, str]:
    text = " ".join(map(sentence_of, surround(rng, chain(rng, 1), 2 + int(rng.random() * 4))))
    return f"copy {text}", f"{pick(rng, _AGAIN)} {text}", text


def _fact(rng: random.Random) -> tuple[str, str, str]:
    facts = surround(rng, chain(rng, 1), 2 + int(rng.random() * 4))
    fact = pick(rng, facts)
    subject, relation, _ = fact
    asked = pick(rng, (f"Copy the fact that begins with: {subject} {relation}", f"Go on: {subject} {relation}"))
    # the key of the one-hop question: to go on with a fact is to answer it
    return f"multihop {sentence_of(fact)}", f"{' '.join(map(sentence_of, facts))} {asked}", sentence_of(fact)
