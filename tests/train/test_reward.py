"""The reward: what it pays for, what it never pays for, and what it refuses to judge."""

from __future__ import annotations

import json

import pytest

import adhere
from adhere.constraints import Constraint, Exclude, Include, Json, Words
from adhere.constraints.constraint import Check, Monitor
from adhere.core.errors import UserError
from adhere.train.reward import BrokenCheckError, Reward


def test_met_pays_one_and_not_met_pays_nothing_for_texts_and_conversations() -> None:
    reward = adhere.reward("contains.terms", terms=["sea"])
    assert reward("By the sea.") == 1.0
    assert reward(["By the sea.", "By the lake."], prompts=["a", "b"], completion_ids=[[1], [2]]) == [1.0, 0.0]
    assert reward([[{"role": "assistant", "content": "The sea."}], [{"role": "user", "content": "sea"}]]) == [1.0, 0.0]


def test_the_share_pays_in_proportion() -> None:
    reward = Reward((Include(terms=("sea",)), Words(at_most=1)), "share")
    assert reward(["The sea.", "sea"]) == [0.5, 1.0]


@pytest.mark.parametrize(
    "text", ["", " \n", "***", "---\n***", "{}", "```json\n{}\n```", "…!?", "<think>the sea", "<think>sea</think>  "]
)
def test_an_empty_or_vacuous_answer_is_never_paid(text: str) -> None:
    reward = Reward((Words(at_most=50), Exclude(terms=("lake",))))
    assert reward(text) == 0.0
    assert reward.score(text).guard in ("empty", "vacuous")


def test_an_empty_json_object_does_not_earn_the_reward_for_json() -> None:
    reward = Reward((Json(),))
    assert reward(["{}", '{"answer": 4}']) == [0.0, 1.0]


def test_an_answer_that_goes_in_circles_is_never_paid() -> None:
    assert Reward((Exclude(terms=("lake",)),)).score("the sea is wide and blue. " * 40).guard == "loop"


def test_reasoning_neither_earns_nor_loses_the_reward() -> None:
    reward = Reward((Exclude(terms=("lake",)), Include(terms=("sea",))))
    assert reward(["<think>not the lake</think>The sea.", "<think>the sea</think>Here."]) == [1.0, 0.0]


class Broken(Constraint):
    kind = "test.broken"

    def describe(self) -> str:
        return "Break."

    def monitor(self) -> Monitor:
        raise AssertionError

    def check(self, text: str) -> Check:
        raise ZeroDivisionError(text)

    @classmethod
    def examples(cls) -> tuple[Broken, ...]:
        return (cls(),)


def test_a_check_that_broke_raises_and_neither_pays_nor_punishes() -> None:
    with pytest.raises(BrokenCheckError, match=r"test\.broken"):
        Reward((Words(at_most=9), Broken()))(["text"])


def test_constraints_are_read_from_the_data_column_as_trainers_pass_it() -> None:
    reward = adhere.reward()
    column = [json.dumps([Include(terms=("sea",)).to_json()]), [Words(at_most=1).to_json()]]
    assert reward(["The sea.", "two words"], constraints=column) == [1.0, 0.0]


@pytest.mark.parametrize("column", ["one string", [1, 2], ["not json", "x"], ["[]", "[]"], ["{}"]])
def test_a_malformed_data_column_is_an_error_and_not_a_reward(column: object) -> None:
    with pytest.raises(UserError):
        adhere.reward()(["a", "b"], constraints=column)


def test_without_any_constraint_there_is_no_reward() -> None:
    with pytest.raises(UserError, match="needs constraints"):
        adhere.reward()(["a"])


def test_what_is_no_completion_is_refused() -> None:
    with pytest.raises(TypeError):
        adhere.reward("Use at most 3 words.")([None])


def test_trainers_find_a_name() -> None:
    assert adhere.reward("contains.terms", terms=["sea"]).__name__ == "adhere[contains.terms]"
