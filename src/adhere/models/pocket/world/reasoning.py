"""Questions with a checkable answer as dialogues: alone, or with constraints (`constrained.py`)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from adhere.constraints.constraint import Constraint
from adhere.models.pocket.world import arithmetic, code, multihop, wordings
from adhere.models.pocket.world.constrained import constrained
from adhere.models.pocket.world.item import Dialogue, Message, Meta, Question, Side, pick, weighted

QUESTIONS: Final[dict[str, Callable[[random.Random, Side, float], Question]]] = {
    "math": arithmetic.question,
    "multihop": multihop.question,
    "code": code.question,
}

CONSTRAINED_DOMAINS: Final = (("math", 0.36), ("multihop", 0.32), ("code", 0.32))


def dialogue(
    rng: random.Random, side: Side, progress: float, family: str, *, with_constraints: bool = False
) -> Dialogue:
    """A problem of that domain and side as a dialogue, alone or with one to six constraints."""
    while True:
        question = QUESTIONS[family](rng, side, progress)
        if not with_constraints:
            return _put(rng, family, question, question.response, [])
        answer, constraints = constrained(rng, question)
        if constraints:
            return _put(rng, family, question, answer, constraints)


def constrained_dialogue(rng: random.Random, side: Side, progress: float) -> Dialogue:
    """A problem of any domain with constraints."""
    return dialogue(rng, side, progress, weighted(rng, CONSTRAINED_DOMAINS), with_constraints=True)


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
