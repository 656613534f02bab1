"""Looking after every answer must not make the certificate wrong more often than it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from adhere.core.errors import UserError
from adhere.measure.statistics.certify import (
    JEFFREYS,
    Certificate,
    ConfidenceSequence,
    Prior,
    Settled,
    answers_needed,
    interval,
    log_mixture,
    prior_for,
)

RUNS, LENGTH, ALPHA = 2_000, 10_000, 0.05


def _watched(failed: np.ndarray, p: float, a: float, b: float) -> np.ndarray:
    """log M_n(p) for every n of every run, by its increments: each answer is a bet at the posterior mean."""
    k = np.cumsum(failed, axis=1, dtype=np.float32) - failed
    n = np.arange(failed.shape[1], dtype=np.float32)
    chance = (a + k) / (a + b + n)
    return np.cumsum(np.log(np.where(failed, chance / p, (1 - chance) / (1 - p))), axis=1, dtype=np.float64)


def test_the_increments_used_below_are_those_of_the_mixture() -> None:
    failed = np.random.default_rng(5).random((1, 300)) < 0.2
    watched = _watched(failed, 0.1, 0.5, 0.5)[0]
    for n in (1, 7, 300):
        assert watched[n - 1] == pytest.approx(log_mixture(int(failed[0, :n].sum()), n, 0.1), abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.0005, 0.001, 0.01, 0.1])
@pytest.mark.parametrize("prior", [JEFFREYS, prior_for(0.001)], ids=["jeffreys", "claim"])
def test_under_continuous_monitoring_the_true_rate_is_lost_in_at_most_alpha_of_the_runs(p: float, prior: Prior) -> None:
    rng = np.random.default_rng(7)
    lost = 0
    for _ in range(RUNS // 200):
        failed = rng.random((200, LENGTH), dtype=np.float32) < p
        # the rate is outside the interval exactly where the martingale at the true rate is 1/alpha or more
        martingale = sum(w * np.exp(_watched(failed, p, a, b)) for w, a, b in prior)
        lost += int((martingale.max(axis=1) >= 1 / ALPHA).sum())
    # where the prior suits p badly the bound is tight: the true error is just 5 %, and a count of runs scatters
    assert lost <= binom.ppf(0.999, RUNS, ALPHA)


def test_an_ordinary_interval_looked_at_as_often_would_fail_this_test() -> None:
    from scipy.stats import beta

    rng = np.random.default_rng(7)
    p, runs, looks = 0.1, 200, np.arange(20, 4000, 20)
    k = np.cumsum(rng.random((runs, 4000)) < p, axis=1)[:, looks - 1]
    low, high = beta.ppf(ALPHA / 2, k, looks - k + 1), beta.ppf(1 - ALPHA / 2, k + 1, looks - k)
    assert ((low > p) | (high < p)).any(axis=1).mean() > 2 * ALPHA


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 50), (50, 50), (3, 40), (1, 100_000), (17, 230)])
def test_the_interval_ends_where_the_martingale_reaches_its_limit(k: int, n: int) -> None:
    low, high = interval(k, n, ALPHA)
    assert 0 <= low <= k / n <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            assert log_mixture(k, n, end) == pytest.approx(-math.log(ALPHA), abs=1e-5)


def test_one_in_a_thousand_is_certified_after_the_number_it_says_and_not_one_answer_earlier() -> None:
    needed = answers_needed(0.001)
    assert 3_000 < needed < 4_000
    sequence = ConfidenceSequence(claim=0.001)
    sequence.update([False] * (needed - 1))
    assert sequence.settled is Settled.OPEN
    sequence.update([False])
    assert sequence.settled is Settled.CERTIFIED
    assert "once in 1,000" in str(Certificate.of(sequence))


def test_a_model_that_fails_often_is_refuted_soon() -> None:
    sequence = ConfidenceSequence(claim=0.001)
    rng = np.random.default_rng(1)
    while sequence.settled is Settled.OPEN:
        sequence.update([bool(rng.random() < 0.2)])
    assert sequence.settled is Settled.REFUTED
    assert sequence.n < 40


def test_feeding_one_by_one_or_all_at_once_gives_no_wider_interval() -> None:
    outcomes = [bool(x) for x in np.random.default_rng(3).random(500) < 0.1]
    slow, fast = ConfidenceSequence(), ConfidenceSequence()
    for outcome in outcomes:
        slow.update([outcome])
    fast.update(outcomes)
    assert slow.interval[0] >= fast.interval[0]
    assert slow.interval[1] <= fast.interval[1]


@pytest.mark.parametrize("wrong", [{"confidence": 1.0}, {"claim": 0.0}, {"claim": 1.5}])
def test_a_claim_or_confidence_out_of_range_is_one_line(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="between 0 and 1"):
        ConfidenceSequence(**wrong)
