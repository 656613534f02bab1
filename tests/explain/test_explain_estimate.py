"""The estimate before a long explanation."""

from __future__ import annotations

from pathlib import Path

import pytest

from adhere.api.explain_prompts import NaturalPrompts
from adhere.explain.collection.pocket_prompts import PocketPrompts
from adhere.explain.estimate import estimate, line
from adhere.explain.plan import ExplainPlan

PLAN = ExplainPlan(skills=("json", "topic"), samples=120)


def test_a_short_run_is_begun_without_a_word() -> None:
    assert line({"sampling": 60.0, "replaying": 30.0}, PLAN) is None


def test_a_long_run_names_its_stages_and_the_way_out() -> None:
    text = line({"sampling": 9_000.0, "replaying": 600.0, "probes": 5.0}, PLAN)
    assert text is not None
    assert text.startswith("about 2.7 h for 120 cases of 2 skills (sampling 2.5 h, replaying 10 min)")
    assert text.endswith("--quick is a first look")


def test_the_quick_run_is_not_offered_to_itself() -> None:
    text = line({"sampling": 600.0}, PLAN)
    assert text is not None
    assert "--quick" not in text


@pytest.mark.parametrize("begun", [True, False])
def test_nothing_is_timed_for_a_run_that_has_begun_or_needs_no_sampling(tmp_path: Path, begun: bool) -> None:
    def never(*_: object, **__: object) -> list:
        raise AssertionError("the model was asked")

    if begun:
        (tmp_path / "plan.json").write_text("{}")
    source = NaturalPrompts() if begun else PocketPrompts()
    assert estimate(None, never, PLAN, source, tmp_path) is None  # type: ignore[arg-type]
