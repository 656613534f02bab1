"""An outcome comes back from its log as it went in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adhere.constraints import Exclude, Words
from adhere.core.errors import UserError
from adhere.measure.sustain.outcome import ArmOutcome, outcomes
from adhere.problems import Grade, Step


def test_an_outcome_comes_back_from_json_as_it_was() -> None:
    made = ArmOutcome(
        problem="math-1",
        domain="math",
        arm="attend",
        k=2,
        position="before",
        factor=0.5,
        grade=Grade(False, "7", "7 is not 8", "wrong", 0.0, (Step("3 + 4 = 7", True, "7"),)),
        response="<think>hm</think>3 + 4 = 7",
        answer="3 + 4 = 7",
        constraints=(Words(at_most=9), Exclude(terms=("sea",))),
        sentences=("Use at most 9 words.", "Do not use the word sea."),
        met=(True, None),
        truncated=True,
        loop=True,
        system="Be brief.",
        prompt="3 + 5?",
        reference="8",
        model="mock/model",
        epoch=2,
    )
    record = json.loads(json.dumps(made.to_json()))
    assert ArmOutcome.from_json(record, "mock/model", 2) == made
    assert (made.correct, made.readable, made.read, made.kinds) == (
        False,
        True,
        "7",
        ("length.words", "excludes.terms"),
    )


def test_what_is_no_log_of_a_sustain_run_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.eval").write_text("no log")
    with pytest.raises(UserError, match="not an Inspect log"):
        list(outcomes(tmp_path / "x.eval"))
    with pytest.raises(UserError, match="no such file"):
        list(outcomes(tmp_path / "y.eval"))
