"""The arms are those asked for, and their prompts hold the problem and the constraints letter for letter."""

from __future__ import annotations

import pytest

from adhere.core.errors import UserError
from adhere.measure.sustain.arms import BASE, CONTROL, LADDER, NAMES, Condition, parse_arms, parse_ks, plan, put


def test_all_arms_stand_in_the_plan_once_and_base_comes_first() -> None:
    made = plan(NAMES, LADDER)
    assert made[:2] == (BASE, CONTROL)
    assert len({condition.label for condition in made}) == len(made)
    assert [c.k for c in made if c.arm == "constraint" and c.position == "after"] == [1, 2, 4, 8, 16]
    assert {c.position for c in made if c.arm == "constraint"} == {"after", "before", "system"}
    assert [c.factor for c in made if c.arm == "attend"] == [0.0, 0.5, 2.0]
    assert {c.k for c in made if c.arm == "placebo"} == {1, 16}


def test_the_placebo_stands_before_the_problem_too_where_constraints_do() -> None:
    assert Condition("placebo", 1, "before") in plan(("placebo", "position"), (1, 4))
    assert not [c for c in plan(("position",), (1, 4)) if c.arm == "placebo"]


def test_a_ladder_of_one_has_one_placebo() -> None:
    assert [c for c in plan(("placebo",), (4,)) if c.arm == "placebo"] == [Condition("placebo", 4)]


@pytest.mark.parametrize("text", ["", "0", "1,-2", "one", "1.5"])
def test_numbers_of_constraints_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="--constraints takes"):
        parse_ks(text)


def test_the_ladder_rises_whatever_the_order_given() -> None:
    assert parse_ks("4,1,4") == (1, 4)


def test_attention_arms_are_refused_where_attention_cannot_be_scaled() -> None:
    with pytest.raises(UserError, match="open weights"):
        parse_arms("attend", attends=False)
    assert "attend" not in parse_arms("all", attends=False)
    assert "attend" not in parse_arms("all", attends=None)
    assert "attend" in parse_arms("all", attends=True)


def test_control_is_always_asked() -> None:
    assert parse_arms("constraint", attends=False) == ("base", "control", "constraint")
    with pytest.raises(UserError, match="'shift'"):
        parse_arms("shift", attends=False)


def test_every_condition_of_every_problem_draws_with_a_seed_of_its_own() -> None:
    seeds = {
        condition.seed(seed, problem, epoch)
        for condition in plan(NAMES)
        for seed in (0, 1)
        for problem in ("a", "b")
        for epoch in (1, 2)
    }
    assert len(seeds) == len(plan(NAMES)) * 8
    assert BASE.seed(0, "a") == BASE.seed(0, "a")


def test_a_prompt_holds_the_problem_and_the_constraints_as_they_are() -> None:
    said = ["Use no commas.", "Use at most 9 words."]
    for position in ("after", "before", "system"):
        system, prompt = put("How many?", said, position)
        whole = "\n".join((system, prompt))
        assert "Use no commas. Use at most 9 words." in whole
        assert "How many?" in prompt
    assert put("How many?", said, "system") == ("Use no commas. Use at most 9 words.", "How many?")
    assert put("def f(x):\n    pass\n", said)[1] == "def f(x):\n    pass\n\nUse no commas. Use at most 9 words."
    assert put("How many?", []) == ("", "How many?")
