"""Intervals and tests agree with scipy's, and cover what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from adhere.measure.statistics.rates import Cluster, holm, mcnemar, paired, phi, rate, sign_flips, wilson


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_is_scipys(counts: tuple[int, int], confidence: float) -> None:
    met, n = counts
    reference = stats.binomtest(met, n).proportion_ci(confidence, method="wilson")
    assert wilson(met, n, confidence) == pytest.approx((reference.low, reference.high), abs=1e-9)


def test_of_nothing_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    nothing = rate([])
    assert math.isnan(nothing.estimate)
    assert nothing.interval == (0.0, 1.0)
    assert nothing.n == 0


def test_single_trials_have_wilsons_interval() -> None:
    clusters = [(1, 1)] * 30 + [(0, 1)] * 10
    assert rate(clusters).interval == wilson(30, 40)


def test_the_clustered_error_is_millers_formula() -> None:
    """Against the double sum over trials of one cluster (Miller, eq. 4), written out."""
    clusters = [[1, 1, 0], [0, 0], [1], [1, 0, 1, 1], [0]]
    n = sum(map(len, clusters))
    mean = sum(map(sum, clusters)) / n
    double = sum((a - mean) * (b - mean) for scores in clusters for a in scores for b in scores)
    expected = math.sqrt(len(clusters) / (len(clusters) - 1) * double) / n
    assert rate((sum(scores), len(scores)) for scores in clusters).se == pytest.approx(expected)


def test_clusters_that_agree_within_themselves_count_once() -> None:
    """Each prompt asked five times with the same outcome is one trial, not five."""
    low, high = rate([(5, 5)] * 30 + [(0, 5)] * 10).interval
    once_low, once_high = rate([(1, 1)] * 30 + [(0, 1)] * 10).interval
    assert once_low - 0.05 < low <= once_low
    assert once_high <= high < once_high + 0.03
    assert wilson(8, 8)[0] < rate([(3, 3)] * 12).interval[0] < wilson(12, 12)[0]


def test_few_prompts_asked_often_are_few_however_often() -> None:
    """Six prompts, forty answers each, and the prompt alone decides: not 240 trials."""
    measured = rate([(40, 40)] * 3 + [(0, 40)] * 3)
    assert measured.few
    assert measured.effective_clusters == pytest.approx(6)
    low, high = measured.interval
    assert low < 0.15
    assert high > 0.85


def test_one_cluster_alone_says_little() -> None:
    low, high = rate([(3, 4)]).interval
    assert high - low > 0.5


@pytest.mark.parametrize(
    ("clusters", "sizes", "share", "correlation"),
    [
        (60, (1, 2, 3), 0.8, 0.3),
        (5, (40,), 0.5, 1.0),
        (8, (1, 5, 40), 0.9, 0.5),
        (100, (1,) * 9 + (40,), 0.05, 1.0),  # a few large prompts decide, and often all agree
        (300, (2,), 0.3, 0.0),
    ],
)
def test_the_clustered_interval_covers_the_truth(
    clusters: int, sizes: tuple[int, ...], share: float, correlation: float
) -> None:
    """Prompts with a success probability of their own: beta, or each wholly one way where the correlation is 1."""
    generator = np.random.default_rng(1)
    hits = 0
    runs = 400
    for _ in range(runs):
        trials = generator.choice(sizes, clusters)
        if correlation == 1.0:
            own = (generator.random(clusters) < share).astype(float)
        elif correlation:
            spread = 1 / correlation - 1
            own = generator.beta(share * spread, (1 - share) * spread, clusters)
        else:
            own = np.full(clusters, share)
        met = generator.binomial(trials, own)
        low, high = rate(zip(met.tolist(), trials.tolist(), strict=True)).interval
        hits += low <= share <= high
    assert hits / runs >= 0.93


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(only_a: int, only_b: int) -> None:
    discordant = only_a + only_b
    expected = stats.binomtest(only_a, discordant).pvalue if discordant else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(expected)


def test_mcnemar_stays_exact_where_floats_would_overflow() -> None:
    assert mcnemar(2_450, 2_550) == pytest.approx(stats.binomtest(2_450, 5_000).pvalue)
    assert mcnemar(0, 3_000) == 0.0
    assert mcnemar(0, 900) == pytest.approx(2.0**-899)


def test_mcnemar_is_used_where_pairs_are_independent_and_binary() -> None:
    clusters = [Cluster(1, 0)] * 9 + [Cluster(0, 1)] * 2 + [Cluster(1, 1)] * 20
    found = paired(clusters)
    assert found.test == "McNemar exact"
    assert found.p == mcnemar(9, 2)
    assert (found.only_a, found.only_b) == (9, 2)
    assert found.estimate == pytest.approx(7 / 31)
    assert paired([*clusters, Cluster(2, 1, 3)]).test != "McNemar exact"


def test_the_bootstrap_is_scipys() -> None:
    generator = np.random.default_rng(3)
    a = generator.random(80) < 0.7
    b = np.where(generator.random(80) < 0.6, a, generator.random(80) < 0.5)
    reference = stats.bootstrap(
        (a.astype(float) - b.astype(float),), np.mean, method="percentile", n_resamples=20_000, rng=generator
    ).confidence_interval
    found = paired([Cluster(int(x), int(y)) for x, y in zip(a, b, strict=True)]).interval
    assert found == pytest.approx((reference.low, reference.high), abs=0.015)


def test_the_sign_flip_test_is_scipys() -> None:
    generator = np.random.default_rng(4)
    gaps = generator.integers(-2, 4, 40).astype(float)
    reference = stats.permutation_test(
        (gaps, np.zeros(40)), lambda x, y: np.sum(x - y), permutation_type="samples", rng=5
    )
    assert sign_flips(gaps.tolist()) == pytest.approx(reference.pvalue, abs=0.015)


def test_the_paired_interval_covers_the_truth_and_the_test_keeps_its_level() -> None:
    generator = np.random.default_rng(2)
    covered = rejected = 0
    runs = 300
    for _ in range(runs):
        both = generator.random(80) < 0.5
        a = both | (generator.random(80) < 0.3)
        b = both | (generator.random(80) < 0.3)
        found = paired([Cluster(int(x), int(y)) for x, y in zip(a, b, strict=True)], resamples=1_000)
        covered += found.interval[0] <= 0 <= found.interval[1]
        rejected += found.p < 0.05
    assert covered / runs >= 0.91
    assert rejected / runs <= 0.06


def test_pairing_sees_what_two_intervals_do_not() -> None:
    """Nine prompts of 100 that only A follows: real, though the two rates' own intervals overlap."""
    found = paired([Cluster(1, 0)] * 9 + [Cluster(1, 1)] * 60 + [Cluster(0, 0)] * 31)
    assert found.p < 0.01
    assert found.interval[0] > 0
    assert wilson(69, 100)[0] < wilson(60, 100)[1]


