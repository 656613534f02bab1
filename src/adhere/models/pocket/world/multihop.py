"""Questions over shuffled facts, answered by copying one fact a hop.

The content is the chain of facts that leads to the answer; distractors, order and wording do not change it. Every
hop is one look-up: the fact is copied literally, so the next begins with what the last one ended in.
"""

from __future__ import annotations

import random
from typing import Any

from adhere.models.pocket.world.item import Question, Side, pick, side_of, weighted
from adhere.models.pocket.world.vocabulary import CITIES, LANDS, NAMES

PERSONAL = ("likes", "helps", "teaches", "calls")
VISITS, BELONGS = "visits", "is in"

Fact = tuple[str, str, str]
"""Subject, relation, object."""

_CHAINS = {
    1: (("P",), ("P",), ("V",), ("B",)),
    2: (("P", "V"), ("P", "V"), ("P", "P"), ("V", "B")),
    3: (("P", "V", "B"), ("P", "V", "B"), ("P", "P", "V"), ("P", "P", "P")),
}
"""Kinds of relation along a chain: person to person, person to city, city to land."""


def sentence_of(fact: Fact) -> str:
    """The fact as a sentence."""
    return f"{fact[0]} {fact[1]} {fact[2]}."


def _hops(progress: float) -> tuple[tuple[int, float], ...]:
    if progress < 0.25:
        return ((1, 0.8), (2, 0.2))
    if progress < 0.6:
        return ((1, 0.35), (2, 0.5), (3, 0.15))
    return ((1, 0.12), (2, 0.5), (3, 0.38))


def _number(rng: random.Random, progress: float) -> int:
    """Number of facts in the prompt."""
    if progress < 0.25:
        return 3 + int(rng.random() * 4)
    if progress < 0.6:
        return 4 + int(rng.random() * 6)
    return 6 + int(rng.random() * 5)


def chain(rng: random.Random, hops: int) -> list[Fact]:
    """A random chain of `hops` facts."""
    people = rng.sample(NAMES, 4)
    facts: list[Fact] = []
    at, used = people[0], 1
    for kind in pick(rng, _CHAINS[hops]):
        if kind == "P":
            fact = (at, pick(rng, PERSONAL), people[used])
            used += 1
        elif kind == "V":
            fact = (at, VISITS, pick(rng, CITIES))
        else:
            if at in NAMES or at not in CITIES:
                at = pick(rng, CITIES)
            fact = (at, BELONGS, pick(rng, LANDS))
        facts.append(fact)
        at = fact[2]
    return facts


def surround(rng: random.Random, facts: list[Fact], number: int, near: float = 0.25) -> list[Fact]:
    """The facts of a chain among distractors, `number` in all: no two with one subject and one relation. A share
    `near` of the distractors begins with a person of the chain."""
    taken = {(subject, relation) for subject, relation, _ in facts}
    shown = list(facts)
    kinds = [relation for _, relation, _ in facts]
    named = [*{end for fact in facts for end in (fact[0], fact[2]) if end in NAMES}]
    named.sort()
    while len(shown) < number:
        relation = pick(rng, kinds) if rng.random() < 0.7 else pick(rng, (*PERSONAL, VISITS, BELONGS))
        if relation == BELONGS:
            fact = (pick(rng, CITIES), BELONGS, pick(rng, LANDS))
        else:
            subject = pick(rng, named) if named and rng.random() < near else pick(rng, NAMES)
            target = pick(rng, CITIES) if relation == VISITS else pick(rng, NAMES)
            if relation != VISITS and target == subject:
                continue
            fact = (subject, relation, target)
        if (fact[0], fact[1]) not in taken:
            taken.add((fact[0], fact[1]))
            shown.append(fact)
    rng.shuffle(shown)
    return shown


def _kind(fact: Fact) -> str:
    return "city" if fact[1] == VISITS else "land" if fact[1] == BELONGS else "person"


def _nested(facts: list[Fact]) -> str:
    phrase = facts[0][0]
    for _, relation, _ in facts:
        if relation == VISITS:
            phrase = f"the city that {phrase} visits"
        elif relation == BELONGS:
            phrase = f"the land of {phrase}"
        else:
            phrase = f"the person that {phrase} {relation}"
    return phrase


def _as_statements(facts: list[Fact]) -> str:
    parts = []
    subject = facts[0][0]
    for fact in facts:
        kind = _kind(fact)
        parts.append(f"{subject} {fact[1]} a {kind}.")
        subject = f"That {kind}"
    return " ".join(parts)


def ask(rng: random.Random, facts: list[Fact]) -> str:
    """The question that the chain answers."""
    at = rng.random()
    kind = _kind(facts[-1])
    if at < 0.4:
        return f"{_as_statements(facts)} {pick(rng, (f'Which {kind} is it?', f'Name that {kind}.'))}"
    phrase = _nested(facts)
    if at < 0.7:
        return f"Which {kind} is {phrase}?"
    return pick(rng, (f"Name {phrase}.", f"Find {phrase}.", f"Tell me {phrase}."))


def question(rng: random.Random, side: Side, progress: float) -> Question:
    """A question that belongs to `side`."""
    while True:
        hops = weighted(rng, _hops(progress))
        facts = chain(rng, hops)
        key = "multihop " + " ".join(map(sentence_of, facts))
        if side_of(key) == side:
            break
    shown = surround(rng, facts, max(_number(rng, progress), hops + 1), near=0.25 * progress)
    listed = "Facts: " + " ".join(map(sentence_of, shown))
    asked = ask(rng, facts)
    prompt = f"{asked} {listed}" if rng.random() < 0.15 else f"{listed} {asked}"
    # "So" first: a name after a space is one token wherever it stands, and every look-up finds it as it was listed.
    steps = ("So " + sentence_of(facts[0]), *map(sentence_of, facts[1:]))
    return Question(
        key=key,
        prompt=prompt,
        steps=steps,
        answer=facts[-1][2],
        final=f"The answer is {facts[-1][2]}.",
        joint=" ",
        problem=_Make(facts, key),
        size=hops,
    )


class _Make:
    """Makes the problem of a prompt."""

    def __init__(self, facts: list[Fact], key: str) -> None:
        self._facts, self._key = facts, key

    def __call__(self, prompt: str) -> Any:
        from adhere.models.pocket.world.grading import multihop_problem

        return multihop_problem(prompt, [(sentence_of(fact), fact[2]) for fact in self._facts], self._key)


def lines(rng: random.Random, side: Side) -> str:
    """Facts and a worked look-up as plain text, for the base checkpoint."""
    while True:
        facts = chain(rng, 1 + int(rng.random() * 2))
        if side_of("multihop " + " ".join(map(sentence_of, facts))) == side:
            break
    shown = surround(rng, facts, 3 + int(rng.random() * 4))
    worked = " ".join(map(sentence_of, facts))
    return f"{' '.join(map(sentence_of, shown))} {_as_statements(facts)} So {worked} The answer is {facts[-1][2]}."
