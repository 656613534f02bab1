"""Questions with a checkable answer as dialogues: alone, or with constraints (`constrained.py`)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

from adhere.constraints.constraint import Constraint
from adhere.models.pocket.world import arithmetic, code, multihop, wordings
from adhere.models.pocket.world.constrained import constrained
from adhere.models.pocket.world.item import Dialogue, Message, Meta, Question, Side, pick, weighted
from adhere.models.pocket.world.kinds import DRAWN

QUESTIONS: Final[dict[str, Callable[[random.Random, Side, float], Question]]] = {
    "math": arithmetic.question,
    "multihop": multihop.question,
    "code": code.question,
}

CONSTRAINED_DOMAINS: Final = (("math", 0.36), ("multihop", 0.32), ("code", 0.32))


def dialogue(rng: random.Random, side: Side, progress: float, family: str) -> Dialogue:
    """A problem of that domain and side as a dialogue, without constraints."""
    question = QUESTIONS[family](rng, side, progress)
    return _put(rng, family, question, question.response, [])


def constrained_dialogue(
    rng: random.Random, side: Side, progress: float, practised: Sequence[str] = DRAWN.practised
) -> Dialogue:
    """A problem of any domain with one to six constraints of practised kinds."""
    family = weighted(rng, CONSTRAINED_DOMAINS)
    while True:
        question = QUESTIONS[family](rng, side, progress)
        answer, constraints = constrained(rng, question, practised)
        if constraints:
            return _put(rng, family, question, answer, constraints)


def _put(rng: random.Random, family: str, question: Question, answer: str, constraints: list[Constraint]) -> Dialogue:
    instructions = [wordings.instruction(rng, constraint) for constraint in constraints]
    user, system = [question.prompt], []
    place = rng.random()
    if place < 0.5:
        user += instructions
    elif place < 0.75:
        user = [*instructions, *user]
    else:
        system += instructions
    if not system and rng.random() < 0.4:
        system.append(pick(rng, wordings.HELPFUL))
    prompt = " ".join(user)
    messages = [Message("user", prompt), Message("assistant", answer)]
    if system:
        messages.insert(0, Message("system", " ".join(system)))
    meta: Meta = {"task": family, "size": question.size, "constraints": len(constraints)}
    if family == "multihop":
        meta["hops"] = question.size
    return Dialogue(family, tuple(messages), tuple(constraints), question.problem(prompt), question.key, meta)
