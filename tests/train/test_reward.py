"""The reward: what it pays for, what it never pays for, and what it refuses to judge."""

from __future__ import annotations

import json

import pytest

import adhere
from adhere.constraints import Constraint, Exclude, Include, Json, Words
from adhere.constraints.constraint import Check, Monitor
from adhere.core.errors import UserError
from adhere.train.problem_rows import problem_from_json, problem_to_json
from adhere.train.reward import BrokenCheckError, ProblemReward, Reward


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


def test_the_prompt_said_again_is_not_paid() -> None:
    prompt = "Write a short text about the sea and the wind in it. Mention the word sea."
    reward = Reward((Include(terms=("sea",)),))
    answers = [prompt, f"Sure. {prompt}", "The sea is blue and the wind is cold today, so we stay."]
    assert reward(answers, prompts=[[{"role": "user", "content": prompt}]] * 3) == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("text", ["The sea.<|im_end|> And more.", "The sea.\nUser: and then?", "The sea.</s>The lake"])
def test_text_after_the_end_is_not_paid(text: str) -> None:
    assert Reward((Include(terms=("sea",)),)).score(text).guard == "after_end"


def test_an_end_token_left_at_the_end_costs_nothing() -> None:
    assert Reward((Include(terms=("sea",)),))("The sea.<|im_end|>\n") == 1.0


def test_a_length_outside_the_band_is_not_paid() -> None:
    reward = Reward((Include(terms=("sea",)),), words=(2, 4))
    assert reward(["sea", "the wide sea", "the wide and very blue sea"]) == [0.0, 1.0, 0.0]


def test_a_near_miss_earns_less_than_meeting_and_more_than_a_far_one() -> None:
    reward = Reward((Words(at_most=4),), "distance")
    met, near, far, farthest = reward(["a b c d", "a b c d e", "a b c d e f", "a b c d e f g h i"])
    assert met == 1.0 > 0.5 >= near > far > farthest == 0.0


def test_weights_are_paid_in_proportion_and_must_fit() -> None:
    constraints = (Include(terms=("sea",)), Words(at_most=1))
    assert Reward(constraints, "weighted", weights=(3, 1))(["The sea."]) == [0.75]
    for weights in ((), (1.0,), (-1.0, 2.0), (0.0, 0.0)):
        with pytest.raises(UserError):
            Reward(constraints, "weighted", weights=weights)


def test_the_loose_reward_passes_what_ifeval_loosens() -> None:
    text = "Here it is:\nsea"
    assert [Reward((Words(at_most=1),), loose=loosely)(text) for loosely in (False, True)] == [0.0, 1.0]


def test_the_parts_of_every_reward_are_logged() -> None:
    metrics: dict[str, float] = {}
    columns: dict[str, list[str]] = {}
    Reward((Include(terms=("sea",)),))(
        ["The sea.", "***", "lake"],
        log_metric=metrics.__setitem__,
        log_extra=columns.__setitem__,
    )
    assert metrics["adhere/guard/vacuous"] == pytest.approx(1 / 3)
    assert metrics["adhere/met/contains.terms"] == pytest.approx(1 / 3)
    assert columns["adhere/reason"][1] == "nothing: vacuous"
    assert [reason.partition(":")[0] for reason in columns["adhere/reason"]] == ["met", "nothing", "missed"]


def test_the_problems_grade_is_a_reward_and_undecided_rows_are_left_out() -> None:
    math = json.dumps({"domain": "math", "prompt": "2 + 2?", "answer": "4"})
    code = {"domain": "code", "prompt": "f", "entry_point": "f", "tests": [[[2], 4]]}
    rewards = ProblemReward()(
        ["The answer is 4.", "The answer is 5.", "def f(x):\n    return x * 2", "no problem here"],
        problem=[math, math, code, None],
    )
    assert rewards == [1.0, 0.0, 1.0, None]


def test_a_program_that_may_have_cheated_is_paid_nothing_and_is_in_the_log() -> None:
    from adhere.problems.problem import Grade

    cheat = Grade(False, None, "tests pass in its own process, but it reads frames", "suspect", 0.0)
    right = Grade(True, "f", "all tests pass", "correct", 1.0)
    logged: dict[str, float] = {}
    problem = {"domain": "math", "prompt": "2 + 2?", "answer": "4"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adhere.train.reward.grade_all", lambda *_: [cheat, right])
        rewards = ProblemReward()(["a", "b"], problem=[problem, problem], log_metric=logged.__setitem__)
    assert rewards == [0.0, 1.0]
    assert logged == {"adhere/problem/suspect": 0.5, "adhere/problem/undecided": 0.0}


def test_a_problem_comes_back_from_its_row_with_the_same_grades() -> None:
    from itertools import islice

    from adhere.models.pocket.world.world import dialogues

    for dialogue in islice(dialogues(1, "test", {"math": 1.0, "multihop": 1.0, "code": 1.0}), 12):
        assert dialogue.problem is not None
        again = problem_from_json(json.loads(json.dumps(problem_to_json(dialogue.problem))))
        good = dialogue.messages[-1].content
        assert again.prompt == dialogue.problem.prompt
        assert (again.grade(good).correct, again.grade("I do not know.").correct) == (True, False)


def test_a_constraint_dumped_by_pydantic_keeps_its_kind() -> None:
    constraint = Words(at_most=3)
    assert json.loads(constraint.model_dump_json())["kind"] == "length.words"
    assert Words.model_validate_json(constraint.model_dump_json()) == constraint
    with pytest.raises(ValueError, match="kind"):
        Include.model_validate_json(constraint.model_dump_json())
