"""Prompts of the pocket world's test side, drawn by the skills they ask for: one, or two together."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence

from adhere.constraints.skills import SKILLS
from adhere.explain.cases.labels import Prompt, Turn
from adhere.explain.collection.unconstrained import without
from adhere.explain.plan import Arm

FRESH = 7919
"""Added to the seed for prompts that nothing was fitted on."""


class PocketPrompts:
    """The pocket world as a `PromptSource`: every prompt is new."""

    name = "pocket"
    description = "prompts of the pocket world's test side"

    def streams(self, skills: Sequence[str], seed: int) -> Mapping[Arm, Iterator[Prompt]]:
        """An arm is a skill, or two of which one is in `skills`."""
        return {arm: stream(arm, seed) for arm in arms(skills)}

    def unseen(self, skill: str, seed: int) -> Iterator[Prompt]:
        """Prompts of the skill alone, drawn with another seed."""
        return stream((skill,), seed + FRESH)

    def without(self, prompt: Prompt, skill: str) -> Prompt | None:
        """The prompt without the sentences that state the skill's constraints."""
        return without(prompt, skill)


def arms(skills: Sequence[str]) -> list[Arm]:
    """Each skill, and each pair of which one is wanted. Register in JSON is never asked for."""
    single = [(skill,) for skill in skills]
    double = [
        (one, two)
        for one, two in itertools.combinations(SKILLS, 2)
        if (one in skills or two in skills) and {one, two} != {"json", "register"}
    ]
    return [*single, *double]


def stream(arm: Arm, seed: int) -> Iterator[Prompt]:
    """Prompts that ask for the skills of `arm`, without end; a prompt's id is its content's hash."""
    from adhere.models.pocket.world import describe

    rng = random.Random(f"explain {seed} {'+'.join(arm)}")
    while True:
        dialogue = describe.dialogue(rng, "test", 1.0, arm)
        messages: tuple[Turn, ...] = tuple((one.role, one.content) for one in dialogue.messages[:-1])
        yield Prompt(prompt_id(messages), messages, dialogue.constraints, str(dialogue.meta["task"]))


def prompt_id(messages: Sequence[Turn]) -> int:
    """A number that the same messages always have."""
    return int.from_bytes(hashlib.blake2b(repr(tuple(messages)).encode(), digest_size=6).digest(), "big")
