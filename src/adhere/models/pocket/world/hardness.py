"""How hard the pocket world's constraints are: one table for training, one for test prompts.

A skill that is always or never met tells nothing, so the test side is set where skills are met sometimes. Its counts,
words to include and words to leave out are easier than in training: wider windows, fewer words. Retelling in another
mood or style and insults that never stood in training are harder: they need generalisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Hardness:
    """Parameters of the constraints. Ranges are inclusive; shares are of the items that carry the constraint."""

    exact: float
    """Share of word counts that are exact."""
    word_window: tuple[int, int]
    """Width of "between" for words."""
    word_slack: tuple[int, int]
    """How far an "at most" or "at least" lies from the known-good answer's count."""
    character_window: tuple[int, int]
    character_slack: tuple[int, int]
    sentences: tuple[int, int]
    """Sentences of an answer."""
    include: tuple[int, int]
    """Number of words to include."""
    include_far: float
    """Share of words to include that belong to another topic; as many are invented."""
    exclude: tuple[int, int]
    """Number of words to leave out."""
    exclude_common: float
    """Share of exclusions that name a word nearly every text contains, such as "the"."""
    json_keys: tuple[int, int]
    against_topic: tuple[int, int]
    """Number of another topic's words that must stand in a text that keeps to its topic."""
    against_mood: tuple[int, int]
    """Number of words of the other mood that must stand in a text that has a mood."""
    against_style: tuple[int, int]
    """Number of words of the other register that must stand in a text that has a register."""
    conflict: tuple[float, float, float]
    """Share of topics, moods and registers that stand against such words."""
    turned: float
    """Share of moods and registers, asked for alone, in which a text of the opposite one is to be retold."""
    insults: tuple[int, int]
    """Insults in a text that is to be retold without them."""
    insults_apart: float
    """Share of those insults that never stand in training where insults are forbidden."""


TRAIN: Final = Hardness(
    exact=0.3,
    word_window=(2, 6),
    word_slack=(0, 4),
    character_window=(10, 40),
    character_slack=(0, 20),
    sentences=(1, 5),
    include=(1, 5),
    include_far=0.4,
    exclude=(1, 5),
    exclude_common=0.3,
    json_keys=(0, 5),
    against_topic=(1, 3),
    against_mood=(1, 2),
    against_style=(1, 2),
    conflict=(0.35, 0.35, 0.35),
    turned=0.0,
    insults=(1, 4),
    insults_apart=0.0,
)

TEST: Final = Hardness(
    exact=0.06,
    word_window=(8, 16),
    word_slack=(3, 12),
    character_window=(30, 80),
    character_slack=(15, 60),
    sentences=(1, 4),
    include=(1, 2),
    include_far=0.25,
    exclude=(1, 2),
    exclude_common=0.05,
    json_keys=(1, 5),
    against_topic=(2, 3),
    against_mood=(1, 2),
    against_style=(1, 2),
    conflict=(0.45, 0.3, 0.3),
    turned=0.5,
    insults=(1, 4),
    insults_apart=0.5,
)
