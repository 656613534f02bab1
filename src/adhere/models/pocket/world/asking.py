"""Turning a task and its constraints into a prompt: bounds around counts, placement, and the content's key."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from adhere.constraints.constraint import Constraint
from adhere.constraints.families.length import Characters, Words
from adhere.constraints.families.sentences import Sentences
from adhere.constraints.reading.counters import Words as CountWords
from adhere.models.pocket.world import wordings
from adhere.models.pocket.world.hardness import Hardness
from adhere.models.pocket.world.item import Dialogue, Message, Meta, pick
from adhere.models.pocket.world.vocabulary import KNOWN_ADJECTIVES, KNOWN_NOUNS

SENTENCES_TOO: Final = 0.08
"""Share of texts that also carry a sentence count."""


def between(rng: random.Random, bounds: tuple[int, int]) -> int:
    """A random integer within `bounds`, both ends included."""
    return bounds[0] + int(rng.random() * (bounds[1] - bounds[0] + 1))


def count(
    rng: random.Random, hard: Hardness, skills: Sequence[str], answer: str, constraints: list[Constraint]
) -> None:
    """Append constraints on words, characters and sentences that the answer meets."""
    if "word_count" in skills:
        counter = CountWords()
        counter.read(answer)
        if rng.random() < hard.exact:
            constraints.append(Words(at_least=counter.count, at_most=counter.count))
        else:
            constraints.append(Words.model_validate(bounds(rng, counter.count, hard.word_window, hard.word_slack)))
    if "character_count" in skills:
        constraints.append(
            Characters.model_validate(bounds(rng, len(answer), hard.character_window, hard.character_slack))
        )
    if "json" not in skills and rng.random() < SENTENCES_TOO:
        n = max(1, answer.count("."))
        constraints.append(Sentences(at_least=n, at_most=n))


def bounds(rng: random.Random, count: int, window: tuple[int, int], slack: tuple[int, int]) -> dict[str, int]:
    """Random bounds that `count` meets: between, at most, or at least."""
    form = rng.random()
    if form < 0.4:
        width = between(rng, window)
        low = max(1, count - int(rng.random() * (width + 1)))
        return {"at_least": low, "at_most": low + width}
    if form < 0.75:
        return {"at_most": count + between(rng, slack)}
    return {"at_least": max(1, count - between(rng, slack))}


def content_key(noun: str, constraints: Sequence[Constraint]) -> str:
    """The content of a task: its noun and its constraints, sorted."""
    return f"describe {noun} " + " ".join(sorted(constraint.describe() for constraint in constraints))


def ask(
    rng: random.Random,
    key: str,
    task: str,
    constraints: list[Constraint],
    answer: str,
    rude: bool,
    meta: Meta,
) -> Dialogue:
    """Write the task and its constraints, in random order, into the user's prompt or the system prompt."""
    shuffled = constraints.copy()
    rng.shuffle(shuffled)
    asked = [wordings.instruction(rng, constraint) for constraint in shuffled]
    system: list[str] = []
    user = [task]
    if rude:
        if rng.random() < 0.5:
            system.append(pick(rng, wordings.RUDE_SYSTEM))
        else:
            a, i = pick(rng, KNOWN_ADJECTIVES), pick(rng, KNOWN_NOUNS)
            user.insert(0, pick(rng, wordings.RUDE_USER).format(a=a, i=i))
    place = rng.random()
    if place < 0.5:
        user += asked
    elif place < 0.7:
        user = [*asked, *user]
    elif place < 0.9:
        system += asked
    else:
        cut = int(rng.random() * (len(asked) + 1))
        system += asked[:cut]
        user += asked[cut:]
    if not system and rng.random() < 0.5:
        system.append(pick(rng, wordings.HELPFUL))
    messages = [Message("user", " ".join(user)), Message("assistant", answer)]
    if system:
        messages.insert(0, Message("system", " ".join(system)))
    return Dialogue("describe", tuple(messages), tuple(shuffled), None, key, meta)
