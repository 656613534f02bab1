"""The scores are what their formulas say, see what is there, and see nothing where nothing is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from adhere.constraints import Include, Words
from adhere.measure.sustain.outcome import ArmOutcome
from adhere.measure.sustain.score_findings import findings
from adhere.measure.sustain.scores import Score, score, scores, weights
from adhere.measure.sustain.selection import Condition, select

from .made import asked, outcome, run, same

ALONE: Condition = ("constraint", 1, "after", 1.0)


def _simulated(drop: float, runs: int, problems: int = 200) -> list[Score]:
    generator = np.random.default_rng(7)
    return [score(select(run(generator, problems, drop)).trials, ALONE, resamples=1_000) for _ in range(runs)]


@pytest.mark.slow
def test_without_an_effect_the_interval_of_the_net_interference_covers_zero() -> None:
    """1,000 runs of 200 problems; the paper's score falls far below 1 all the same."""
    found = _simulated(0.0, 1_000)
    covered = np.mean([one.interference.interval[0] <= 0 <= one.interference.interval[1] for one in found])
    rejected = np.mean([one.interference.p < 0.05 for one in found])
    assert covered >= 0.93
    assert rejected <= 0.05
    assert np.mean([one.sustain.estimate for one in found]) == pytest.approx(0.81, abs=0.02)
    assert abs(np.mean([one.interference.estimate for one in found])) < 0.005


@pytest.mark.slow
def test_a_drop_of_a_tenth_is_recovered_though_luck_selects() -> None:
    found = _simulated(0.10, 300)
    assert np.mean([one.interference.estimate for one in found]) == pytest.approx(0.10, abs=0.02)
    naive = np.mean([1 - one.sustain.estimate for one in found])
    assert naive > 0.25  # what the score without a control would have called interference


def test_the_three_scores_by_hand() -> None:
    """Five solved problems: control keeps four, the constraint two; one constraint of four counted is not met."""
    made = [
        *asked("a", True, True),
        *asked("b", True, False),
        *asked("c", True, False),
        *asked("d", True, True),
        *asked("e", False, False, met=(False,)),
        outcome("f", "base", False),
    ]
    found = score(select(made).trials, ALONE)
    assert found.sustain.estimate == pytest.approx(2 / 5)
    assert found.control.estimate == pytest.approx(4 / 5)
    assert found.interference.estimate == pytest.approx(2 / 5)
    assert (found.interference.only_a, found.interference.only_b) == (2, 0)
    assert found.met.estimate == pytest.approx(4 / 5)
    assert found.unasked.estimate == 1.0  # every control answer is short enough by itself


def test_what_base_did_not_solve_counts_nowhere() -> None:
    made = [*asked("a", True, True), outcome("b", "base", False), *same(["c"], True, True)]
    made += [outcome("b", "control", False), outcome("b", "constraint", False, k=1)]
    assert score(select(made).trials, ALONE).sustain.n == 2


def test_what_could_not_be_decided_is_left_out_and_counted() -> None:
    made = [*asked("a", True, None), *asked("b", None, True), *asked("c", True, True)]
    found = score(select(made).trials, ALONE)
    assert found.undecided == 1
    assert found.sustain.n == 2  # b and c
    assert found.interference.n == 1  # only c has both
    assert found.control.n == 1


def test_a_base_that_could_not_be_decided_selects_nothing() -> None:
    selection = select([outcome("a", "base", None), outcome("a", "control", True), outcome("b", "base", True)])
    assert [trial.problem for trial in selection.trials] == ["b"]
    assert selection.solved[0].undecided == 1
    assert selection.solved[0].share.n == 1


def test_a_domain_that_is_never_solved_says_so_and_is_divided_by_nowhere() -> None:
    made = [outcome(str(k), "base", False, domain="code") for k in range(5)]
    found = scores(made)
    assert str(found.selection.solved[0]) == "code: none of 5 problems is solved at base; nothing to sustain"
    assert found.conditions == ()
    assert found.power is None
    [solved] = findings(found)
    assert (solved.what, solved.estimate, solved.n) == ("sustain.solved", 0.0, 5)


def test_no_outcomes_at_all_are_no_scores() -> None:
    found = scores([])
    assert found.selection.solved == ()
    assert findings(found) == []


def test_a_domain_whose_every_base_answer_broke_says_so() -> None:
    found = scores([outcome("a", "base", None)])
    assert "no base answer could be decided" in str(found.selection.solved[0])


def test_without_a_control_arm_there_is_a_score_and_no_interference() -> None:
    found = scores([outcome("a", "base", True), outcome("a", "constraint", True, k=1)])
    names = [one.what for one in findings(found)]
    assert "sustain.score" in names
    assert "sustain.interference" not in names
    assert next(one for one in findings(found) if one.what == "sustain.score").control is None


def test_epochs_of_one_problem_are_one_cluster() -> None:
    """Ten problems asked four times with like outcomes say no more than ten asked once; no McNemar then."""
    once = [one for k in range(10) for one in asked(str(k), True, k < 5)]
    four = [one for e in range(1, 5) for k in range(10) for one in asked(str(k), True, k < 5, epoch=e)]
    single, repeated = score(select(once).trials, ALONE), score(select(four).trials, ALONE)
    assert repeated.interference.clusters == 10
    assert repeated.interference.interval == pytest.approx(single.interference.interval, abs=0.05)
    assert repeated.interference.test != "McNemar exact"
    assert repeated.sustain.interval == pytest.approx(single.sustain.interval, abs=0.04)


