"""Dialogues and questions as the families produce them, and the hash that separates training from test.

A family draws the *content* of an item first (entities and numbers), which gives its key; the wording comes after.
The key alone decides the side, so no content is ever seen on both, in whatever words.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from adhere.constraints.constraint import Constraint
from adhere.problems.problem import Problem

Side = Literal["train", "test"]
Role = Literal["system", "user", "assistant"]

TEST_SHARE = 8
"""One key in this many belongs to the test side."""

Choice = TypeVar("Choice")

Meta = dict[str, str | int | tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One dialogue with a known-good answer.

    Attributes:
        family: describe, math, multihop, code, dialogue or copy.
        messages: turns, the last of them the assistant's.
        constraints: what the last answer must meet, and meets.
        problem: the question that the last answer answers, where it can be graded.
        key: the content, without its wording; it decides the side.
        meta: what the item is, for those who analyse answers (task, hops, persona, ...). `accept`, where it
            stands, holds every answer that is right.
    """

    family: str
    messages: tuple[Message, ...]
    constraints: tuple[Constraint, ...]
    problem: Problem | None
    key: str
    meta: Meta


@dataclass(frozen=True, slots=True)
class Question:
    """A question with a checkable answer, before constraints and a system prompt are added.

    Attributes:
        key: the content.
        prompt: one wording of it.
        steps: the worked steps, in order.
        answer: the answer alone.
        final: the last line, which states the answer.
        problem: makes the problem, given the prompt that is shown.
    """

    key: str
    prompt: str
    steps: tuple[str, ...]
    answer: str
    final: str
    joint: str
    problem: Callable[[str], Problem]
    size: int

    @property
    def response(self) -> str:
        """The known-good answer."""
        return self.joint.join((*self.steps, self.final))


def side_of(key: str) -> Side:
    """The side to which content with this key belongs."""
    digest = hashlib.blake2b(key.encode(), digest_size=4).digest()
    return "test" if int.from_bytes(digest, "big") % TEST_SHARE == 0 else "train"


def pick(rng: random.Random, choices: Sequence[Choice]) -> Choice:
    """One of `choices`; three times as fast as `Random.choice`."""
    return choices[int(rng.random() * len(choices))]


def weighted(rng: random.Random, weights: Sequence[tuple[Choice, float]]) -> Choice:
    """One of the choices, by weight."""
    at = rng.random() * sum(weight for _, weight in weights)
    for choice, weight in weights:
        at -= weight
        if at < 0:
            return choice
    return weights[-1][0]
