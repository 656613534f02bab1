"""The criteria of a pocket model, tried on planted models whose truth is known."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

pytest.importorskip("torch")

from adhere.constraints.constraint import Constraint
from adhere.constraints.families.length import Words
from adhere.models.pocket.training import acceptance
from adhere.models.pocket.training.evaluate import Answer
from adhere.models.pocket.world.item import Message
from adhere.models.pocket.world.reasoning import QUESTIONS
from adhere.problems.problem import Problem

IDLE = "Leaves fall."


def idle(length: int, rng: random.Random) -> list[str]:
    del rng
    return [IDLE] * max(1, length // len(IDLE))


def choose(problem: Problem, solution: str, most: int, seed: int) -> Sequence[Constraint]:
    del problem, solution, seed
    return [Words(at_least=1)] * min(most, 4)


class Planted:
    """A model that knows every answer, and fails where `fails` says so of (system, prompt)."""

    def __init__(self, fails: object = None, each: int = 20, seed: int = 3) -> None:
        self.fails = fails
        rng = random.Random(f"accept {seed}")
        self.known = {
            question.prompt: question.response
            for draw in QUESTIONS.values()
            for question in (draw(rng, "test", 1.0) for _ in range(each))
        }

    def __call__(self, prompts: Sequence[Sequence[Message]]) -> list[Answer]:
        return [self._answer(prompt) for prompt in prompts]

    def _answer(self, prompt: Sequence[Message]) -> Answer:
        text = " ".join(message.content for message in prompt)
        right = next(response for asked, response in self.known.items() if asked in text)
        fails = callable(self.fails) and self.fails(text)
        return Answer("I do not know." if fails else right, 1, True)


def met(criteria: Sequence[acceptance.Criterion]) -> set[bool]:
    assert criteria
    return {criterion.met for criterion in criteria}


def test_a_model_that_passes_over_idle_sentences_meets_the_placebo_criteria() -> None:
    ask = Planted()
    asked = acceptance.plain(ask, 20, 3)
    assert all(one.solved for one in asked)
    assert met(acceptance.placebos(ask, asked, idle, choose, 3)) == {True}
    assert met(acceptance.single_sentences(ask, asked, [IDLE], 3)) == {True}


def test_a_model_that_answers_the_last_sentence_fails_them_where_the_sentence_is_last_and_nowhere_else() -> None:
    ask = Planted(lambda text: text.endswith(IDLE))
    asked = acceptance.plain(ask, 20, 3)
    criteria = acceptance.placebos(ask, asked, idle, choose, 3)
    assert {", after" in criterion.name for criterion in criteria if not criterion.met} == {True}
    assert all(criterion.met for criterion in criteria if ", after" not in criterion.name)
    assert met(acceptance.single_sentences(ask, asked, [IDLE], 3)) == {False}


def test_interference_has_to_be_neither_none_nor_all() -> None:
    for fails, wanted in (
        (None, False),
        (lambda text: "words" in text, False),
        (lambda t: len(t) % 2 == 0 and "word" in t, True),
    ):
        ask = Planted(fails)
        asked = acceptance.plain(Planted(), 20, 3)
        assert met(acceptance.interference(ask, asked, choose, 3)) == {wanted}


def test_a_criterion_without_prompts_is_not_met() -> None:
    assert not acceptance.Criterion("x", 0.95, (0.0, 1.0), 0, (0.9, 1.0)).met


def test_the_interval_of_a_paired_difference_is_agresti_and_min_s() -> None:
    pairs = [(True, True)] * 80 + [(True, False)] * 9 + [(False, True)] * 3 + [(False, False)] * 8
    estimate, (low, high) = acceptance.paired_difference(pairs)
    assert estimate == pytest.approx(-0.06)
    # by hand: cells 9.5 and 3.5 of 102; difference -6/102; half 1.96 * sqrt(13 - 36/102) / 102
    assert (low, high) == (pytest.approx(-0.1272, abs=1e-3), pytest.approx(0.0095, abs=1e-3))
    assert acceptance.paired_difference([]) == (0.0, (-1.0, 1.0))
