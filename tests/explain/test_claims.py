"""When a finding holds, and what its sentence says; and work that is spread over processes."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from adhere.core.errors import UserError
from adhere.core.findings import dumps
from adhere.explain.analyses.claims import claim, simultaneous
from adhere.explain.analyses.specialists import specialists
from adhere.explain.probing.decodability import Estimate, pooled
from adhere.explain.probing.scan import scan
from adhere.explain.probing.site_parallel import over, sites
from adhere.explain.probing.splits import Design

from .made import examples


def _estimate(value: float, spread: float, seed: int = 0) -> Estimate:
    return Estimate(value, value + spread * np.random.default_rng(seed).standard_normal(4000), 50)


def test_a_finding_holds_only_above_every_control() -> None:
    found = _estimate(0.80, 0.02)
    held = claim("probe.auc", "x is readable: AUC", found, {"chance": 0.5, "the text": _estimate(0.70, 0.02)}, {})
    assert held.holds
    assert held.sentence.startswith("x is readable: AUC 0.80 [0.76, 0.84], 50 prompts. For it: chance 0.50; the text")
    assert held.sentence.endswith("Against it: none of the controls.")
    assert held.finding.control is not None
    assert held.finding.control.what == "the text"
    near = claim("probe.auc", "x", found, {"chance": 0.5, "the text": _estimate(0.77, 0.01)}, {})
    assert not near.holds
    assert "For it: chance 0.50. Against it: the text 0.77" in near.sentence


def test_a_control_that_spreads_as_far_as_the_finding_opposes_it() -> None:
    wide = claim("probe.auc", "x", _estimate(0.60, 0.02), {"shuffled labels": _estimate(0.5, 0.08)}, {})
    assert wide.finding.interval is not None
    assert wide.finding.interval[0] > 0.5
    assert not wide.holds


def test_what_could_not_be_measured_is_no_finding_and_no_nan_is_written() -> None:
    none = claim("probe.auc", "x", Estimate(float("nan"), np.full(10, np.nan), 0), {"chance": 0.5}, {})
    assert not none.holds
    assert none.sentence == "x: could not be measured."
    assert "NaN" not in dumps([none.finding])
    missing = claim("probe.auc", "x", _estimate(0.8, 0.01), {"chance": 0.5, "untrained": float("nan")}, {})
    assert missing.holds
    assert "untrained" not in missing.sentence


def test_without_a_control_nothing_holds() -> None:
    assert not claim("probe.auc", "x", _estimate(0.8, 0.01), {}, {}).holds


def test_intervals_that_hold_together_cover_all_of_them() -> None:
    generator = np.random.default_rng(0)
    missed = 0
    for _ in range(200):
        truth = np.zeros(30)
        values = truth + generator.standard_normal(30)
        cells = [Estimate(v, v + generator.standard_normal(500), 10) for v in values]
        together = simultaneous(cells)
        missed += any(not low <= 0 <= high for low, high in together)
    assert missed <= 22, "5 % of 200, and three deviations of chance"


def test_pooling_keeps_the_spread_between_tries() -> None:
    tries = [Estimate(v, np.full(100, v), 5) for v in (0.4, 0.5, 0.6)]
    low, high = pooled(tries).interval
    assert (low, high) == pytest.approx((0.4, 0.6))


def test_shuffled_labels_keep_what_responses_of_a_prompt_have_in_common() -> None:
    made = examples(skills=1, prompts=60, per_prompt=6)
    made = replace(made, met=(made.prompt % 2 == 0))
    labels = Design.of(made, "lda", shuffles=3).labels
    for column in range(1, 4):
        assert labels[:, column].sum() == made.met.sum()
        agree = [len(set(labels[made.prompt == p, column])) == 1 for p in range(60)]
        assert np.mean(agree) == 1.0
        assert np.mean(labels[:, column] == made.met) < 0.8


def test_nan_activations_stop_a_scan_with_their_place() -> None:
    made = examples()
    made.states[5, 1, 2, 3] = np.nan
    with pytest.raises(UserError, match="layer 1 at eos"):
        scan(made, "lda")


def _die(x: np.ndarray, plan: object) -> int:
    os._exit(1)


def test_a_killed_process_is_one_line_not_a_hang() -> None:
    made = examples(prompts=5, per_prompt=2)
    with pytest.raises(UserError, match="want of memory"):
        over(made, sites(made), _die, None, processes=2)


def test_one_skill_alone_can_be_scanned() -> None:
    made = examples(skills=1, prompts=40).balanced()
    found = scan(made, "logistic", shuffles=1)
    assert np.isfinite(found.general).all()
    others = [c for c in specialists(found).claims() if c.finding.subject.get("general") == "leave one skill out"]
    assert len(others) == 3
    assert not any(c.holds for c in others), "there is no other skill to compare with"
