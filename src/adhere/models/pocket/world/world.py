"""The pocket world: an endless, seeded stream of dialogues in controlled English, each with a known-good answer.

- `dialogues(seed, side)` gives dialogues of all families by weight; `plain_text(seed, side)` gives text alone, which
  the base checkpoint reads.
- The same arguments give the same stream, on every machine.
- A dialogue's `key` is its content (entities, numbers, what is asked) without its wording, and its hash decides the
  side: what stands in "test" never stood in "train" in any wording.
- Every answer meets all the constraints of its dialogue by their own checks, and its problem's grade.
- `progress` is the curriculum, from 0 (short chains of reasoning, few facts, few constraints) to 1 (all there is).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Final

from adhere.core.errors import UserError
from adhere.models.pocket.world import (
    arithmetic,
    code,
    copying,
    describe,
    dialogue,
    drill,
    lengthened,
    multihop,
    reasoning,
    standing,
)
from adhere.models.pocket.world.item import Dialogue, Message, Side, pick, weighted
from adhere.models.pocket.world.kinds import DRAWN, Split

__all__ = ["FAMILIES", "FAMILY_WEIGHTS", "Dialogue", "Message", "Side", "dialogues", "plain_text"]

FAMILY_WEIGHTS: Final[Mapping[str, float]] = {
    "describe": 0.19,
    "math": 0.05,
    "multihop": 0.04,
    "code": 0.04,
    "dialogue": 0.04,
    "copy": 0.02,
    "drill": 0.09,
    "constrained": 0.15,
    "standing": 0.08,
    "idle": 0.15,
    "padded": 0.10,
    "reworded": 0.05,
}
"""Share of the dialogues by family, at the end of the curriculum."""

EARLY_WEIGHTS: Final[Mapping[str, float]] = {
    "describe": 0.10,
    "math": 0.08,
    "multihop": 0.24,
    "code": 0.05,
    "dialogue": 0.04,
    "copy": 0.21,
    "drill": 0.22,
    "constrained": 0.02,
    "standing": 0.01,
    "idle": 0.03,
    "padded": 0.0,
    "reworded": 0.0,
}
"""The same at its start: copying and look-ups first, since naming a required word rests on copying. A model that reads
mostly descriptions, whose words are drawn at random, learns to copy many times more slowly."""

LENGTHENED: Final = {"idle": lengthened.idle, "padded": lengthened.padded, "reworded": lengthened.reworded}
"""Families whose items are those of another family in a longer prompt."""

FAMILIES: Final = tuple(FAMILY_WEIGHTS)


def dialogues(
    seed: int,
    side: Side,
    families: Mapping[str, float] | None = None,
    progress: float = 1.0,
    split: Split = DRAWN,
) -> Iterator[Dialogue]:
    """An endless stream of dialogues.

    Args:
        seed: decides the stream, with the other arguments.
        side: "train" or "test".
        families: weight by family; the default is `FAMILY_WEIGHTS`.
        progress: in [0, 1], how far the curriculum has come.
        split: which kinds of constraint stand with problems.

    Raises:
        UserError: there is no such family.
    """
    weights = dict(FAMILY_WEIGHTS if families is None else families)
    if unknown := sorted(set(weights) - set(FAMILY_WEIGHTS)):
        raise UserError(f"the pocket world has no family {unknown[0]!r}; there are: {', '.join(FAMILY_WEIGHTS)}")
    if families is None:
        late = progress**2
        weights = {name: late * weights[name] + (1 - late) * EARLY_WEIGHTS[name] for name in weights}
    shares = tuple(weights.items())
    rng = random.Random(f"pocket {seed} {side}")
    while True:
        yield draw(rng, side, progress, weighted(rng, shares), split)


def draw(rng: random.Random, side: Side, progress: float, family: str, split: Split = DRAWN) -> Dialogue:
    """One dialogue of that family and side."""
    if family in LENGTHENED:
        return LENGTHENED[family](rng, side, lambda inside: draw(rng, side, progress, inside, split))
    if family == "describe":
        return describe.dialogue(rng, side, progress)
    if family == "dialogue":
        return dialogue.dialogue(rng, side, progress)
    if family == "standing":
        return standing.dialogue(rng, side, progress, split.practised)
    if family == "copy":
        return copying.dialogue(rng, side)
    if family == "drill":
        return drill.dialogue(rng, side)
    if family == "constrained":
        return reasoning.constrained_dialogue(rng, side, progress, split.practised)
    return reasoning.dialogue(rng, side, progress, family)


def plain_text(seed: int, side: Side) -> Iterator[str]:
    """An endless stream of texts without roles: descriptions, facts with worked look-ups, sums,
    functions, words said again."""
    rng = random.Random(f"pocket text {seed} {side}")
    described = describe.lines(rng)
    while True:
        kind = pick(rng, ("describe", "describe", "facts", "facts", "sums", "code", "again"))
        if kind == "describe":
            yield next(described)
        elif kind == "facts":
            yield multihop.lines(rng, side)
        elif kind == "sums":
            yield arithmetic.line(rng, side)
        elif kind == "again":
            words = copying.words(rng)
            yield f"{words}. {words}. {words}."
        else:
            yield code.lines(rng, side)
