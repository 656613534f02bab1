"""Drills: many look-ups in one list of facts, many sums in one answer.

A word problem or a chain of hops has two or three hard tokens in seventy. A drill holds several times as many look-ups
and sums in as many tokens, in the form of the worked steps of math and multi-hop answers. The content is what is asked;
no drill asks for what a one-step question of the other side asks.
"""

from __future__ import annotations

import random
from typing import Final

from adhere.models.pocket.world.arithmetic import APPLY, operation
from adhere.models.pocket.world.item import Dialogue, Message, Side, pick, side_of
from adhere.models.pocket.world.multihop import chain, sentence_of, surround

LOOK_UPS: Final = 0.35
"""Share of look-ups among the drills; the others are sums."""

_ORDER: Final = ("Tell me in this order:", "Name them in this order:", "Go on with each:")
_SUMS: Final = ("Work out", "Tell me", "Find")


def dialogue(rng: random.Random, side: Side) -> Dialogue:
    """A drill that belongs to `side`."""
    task = "look-ups" if rng.random() < LOOK_UPS else "sums"
    while True:
        prompt, answer = _look_ups(rng, side) if task == "look-ups" else _sums(rng, side)
        key = f"drill {answer}"
        if answer and side_of(key) == side:
            break
    messages = (Message("user", prompt), Message("assistant", answer))
    return Dialogue("drill", messages, (), None, key, {"task": task, "accept": (answer,)})


def _look_ups(rng: random.Random, side: Side) -> tuple[str, str]:
    shown = surround(rng, chain(rng, 1), 5 + int(rng.random() * 5), near=0.15)
    subjects = [subject for subject, _, _ in shown]
    short = rng.random() < 0.5
    asked = [
        fact
        for fact in shown
        if side_of(f"multihop {sentence_of(fact)}") == side and not (short and subjects.count(fact[0]) > 1)
    ]
    rng.shuffle(asked)
    asked = asked[: 3 + int(rng.random() * 5)]
    if not asked:
        return "", ""
    named = ", ".join(fact[0] if short else f"{fact[0]} {fact[1]}" for fact in asked)
    prompt = f"Facts: {' '.join(map(sentence_of, shown))} {pick(rng, _ORDER)} {named}."
    return prompt, f"So {' '.join(map(sentence_of, asked))}"


def _sums(rng: random.Random, side: Side) -> tuple[str, str]:
    asked: list[str] = []
    solved: list[str] = []
    number = 3 + int(rng.random() * 5)
    while len(asked) < number:
        value = 2 + int(rng.random() * 98)
        (sign, operand), _ = operation(rng, value)
        if side_of(f"math {value} {sign}{operand}") == side:
            asked.append(f"{value} {sign} {operand}")
            solved.append(f"{value} {sign} {operand} = {APPLY[sign](value, operand)}.")
    return f"{pick(rng, _SUMS)} {', '.join(asked)}.", " ".join(solved)