def test_no_difference_seen_is_not_no_difference() -> None:
    low, high = paired([Cluster(1, 1)] * 10).interval
    assert low < -0.1
    assert high > 0.1
    assert low == -high


def test_one_pair_proves_nothing() -> None:
    found = paired([Cluster(1, 0)])
    assert found.interval[0] < 0
    assert found.p == 1.0


def test_no_pairs_are_no_comparison() -> None:
    assert paired([]).n == 0


def test_the_same_seed_gives_the_same_numbers() -> None:
    clusters = [Cluster(2, 1, 3)] * 7 + [Cluster(1, 2, 2)] * 4
    assert paired(clusters, seed=7) == paired(clusters, seed=7)


def test_holms_example() -> None:
    """Worked by hand: sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, made to rise."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_lies_between_no_correction_and_bonferroni(ps: list[float]) -> None:
    for p, adjusted in zip(ps, holm(ps), strict=True):
        assert p <= adjusted <= min(1.0, p * len(ps)) + 1e-12


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=50))
def test_phi_is_the_correlation_of_two_yes_no_things(pairs: list[tuple[bool, bool]]) -> None:
    a, b = np.array(pairs, dtype=float).T
    both, first, second = np.sum(a * b), np.sum(a * (1 - b)), np.sum((1 - a) * b)
    found = phi(int(both), int(first), int(second), int(len(a) - both - first - second))
    if a.std() == 0 or b.std() == 0:
        assert found is None
    else:
        assert found == pytest.approx(np.corrcoef(a, b)[0, 1])


def test_an_interval_and_a_test_never_disagree_about_no_difference() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        binary = seed % 2 == 0
        trials = 1 if binary else 4
        pairs = [
            Cluster(float(a), float(b), trials)
            for a, b in zip(rng.binomial(trials, 0.75, 15), rng.binomial(trials, 0.5, 15), strict=True)
        ]
        found = paired(pairs, seed=seed, resamples=400)
        assert (found.p < 0.05) == (not found.interval[0] <= 0 <= found.interval[1])
