"""Controls stand where the constraints stand, and are as long in the model's own tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adhere.constraints.families.terms import Exclude
from adhere.measure.sustain.arms import Condition, plan
from adhere.measure.sustain.outcome import ArmOutcome
from adhere.measure.sustain.problem_sets import gather
from adhere.measure.sustain.query import Length, Query, prepare
from adhere.measure.sustain.scores import scores
from adhere.measure.sustain.selfevident import Choice

from .made import asked, outcome

PIECES = Length("tokens", lambda text: sum(1 if len(word) < 4 else len(word) // 2 for word in text.split()))
CHOICE = Choice((Exclude(terms=("zebra",)),), {}, {})


def _made(arm: str, position: str = "after") -> Query:
    [material] = gather("math", "pocket", 1, 0)
    condition = replace(Condition("placebo", 1), arm=arm, position=position)
    made = prepare(material.problems[0], condition, CHOICE, length=PIECES)
    assert isinstance(made, Query)
    return made


@pytest.mark.parametrize("position", ["after", "before", "system"])
def test_a_placebo_adds_as_many_tokens_as_the_constraint_at_the_same_place(position: str) -> None:
    idle, asks = _made("placebo", position), _made("constraint", position)
    assert idle.unit == "tokens"
    assert abs(idle.added - asks.added) <= 1
    assert bool(idle.system) == bool(asks.system) == (position == "system")
    assert not idle.constraints


def test_what_was_added_survives_the_log() -> None:
    one = replace(outcome("a", "placebo", True, k=1), added=9, unit="tokens")
    again = ArmOutcome.from_json(one.to_json())
    assert (again.added, again.unit) == (9, "tokens")
    old = one.to_json()
    del old["added"], old["unit"]
    assert ArmOutcome.from_json(old).added == 0


def test_placebo_and_constraint_are_asked_at_the_same_places() -> None:
    places = {
        arm: {c.position for c in plan(("placebo", "constraint", "position"), (1, 4)) if c.arm == arm}
        for arm in ("placebo", "constraint")
    }
    assert places["placebo"] == places["constraint"] == {"after", "before", "system"}


def test_a_constraint_in_the_system_prompt_is_not_held_against_a_placebo_elsewhere() -> None:
    outcomes = []
    for number in range(20):
        name = str(number)
        outcomes += asked(name, True, False)
        outcomes.append(outcome(name, "constraint", False, k=1, position="system"))
        outcomes.append(outcome(name, "placebo", True, k=1))
    [found] = scores(outcomes).of("constraint", k=1, position="system")
    assert found.beyond.n == 0
