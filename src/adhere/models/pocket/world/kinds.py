"""Which kinds of constraint stand with problems in training, and which never do: the clean contrast.

Rules:

- The pool holds the kinds that a solution of the pocket world can meet. All of them stand in descriptions, so every
  kind is known; what differs is whether it was practised together with a problem.
- The pool is divided into strata of like difficulty. Within each stratum one kind of three is held out from problems,
  drawn at random with a fixed seed. So practised and held-out kinds differ in practice and, in expectation, in nothing
  else.
- A kind outside the pool never stands in training at all.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

STRATA: Final[dict[str, tuple[str, ...]]] = {
    "count of units": ("length.words", "length.characters", "length.sentences"),
    "presence of words or marks": ("contains.terms", "excludes.terms", "excludes.mark"),
    "variety of the text": ("numbers.count", "vocabulary.repeats", "vocabulary.different"),
    "form of the whole text": ("length.lines", "length.paragraphs", "case.letters"),
}
"""Kinds by what has to be known of the answer to meet them."""

POOL: Final = tuple(kind for kinds in STRATA.values() for kind in kinds)

SPLIT_SEED: Final = "adhere pocket: held out from problems"


def held_out(seed: str = SPLIT_SEED) -> tuple[str, ...]:
    """One kind of each stratum, drawn at random."""
    rng = random.Random(seed)
    return tuple(rng.choice(kinds) for kinds in STRATA.values())


@dataclass(frozen=True)
class Split:
    """How the training of a model divided the kinds of constraint.

    Attributes:
        practised: stood with problems.
        apart: stood in descriptions, never with problems.
    """

    practised: tuple[str, ...]
    apart: tuple[str, ...]


@cache
def drawn(number: int = 0) -> Split:
    """The split of that number: one kind of each stratum is apart, drawn at random."""
    apart = held_out(f"{SPLIT_SEED} {number}" if number else SPLIT_SEED)
    return Split(tuple(kind for kind in POOL if kind not in apart), apart)


DRAWN: Final = drawn()
"""The split of this recipe, unless another number is given."""

FIRST: Final = Split(
    ("length.words", "contains.terms", "length.sentences"),
    (
        "length.characters",
        "excludes.terms",
        "format.json",
        "semantic.topic",
        "semantic.sentiment",
        "style.register",
        "style.toxicity",
    ),
)
"""That of the first pocket model, chosen by hand: its kinds differ in more than practice."""


def split_of(folder: Path) -> Split:
    """The split of the model in `folder`, as its `training.json` records it; the first model's where it does not."""
    try:
        about = json.loads((folder / "training.json").read_text(encoding="utf-8"))
        kinds = about["kinds"]
        return Split(tuple(kinds["practised"]), tuple(kinds["held_out"]))
    except (OSError, ValueError, KeyError, TypeError):
        return FIRST
