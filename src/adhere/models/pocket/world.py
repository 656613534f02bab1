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

from adhere.errors import UserError
from adhere.models.pocket import arithmetic, code, copying, describe, dialogue, drill, multihop, reasoning
from adhere.models.pocket.item import Dialogue, Message, Side, pick, weighted

__all__ = ["FAMILIES", "FAMILY_WEIGHTS", "Dialogue", "Message", "Side", "dialogues", "plain_text"]

FAMILY_WEIGHTS: Final[Mapping[str, float]] = {
    "describe": 0.40,
    "math": 0.12,
    "multihop": 0.10,
    "code": 0.07,
    "dialogue": 0.07,
    "copy": 0.03,
    "drill": 0.21,
}
"""Share of the dialogues by family, at the end of the curriculum."""

EARLY_WEIGHTS: Final[Mapping[str, float]] = {
    "describe": 0.10,
    "math": 0.08,
    "multihop": 0.29,
    "code": 0.05,
    "dialogue": 0.05,
    "copy": 0.28,
    "drill": 0.15,
}
"""The same at its start: copying and look-ups first. Whatever names a word to be used rests on copying, and a model
that reads mostly descriptions, whose words are drawn at random, takes many times as long to find out how to."""

FAMILIES: Final = tuple(FAMILY_WEIGHTS)


def dialogues(
    seed: int, side: Side, families: Mapping[str, float] | None = None, progress: float = 1.0
) -> Iterator[Dialogue]:
    """An endless stream of dialogues.

    Args:
        seed: decides the stream, with the other arguments.
        side: "train" or "test".
        families: weight by family; the default is `FAMILY_WEIGHTS`.
        progress: in [0, 1], how far the curriculum has come.

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
        family = weighted(rng, shares)
        if family == "describe":
            yield describe.dialogue(rng, side, progress)
        elif family == "dialogue":
            yield dialogue.dialogue(rng, side, progress)
        elif family == "copy":
            yield copying.dialogue(rng, side)
        elif family == "drill":
            yield drill.dialogue(rng, side)
        else:
            yield reasoning.dialogue(rng, side, progress, family)


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
