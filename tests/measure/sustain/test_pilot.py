"""A pilot keeps the kinds of easy problems that a model can do, and says which it left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from inspect_ai.model import ModelOutput, ModelUsage, get_model

from adhere.cli.tables.sustain import piloted
from adhere.core.errors import UserError
from adhere.measure import model_access
from adhere.measure.sustain import run
from adhere.measure.sustain.pilot import SEED_SHIFT
from adhere.measure.sustain.plan import SustainPlan
from adhere.measure.sustain.problem_sets import easy_kinds, gather
from adhere.problems.easy import ShortAnswerProblem, easy_problems


def _model(monkeypatch: pytest.MonkeyPatch, knows: tuple[str, ...]) -> list[str]:
    """A model that can answer questions of the kinds it knows."""
    right = {
        problem.prompt: problem.reference
        for kind in knows
        for seed in (0, SEED_SHIFT)
        for problem in easy_problems(kind, 60, seed)  # type: ignore[arg-type]
    }
    asked: list[str] = []

    def answer(messages: list[Any], *_: Any) -> ModelOutput:
        text = messages[-1].text
        asked.append(text)
        known = next((word for prompt, word in right.items() if prompt in text), "nobody knows")
        output = ModelOutput.from_content("mock", f"It is {known}.")
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    model = get_model("mockllm/model", custom_outputs=answer, memoize=False)
    monkeypatch.setattr(model_access, "resolve", lambda _: model)
    return asked


def test_kinds_that_the_model_cannot_do_are_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _model(monkeypatch, ("one-hop", "capitals"))
    plan = SustainPlan(domain="multihop", problems=3, samples=2, arms="constraint", constraints=(1,))
    done = run.measure("some/model", tmp_path, plan)
    kept = {f.subject["kind"]: f.subject["kept"] for f in done.findings if f.what == "sustain.pilot"}
    assert kept == {"one-hop": True, "two-hop": False, "capitals": True}
    assert "two-hop 0% (left out)" in piloted(done.findings)
    bases = [outcome for outcome in done.outcomes if outcome.arm == "base"]
    assert len(bases) == 2 * 3 * 2  # two kinds, three problems, two samples
    assert {outcome.epoch for outcome in bases} == {1, 2}
    before = len(asked)
    run.measure("some/model", tmp_path, plan)
    assert len(asked) == before


def test_a_model_that_can_do_nothing_is_told_what_to_do_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _model(monkeypatch, ())
    with pytest.raises(UserError, match=r"one-hop 0 of 20.*--data FILE"):
        run.measure("some/model", tmp_path, SustainPlan(problems=2))


def test_the_pilot_asks_no_question_that_is_measured_later() -> None:
    for kind in ("one-hop", "two-hop"):
        piloted_ones = {one.prompt for one in easy_problems(kind, 20, SEED_SHIFT)}  # type: ignore[arg-type]
        assert not piloted_ones & {one.prompt for one in easy_problems(kind, 60, 0)}  # type: ignore[arg-type]


def test_easy_kinds_are_read_from_the_source_and_unknown_ones_refused() -> None:
    assert easy_kinds("easy:two-hop,one-hop") == ("one-hop", "two-hop")
    assert easy_kinds("gsm8k.jsonl") is None
    (material,) = gather("code", "easy", 4)
    assert material.domain == "code"
    assert all(not isinstance(problem, ShortAnswerProblem) for problem in material.problems)
    with pytest.raises(UserError, match="no easy problems of kind 'three-hop'"):
        gather(None, "easy:three-hop")
    with pytest.raises(UserError, match="is of the domain math"):
        gather("math", "easy", 4)
