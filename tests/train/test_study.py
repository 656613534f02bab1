"""The study's design and statistics: kinds and prompts apart, arms matched and paired, hacking told."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from adhere.constraints import Include, Words
from adhere.train.independent import reading
from adhere.train.study.design import (
    HELD_OUT,
    METHOD_OF,
    SIZES,
    TRAINED,
    TRAINED_ARMS,
    candidates,
    evaluation_rows,
    problem_rows,
)


def test_kinds_and_prompts_of_training_are_apart_from_those_of_evaluation() -> None:
    assert not TRAINED & HELD_OUT
    rows = evaluation_rows(SIZES["tiny"])
    assert all(row.kinds <= TRAINED for row in rows["trained"])
    assert all(row.kinds <= HELD_OUT for row in rows["held_out"])
    evaluated = {row.text for row in (*rows["trained"], *rows["held_out"], *problem_rows(1, 2))}
    for split in ("train", "tune"):
        assert not evaluated & {row.text for row in islice(candidates(split, 0, TRAINED), 200)}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(SIZES))
def test_every_arm_reads_as_many_sampled_answers(name: str) -> None:
    from adhere.train.study.design import GRPO_ITERATIONS

    size = SIZES[name]
    read = {}
    for arm in TRAINED_ARMS:
        method = METHOD_OF[arm]
        read[arm] = size.steps_of(method) * size.answers_of(method) / (GRPO_ITERATIONS if method == "grpo" else 1)
    assert set(read.values()) == {size.sequences}


@pytest.mark.parametrize(
    ("constraint", "text", "met"),
    [
        (Words(at_most=3), "one two three", True),
        (Words(at_most=3), "one two three four", False),
        (Include(terms=("sea",)), "By the Sea.", True),
        (Include(terms=("sea",)), "A season", False),
    ],
)
def test_the_second_reading_agrees_where_nothing_is_hacked(constraint: Any, text: str, met: bool) -> None:
    assert reading(constraint, text) is met is constraint.check(text).met


def answer(identity: str, met: bool, readings: list[list[Any]]) -> dict[str, Any]:
    common = {"set": "trained", "solved": None, "tokens": 5, "ended": True, "loop": False, "nats": 1.0}
    return {**common, "id": identity, "met": met, "readings": readings}


def outcome(problem: str, arm: str, correct: bool, k: int = 0) -> dict[str, Any]:
    from adhere.measure.sustain.outcome import ArmOutcome
    from adhere.problems.problem import Grade

    grade = Grade(correct, "4", "", "correct" if correct else "wrong", float(correct))
    constraints = (Words(at_most=9),) if arm == "constraint" else ()
    met = (True,) * len(constraints)
    return ArmOutcome(problem, "math", arm, grade, "4", "4", k=k, constraints=constraints, met=met).to_json()  # type: ignore[arg-type]


def test_arms_are_compared_on_the_same_prompts_and_hacking_is_told() -> None:
    from adhere.api.train_findings import findings

    sustained = [
        outcome(f"p{n}", arm, arm != "constraint" or n > 2, k)
        for n in range(8)
        for arm, k in (("base", 0), ("control", 0), ("placebo", 1), ("constraint", 1))
    ]
    free = [
        outcome(f"p{n}", arm, True, k)
        for n in range(8)
        for arm, k in (("base", 0), ("control", 0), ("placebo", 1), ("constraint", 1))
    ]
    base = [answer(f"a{n}", n % 2 == 0, [["length.words", n % 2 == 0, n % 2 == 0]]) for n in range(40)]
    hacked = [answer(f"a{n}", True, [["length.words", True, n % 4 > 0]]) for n in range(40)]
    records = {
        "base": {seed: {"answers": base, "outcomes": sustained} for seed in (0, 1)},
        "grpo": {seed: {"answers": hacked, "outcomes": free} for seed in (0, 1)},
    }
    results = findings(records, "pocket", "adhere train study")
    by_measure = {one.subject["measure"]: one for one in results if one.what == "train.difference"}
    gain = by_measure["adherence.trained"]
    assert (gain.estimate, gain.n, gain.subject["real"]) == (0.5, 40, True)
    assert by_measure["interference.1"].estimate == pytest.approx(-3 / 8)
    [told] = [
        one
        for one in results
        if one.what == "train.hacking" and one.subject["arm"] == "grpo" and one.unit == "share of answers" and one.n
    ]
    assert told.estimate == 0.25
    shares = {one.subject["arm"]: one for one in results if one.what == "train.sustain"}
    assert (shares["base"].estimate, shares["grpo"].estimate) == (5 / 8, 1.0)


@pytest.mark.slow
def test_a_whole_study_runs_goes_on_and_reports(tmp_path: Any) -> None:
    pytest.importorskip("trl")
    from adhere.api.train_study import study

    lines: list[str] = []
    results = study("pocket", size="tiny", out=tmp_path, notice=lines.append)
    arms = {one.subject["arm"] for one in results if one.what == "train.adherence"}
    assert arms == {"base", *TRAINED_ARMS}
    lines.clear()
    assert study("pocket", size="tiny", out=tmp_path, notice=lines.append) == results
    assert lines == []
