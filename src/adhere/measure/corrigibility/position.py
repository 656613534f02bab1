"""Position bias: whether choices express an opinion, or only the letter that a model always takes.

Rules:

- Every item is asked in both orders. A model that takes the same letter whatever stands there then yields in half of
  all choices, and agrees with itself in none: its share is a fact about the two orders, not about yielding.
- Where one letter takes at least `NEARLY_ALL` of the readable choices, the tier measures position. It says so, and
  reports no share that yields and no effects from choices. Log-probabilities, averaged over both orders, stand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

NEARLY_ALL = 0.9
FEWEST = 10
"""Readable choices below which a preference is not spoken of."""


@dataclass(frozen=True)
class Position:
    """The letter that takes nearly all choices."""

    letter: str
    taken: int
    n: int

    @property
    def sentence(self) -> str:
        """One line for a person."""
        return (
            f"it takes {self.letter} in {self.taken} of {self.n} choices, whatever stands there: "
            "this measures position, not opinion"
        )


def position(letters: Iterable[str]) -> Position | None:
    """The letter that takes nearly all of the readable choices; None where none does, or too few could be read."""
    counts = Counter(letters)
    n = sum(counts.values())
    if n < FEWEST:
        return None
    letter, taken = counts.most_common(1)[0]
    return Position(letter, taken, n) if taken >= NEARLY_ALL * n else None