def test_a_problem_asked_with_each_of_several_constraints_is_one_cluster() -> None:
    made = []
    for k in range(8):
        made += [*asked(str(k), True, False, constraints=(Words(at_most=50),))]
        made.append(outcome(str(k), "constraint", True, k=1, constraints=(Include(terms=("sea",)),)))
    found = scores(made)
    [whole] = found.conditions
    assert (whole.interference.n, whole.interference.clusters) == (16, 8)
    assert whole.interference.estimate == pytest.approx(0.5)
    assert {one.kind: one.interference.estimate for one in found.by_type}["length.words"] == 1.0


def test_holm_corrects_over_the_breakdown() -> None:
    """Nine problems lost to one type and none to the other: twice the p of the first, for two comparisons."""
    words, sea = (Words(at_most=50),), (Include(terms=("sea",)),)
    made = [one for k in range(9) for one in asked(f"w{k}", True, False, constraints=words)]
    made += [one for k in range(9) for one in asked(f"s{k}", True, True, constraints=sea)]
    found = scores(made)
    by_kind = {one.kind: one for one in found.by_type}
    hit = by_kind["length.words"]
    assert hit.interference.p == pytest.approx(2 / 2**9)
    assert hit.p_holm == pytest.approx(4 / 2**9)
    assert hit.real
    assert not by_kind[sea[0].kind].real


def _curve(problem: str, verdicts: dict[int, bool], control: bool = True) -> list[ArmOutcome]:
    return [
        outcome(problem, "base", True),
        outcome(problem, "control", control),
        *(outcome(problem, "constraint", verdict, k=k) for k, verdict in verdicts.items()),
    ]


def test_the_area_under_the_curve_is_scipys_trapezoid_over_log_k() -> None:
    ks = [1, 2, 4, 8, 16]
    generator = np.random.default_rng(1)
    table = generator.random((40, 5)) < 0.7
    made = [one for i, row in enumerate(table) for one in _curve(str(i), dict(zip(ks, map(bool, row), strict=True)))]
    [found] = scores(made).areas
    expected = np.trapezoid(table.mean(axis=0), np.log2(ks)) / np.log2(16)
    assert found.area.estimate == pytest.approx(expected)
    assert found.loss.estimate == pytest.approx(1 - expected)
    assert math.fsum(weights([1, 3, 4])) == pytest.approx(1.0)


def test_the_curve_is_of_the_same_problems_along_its_length() -> None:
    made = _curve("a", {1: True, 2: True}) + _curve("b", {1: False})
    [found] = scores(made).areas
    assert found.area.estimate == 1.0
    assert found.left_out == 1


def test_a_finding_carries_its_control() -> None:
    made = [*same([f"x{k}" for k in range(6)], True, False), *same(["y"], False, True)]
    made += [outcome(f"x{k}", "placebo", True, k=1) for k in range(6)]
    whole = [one for one in findings(scores(made)) if one.subject.get("domain") == "all" and "type" not in one.subject]
    found = {(one.what, one.subject["arm"]): one for one in whole}
    of_score = found["sustain.score", "constraint"]
    assert of_score.control is not None
    assert of_score.control.estimate == pytest.approx(6 / 7)
    net = found["sustain.interference", "constraint"]
    assert net.estimate == pytest.approx(5 / 7)
    assert net.control is not None
    assert (net.control.what, net.control.estimate) == ("placebo arm", 0.0)
    assert net.subject["test"] == "McNemar exact"
    assert (net.subject["lost"], net.subject["won"]) == (6, 1)
    assert found["sustain.if", "constraint"].estimate == 1.0


def test_unmet_and_unsure_constraints_lower_if() -> None:
    made = [outcome("a", "base", True), outcome("a", "control", True)]
    made += [outcome("a", "constraint", True, k=4, met=(True, False, None, True))]
    found = score(select(made).trials, ("constraint", 4, "after", 1.0))
    assert (found.met.met, found.met.n) == (2, 4)


def test_outcomes_of_two_models_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="several models"):
        select([outcome("a", "base", True), outcome("a", "control", True, model="other")])


def test_a_constraint_before_the_problem_is_held_against_the_placebo_before_it() -> None:
    """Idle words behind the problem cost a small model as much as a constraint there; before it they cost nothing."""
    outcomes = []
    for number in range(30):
        name = str(number)
        outcomes += asked(name, True, False)
        outcomes.append(outcome(name, "constraint", False, k=1, position="before"))
        outcomes.append(outcome(name, "placebo", False, k=1))
        outcomes.append(outcome(name, "placebo", True, k=1, position="before"))
    made = scores(outcomes)
    (behind,) = made.of("constraint", k=1)
    (before,) = made.of("constraint", k=1, position="before")
    assert behind.beyond.estimate == 0.0
    assert before.beyond.estimate == 1.0
