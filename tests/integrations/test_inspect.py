"""Inspect runs our scorer and solver over somebody else's dataset."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("inspect_ai", reason="Inspect is not installed")

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model

import adhere
from adhere.integrations.inspect import constraint_solver

SAMPLES = [
    Sample(input="Where?", metadata={"constraints": 'Do not use the word "sea".'}),
    Sample(
        input="What?", metadata={"constraints": [{"kind": "length.words", "at_most": 2}, "Use only lowercase letters."]}
    ),
]


def _run(tmp_path: Path, answers: list[str], task: Task):
    outputs = [ModelOutput.from_content("mockllm/model", text) for text in answers]
    for output in outputs:  # counting tokens would fetch a vocabulary
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    model = get_model("mockllm/model", custom_outputs=outputs)
    [log] = eval(
        task, model=model, log_dir=str(tmp_path), display="none", log_level="error", max_samples=1, fail_on_error=False
    )
    return log


def test_constraints_in_the_metadata_of_any_dataset_are_scored(tmp_path: Path) -> None:
    log = _run(tmp_path, ["By the sea.", "a lake"], Task(dataset=SAMPLES, scorer=adhere.as_inspect_scorer()))
    assert log.status == "success"
    metrics = {score.name: score.metrics["mean"].value for score in log.results.scores}
    assert metrics == {"all": 0.5, "share": 0.5}
    [score] = log.samples[0].scores.values()
    assert "sea" in score.explanation


def test_constraints_given_to_the_scorer_hold_for_every_sample_and_an_empty_answer_meets_nothing(
    tmp_path: Path,
) -> None:
    scorer = adhere.as_inspect_scorer("Use at most 2 words.")
    log = _run(tmp_path, ["", "<think>a b c d e</think>a lake"], Task(dataset=SAMPLES, scorer=scorer))
    assert [next(iter(one.scores.values())).value["all"] for one in log.samples] == [0.0, 1.0]


def test_an_answer_is_repaired_with_what_it_does_not_meet(tmp_path: Path) -> None:
    task = Task(dataset=SAMPLES[:1], solver=constraint_solver(attempts=2), scorer=adhere.as_inspect_scorer())
    log = _run(tmp_path, ["By the sea.", "At sea.", "By the lake."], task)
    [sample] = log.samples
    assert next(iter(sample.scores.values())).value["all"] == 1.0
    asked = [message.text for message in sample.messages if message.role == "user"]
    assert len(asked) == 3
    assert "sea" in asked[1]


def test_a_sample_without_constraints_is_an_error_and_not_a_pass(tmp_path: Path) -> None:
    log = _run(tmp_path, ["x"], Task(dataset=[Sample(input="p")], scorer=adhere.as_inspect_scorer()))
    assert "states no constraints" in log.samples[0].error.message
