"""The `natural` prompts as a source for explaining: what a model that speaks English is asked.

An arm is a frame of the set: one skill in one strength, or one combination, in several wordings and with many contents.
Prompts on which nothing is fitted have contents of the split `test`, which the others never have.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from adhere.explain.cases.labels import Prompt
from adhere.explain.collection.pocket_prompts import prompt_id
from adhere.explain.collection.unconstrained import without
from adhere.explain.plan import Arm
from adhere.measure.natural import NaturalPrompt, by_frame, task_alone


class NaturalPrompts:
    """The set `natural` as a `PromptSource`."""

    name = "natural"
    description = "the prompts of `natural`"

    def streams(self, skills: Sequence[str], seed: int) -> Mapping[Arm, Iterator[Prompt]]:
        """The frames that ask for one of `skills`."""
        frames = by_frame(seed, ("train", "validation"))
        return {arm: map(_prompt, frame) for arm, frame in frames.items() if set(arm[1:]) & set(skills)}

    def unseen(self, skill: str, seed: int) -> Iterator[Prompt]:
        """Prompts of the skill alone, in all strengths, with contents of the split `test`."""
        frames = [frame for arm, frame in by_frame(seed, ("test",)).items() if arm[1:] == (skill,)]
        rng = random.Random(f"unseen {seed} {skill}")
        while True:
            yield _prompt(next(rng.choice(frames)))

    def without(self, prompt: Prompt, skill: str) -> Prompt | None:
        """The task alone, where the skill is all that the prompt asks for; else without the skill's own sentence."""
        if prompt.skills != (skill,):
            return without(prompt, skill)
        task = task_alone(prompt.task.split("/")[1], prompt.messages[-1][1])
        return None if task is None else replace(prompt, messages=(("user", task),))


def _prompt(prompt: NaturalPrompt) -> Prompt:
    messages = (("user", prompt.text),)
    return Prompt(prompt_id(messages), messages, prompt.constraints, prompt.id.rpartition("/")[0])
