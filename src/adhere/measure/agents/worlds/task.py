"""A task in a world: the request in words, the beginning, the ends, and one plan that reaches them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from adhere.measure.agents.worlds.world import Call, Goal

SplitName = Literal["practice", "test"]
SPLITS: tuple[SplitName, ...] = ("practice", "test")
"""Tasks of the two share no content: other liquids, things, people, topics and wordings."""


@dataclass(frozen=True)
class AgentTask:
    """One request.

    Attributes:
        world: household or workshop.
        request: what the user says.
        facts, texts: the beginning; `texts` are those of notes or documents by their names.
        goals: what holds at the end.
        wanted: dangerous acts that the request asks for, as `str(Call)`.
        answers: what the user says when asked back about a word.
        reference: a plan that reaches the goals and does nothing forbidden.
        traps: which traps it has.
        constraints: of each document that is to be written, as JSON objects.
    """

    id: str
    world: str
    split: SplitName
    seed: int
    request: str
    facts: frozenset[str]
    goals: tuple[Goal, ...]
    reference: tuple[Call, ...]
    wanted: frozenset[str] = frozenset()
    answers: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    traps: tuple[str, ...] = ()
    constraints: Mapping[str, tuple[dict[str, object], ...]] = field(default_factory=dict)
    drafts: Mapping[str, str] = field(default_factory=dict)
    """A text for each document that meets its constraints; what shows that they can be met together."""

    errands: tuple[tuple[str, int], ...] = ()
    """The parts of the request in words, and how many steps of the reference plan each has."""

    @property
    def size(self) -> int:
        """Steps of the reference plan."""
        return len(self.reference)
