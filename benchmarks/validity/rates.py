"""Coverage of rates of clusters, of paired differences, and the error of their tests and of the certificate."""

from __future__ import annotations

from typing import Any

import numpy as np

from adhere.core.intervals import wilson
from adhere.measure.statistics.rates import Cluster, paired, rate
from benchmarks.validity.table import Row

ICC = 0.3


def _shares(rng: np.random.Generator, p: float, count: int, icc: float) -> Any:
    """The share of each cluster: beta with mean p and that correlation of its trials."""
    if icc == 0:
        return np.full(count, p)
    scale = (1 - icc) / icc
    return rng.beta(p * scale, (1 - p) * scale, count)


def single(runs: int, seed: int = 10) -> list[Row]:
    """Wilson's interval of independent trials."""
    rows = []
    for n in (10, 40, 200):
        for p in (0.02, 0.2, 0.5, 0.95):
            drawn = np.random.default_rng([seed, n, int(100 * p)]).binomial(n, p, runs)
            intervals = [wilson(int(met), n) for met in drawn]
            hits = sum(low <= p <= high for low, high in intervals)
            width = float(np.mean([high - low for low, high in intervals]))
            rows.append(Row("Rate of independent trials", f"{n} trials, share {p:g}", hits, runs, width))
    return rows


def clustered(runs: int, seed: int = 11) -> list[Row]:
    """The interval of a rate over clusters of mixed sizes."""
    rows = []
    for count in (5, 10, 40, 300):
        for p in (0.05, 0.5, 0.9, 0.98):
            rng = np.random.default_rng([seed, count, int(100 * p)])
            hits = width = 0.0
            for _ in range(runs):
                sizes = rng.integers(1, 41, count)
                met = rng.binomial(sizes, _shares(rng, p, count, ICC))
                # sizes are drawn apart from shares, so that the share of trials has the expectation p
                low, high = rate(zip(met.tolist(), sizes.tolist(), strict=True)).interval
                hits += low <= p <= high
                width += high - low
            rows.append(Row("Rate of clusters", f"{count} clusters of 1 to 40, share {p:g}", hits, runs, width / runs))
    return rows


def _pairs(rng: np.random.Generator, prompts: int, epochs: int, p: float, effect: float) -> list[Cluster]:
    """Two subjects on the same prompts; A lies `effect` above B, both follow the prompt's difficulty."""
    b = _shares(rng, p - effect / 2, prompts, ICC) if epochs > 1 else np.full(prompts, p - effect / 2)
    a = np.clip(b + effect, 0, 1)
    return [
        Cluster(float(x), float(y), epochs)
        for x, y in zip(rng.binomial(epochs, a).tolist(), rng.binomial(epochs, b).tolist(), strict=True)
    ]


def compared(runs: int, seed: int = 12) -> list[Row]:
    """The interval of a paired difference, its test's error, and how often the two disagree about no difference."""
    rows = []
    for prompts, epochs in ((12, 1), (40, 1), (40, 5), (200, 1)):
        for p, effect in ((0.5, 0.0), (0.9, 0.0), (0.6, 0.2)):
            rng = np.random.default_rng([seed, prompts, epochs, int(100 * p), int(100 * effect)])
            covered = width = rejected = apart = 0.0
            for run in range(runs):
                found = paired(_pairs(rng, prompts, epochs, p, effect), seed=run, resamples=2000)
                low, high = found.interval
                covered += low <= effect <= high
                width += high - low
                rejected += found.p < 0.05
                apart += (found.p < 0.05) != (low > 0 or high < 0)
            design = f"{prompts} prompts x {epochs}, shares about {p:g}, difference {effect:g}"
            if epochs == 1 or effect == 0:  # shares that are cut off at 1 have another difference
                rows.append(Row("Paired difference", design, covered, runs, width / runs))
            if effect == 0:
                rows.append(Row("Test of a paired difference", design, rejected, runs, nominal=0.05, error=True))
            rows.append(Row("Interval and test disagree", design, apart, runs, nominal=0.0, error=True))
    return rows
