"""Affordance times likelihood: what cannot be done is never chosen, and scores are the model's own probabilities."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from adhere.measure.agents import likelihood
from adhere.measure.agents.likelihood import Choices, candidates, draw, feasible, findings_of, in_words, scores, simple
from adhere.measure.agents.worlds import household_tasks


@pytest.fixture(scope="module")
def pocket():
    from adhere.models.load import open_model

    return open_model("pocket", fast=True)


def test_every_step_of_a_simple_reference_plan_is_a_candidate_when_its_turn_comes():
    for task in simple("test", 5, 4):
        scene = household_tasks.world(task)
        for call in task.reference:
            assert in_words(call) in {in_words(one) for one in candidates(scene)}
            assert feasible(scene, call)
            scene.act(call)


def test_scores_are_mean_log_probabilities_whatever_they_are_scored_beside(pocket):
    before = "The sea is"
    together = scores(pocket, before, ["calm today", "wet", "x"])
    apart = [scores(pocket, before, [text])[0] for text in ("calm today", "wet", "x")]
    assert together == pytest.approx(apart, abs=1e-4)
    tokens = pocket.tokenizer(" calm today", add_special_tokens=False)["input_ids"]
    prefix = pocket.encode(before)
    with torch.inference_mode():
        logs = pocket.model(torch.tensor([[*prefix, *tokens]])).logits[0].float().log_softmax(-1)
    expected = sum(float(logs[len(prefix) - 1 + k, token]) for k, token in enumerate(tokens)) / len(tokens)
    assert together[0] == pytest.approx(expected, abs=1e-4)


def test_with_affordance_every_chosen_act_can_be_done_and_a_model_that_prefers_the_right_one_reaches_the_end(
    monkeypatch,
):
    (task,) = simple("test", 1, 3)
    right = [in_words(call) for call in task.reference]

    def prefers(opened, before, texts):
        del opened, before
        return [-float(right.index(text)) if text in right else -99.0 for text in texts]

    monkeypatch.setattr(likelihood, "scores", prefers)
    monkeypatch.setattr(likelihood, "prompt", lambda *_: "")
    times = draw(None, task, affordance=True)
    assert times.feasible == len(times.steps)
    assert times.reached

    def prefers_the_last(*arguments):
        return [float(k) for k in range(len(arguments[2]))]

    monkeypatch.setattr(likelihood, "scores", prefers_the_last)
    assert draw(None, task, affordance=True).steps == ()  # "done" is the likeliest


def test_the_paired_difference_is_of_the_same_tasks():
    alone = [Choices(str(k), ("a",), 0, False) for k in range(8)]
    times = [Choices(str(k), ("a",), 1, True) for k in range(8)]
    found = {(f.subject["way"], f.subject["measure"]): f for f in findings_of("m", alone, times)}
    assert found["likelihood", "reached"].estimate == 0
    assert found["affordance x likelihood", "feasible"].estimate == 1
    gap = found["affordance x likelihood", "reached less likelihood"]
    assert (gap.estimate, gap.n) == (1, 8)
    assert gap.interval[0] > 0
