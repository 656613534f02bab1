"""Intervals of AUCs where the bootstrap knows nothing: all pairs in order, few prompts."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from adhere.explain.analyses.claims import simultaneous
from adhere.explain.probing.decodability import Estimate, Resamples, auc, mean


def _estimate(truth: float, rng: np.random.Generator, prompts: int = 40, draws: int = 100) -> Estimate:
    met = rng.permutation(np.arange(prompts) % 2 == 0)
    scores = rng.standard_normal(prompts) + np.sqrt(2) * NormalDist().inv_cdf(truth) * met
    fold = np.arange(prompts) // (prompts // 4)
    return auc(scores.astype(np.float32), met, fold, Resamples.of(np.arange(prompts), draws))


@pytest.mark.parametrize("truth", [0.5, 0.9, 0.983])
def test_an_auc_is_covered_at_the_ceiling_too(truth: float) -> None:
    rng = np.random.default_rng(int(truth * 1000))
    intervals = [_estimate(truth, rng).interval for _ in range(120)]
    assert sum(low <= truth <= high for low, high in intervals) >= 107, "93 % less two deviations of chance"


def test_perfect_order_of_a_few_prompts_is_no_certainty() -> None:
    met = np.arange(20) % 2 == 0
    scores = met.astype(np.float32)
    low, high = auc(scores, met, np.zeros(20, np.int64), Resamples.of(np.arange(20), 50)).interval
    assert high == 1
    assert 0.6 < low < 0.95


def test_repeats_of_a_prompt_do_not_narrow_perfect_order_as_prompts_do() -> None:
    met = np.arange(80) % 2 == 0
    fold = np.zeros(80, np.int64)
    alone = auc(met.astype(np.float32), met, fold, Resamples.of(np.arange(80), 50)).interval[0]
    repeated = auc(met.astype(np.float32), met, fold, Resamples.of(np.arange(80) // 8, 50)).interval[0]
    assert repeated < alone - 0.02


def test_a_difference_of_two_perfect_aucs_is_uncertain_and_that_of_one_with_itself_is_not() -> None:
    met = np.arange(20) % 2 == 0
    fold, resamples = np.zeros(20, np.int64), Resamples.of(np.arange(20), 50)
    one = auc(met.astype(np.float32), met, fold, resamples)
    low, high = (one - one).interval
    assert low < -0.05 < 0.05 < high
    noisy = auc(np.random.default_rng(0).standard_normal(20).astype(np.float32), met, fold, resamples)
    low, high = (noisy - noisy).interval
    assert high - low < 0.1, "limits that are not symmetric leave their asymmetry"
    assert mean([noisy, noisy]).interval == pytest.approx(noisy.interval)


def test_intervals_that_hold_together_do_not_close_on_perfect_order() -> None:
    met = np.arange(20) % 2 == 0
    one = auc(met.astype(np.float32), met, np.zeros(20, np.int64), Resamples.of(np.arange(20), 50))
    rng = np.random.default_rng(0)
    [(low, _), _] = simultaneous([one, _estimate(0.7, rng, 20, 50)])
    assert low <= one.interval[0]
