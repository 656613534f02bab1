"""Monitors of a run: saved, found again, tried on prompts they were not fitted on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import adhere.explain.monitors.monitor_fitting as watching
from adhere.explain.cases.labels import Response
from adhere.explain.collection.pocket_prompts import PocketPrompts
from adhere.explain.collection.sampling import WorkerAnswers, sample
from adhere.explain.workers import Workers
from adhere.models.load import OpenModel, open_model
from adhere.models.serving.probe_monitor import load


@pytest.fixture(scope="module")
def opened() -> OpenModel:
    return open_model("pocket")


@pytest.fixture(scope="module")
def sampled(opened: OpenModel) -> list[Response]:
    skills = ("toxicity",)
    answering = WorkerAnswers(Workers(opened, 1), max_tokens=256)
    return sample(answering, PocketPrompts().streams(skills, 5), skills, 120, seed=5, budget=18 * 120)


def test_a_monitor_is_saved_and_a_second_run_finds_it(
    opened: OpenModel, sampled: list[Response], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = {"most": 400, "false_alarms": 0.1, "seed": 0}
    workers = Workers(opened, 1)
    seen: list[watching.Piece] = []
    whole = watching.watch_one

    def noted(model: OpenModel, piece: watching.Piece, shared: tuple[float, int, int]) -> watching.Watched:
        seen.append(piece)
        return whole(model, piece, shared)

    monkeypatch.setattr(watching, "watch_one", noted)
    [first] = watching.watch(workers, sampled, ("toxicity",), tmp_path, **how)  # type: ignore[arg-type]
    assert first.monitor is not None, first.why
    assert first.trial is not None
    fitted = {one.prompt.id for one in seen[0].answers}
    assert not fitted & {prompt.id for prompt in seen[0].fresh}, "a monitor is not tried on what it was fitted on"
    assert [one.skill for one in load(tmp_path, opened)] == ["toxicity"]
    [again] = watching.watch(workers, sampled, ("toxicity",), tmp_path, **how)  # type: ignore[arg-type]
    assert len(seen) == 1, "what was fitted is not fitted again"
    assert again.trial is not None
    np.testing.assert_array_equal(again.trial.alarm, first.trial.alarm)
    assert again.trial.recall == first.trial.recall
    assert {one.what for one in again.findings()} >= {"monitor.recall", "monitor.false_alarm", "monitor.tokens_saved"}


def test_too_few_answers_are_no_monitor_but_a_line(opened: OpenModel, sampled: list[Response], tmp_path: Path) -> None:
    [one] = watching.watch(
        Workers(opened, 1), sampled[:60], ("toxicity",), tmp_path, most=400, false_alarms=0.05, seed=0
    )
    assert one.monitor is None
    assert "needed" in one.why
    assert not (tmp_path / "monitor.json").exists()
