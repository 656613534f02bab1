"""Intervals, clusters, paired differences, many comparisons at once.

Rules.

- A rate of independent trials has Wilson's interval (Wilson 1927), which keeps its coverage near 0 and 1.
- Instructions of one prompt are not independent: a rate over instructions has a standard error that is robust to
  clusters (Miller, "Adding Error Bars to Evals", arXiv 2411.00640, section 2.2), and Wilson's interval at the
  effective number of trials that this error implies (Korn and Graubard 1998; Franco et al. 2019).
- Two subjects on the same prompts are compared by the differences of the pairs (Miller, section 4.2): McNemar's exact
  test (McNemar 1947) where the pairs are independent and binary, a sign-flip permutation test of the clusters' sums
  elsewhere; the interval comes from a bootstrap that resamples whole clusters (Efron 1979).
- Several comparisons made at once are corrected by Holm's step-down (Holm 1979).

Rates need nothing but the standard library, so that a small file is scored at once; what draws random numbers
uses numpy. Tests hold each function against scipy's, and the intervals' coverage against simulation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adhere.core.intervals import CONFIDENCE as CONFIDENCE
from adhere.core.intervals import wilson as wilson

RESAMPLES = 10_000
"""Bootstrap and permutation draws: the 2.5 % quantile then has a Monte Carlo error of some 1.5 % of the width."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its uncertainty."""

    estimate: float
    """Between 0 and 1; NaN where there was nothing to count."""
    interval: tuple[float, float]
    met: int
    n: int
    """Trials: prompts, or instructions."""
    clusters: int
    """Independent units: prompts. Equal to `n` where each trial stands alone."""
    se: float
    """Standard error, robust to clusters where there are any."""


def rate(clusters: Iterable[tuple[int, int]], confidence: float = CONFIDENCE) -> Rate:
    """The share met over all trials, from (met, trials) of each cluster.

    With x_c met of m_c trials in cluster c, p the overall share, C clusters and n trials, the standard error is
    sqrt(C / (C - 1) * sum_c (x_c - p m_c)^2) / n (Miller, eq. 4, with the finite-cluster factor). Its ratio to the
    variance of independent trials is the design effect, which divides n in Wilson's interval; it is not taken to be
    less than 1, since from few clusters that is chance more often than truth. Where every trial agrees the effect
    cannot be estimated: each cluster then counts once.
    """
    pairs = [(met, trials) for met, trials in clusters if trials]
    met, n, count = sum(x for x, _ in pairs), sum(m for _, m in pairs), len(pairs)
    if not n:
        return Rate(math.nan, (0.0, 1.0), 0, 0, 0, math.nan)
    share = met / n
    simple = share * (1 - share) / n
    if n == count:
        return Rate(share, wilson(met, n, confidence), met, n, count, math.sqrt(simple))
    if simple == 0.0:
        return Rate(share, wilson(share * count, count, confidence), met, n, count, 0.0)
    if count == 1:
        return Rate(share, wilson(share, 1, confidence), met, n, 1, math.nan)
    squares = math.fsum((x - share * m) ** 2 for x, m in pairs)
    variance = count / (count - 1) * squares / (n * n)
    effective = n / max(1.0, variance / simple)
    return Rate(share, wilson(share * effective, effective, confidence), met, n, count, math.sqrt(variance))


@dataclass(frozen=True, slots=True)
class Cluster:
    """What two subjects scored on the trials of one prompt: the sums of their scores, over `trials` of them."""

    a: float
    b: float
    trials: int = 1


@dataclass(frozen=True, slots=True)
class Difference:
    """How much more A scores than B on the same trials."""

    estimate: float
    """Mean score of A less mean score of B."""
    interval: tuple[float, float]
    p: float
    """Of the test, two-sided; not yet corrected for other comparisons."""
    test: str
    n: int
    """Trials that both answered."""
    clusters: int
    only_a: int
    """Clusters where A scores more."""
    only_b: int
    se: float
    """Standard error of the paired difference, robust to clusters (Miller, section 4.2)."""


def paired(
    clusters: Sequence[Cluster], *, seed: int = 0, resamples: int = RESAMPLES, confidence: float = CONFIDENCE
) -> Difference:
    """Compare two subjects on the trials that both answered."""
    n = sum(cluster.trials for cluster in clusters)
    if not n:
        return Difference(math.nan, (-1.0, 1.0), 1.0, "none", 0, 0, 0, 0, math.nan)
    gaps = [cluster.a - cluster.b for cluster in clusters]
    estimate = math.fsum(gaps) / n
    count = len(clusters)
    squares = math.fsum((gap - estimate * cluster.trials) ** 2 for gap, cluster in zip(gaps, clusters, strict=True))
    se = math.sqrt(count / (count - 1) * squares) / n if count > 1 else math.nan
    more, less = sum(gap > 0 for gap in gaps), sum(gap < 0 for gap in gaps)
    binary = n == count and all(c.a in (0, 1) and c.b in (0, 1) for c in clusters)
    if binary:
        p, test = mcnemar(more, less), "McNemar exact"
    else:
        p, test = sign_flips(gaps, seed=seed, resamples=resamples), "sign-flip permutation of prompts"
    interval = _bootstrap(gaps, [c.trials for c in clusters], seed, resamples, confidence)
    return Difference(estimate, interval, p, test, n, count, more, less, se)


def mcnemar(only_a: int, only_b: int) -> float:
    """McNemar's exact two-sided p: of the pairs that differ, are as many in A's favour as in B's?

    The smaller count is binomial(only_a + only_b, 1/2) where there is no difference (McNemar 1947, Psychometrika
    12:153). Summed in whole numbers, so exact at any size, and scoring does without scipy.
    """
    discordant = only_a + only_b
    term = tail = 1
    for k in range(min(only_a, only_b)):
        term = term * (discordant - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / 2**discordant) if discordant else 1.0


def sign_flips(gaps: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES) -> float:
    """Two-sided p of the sum of the clusters' differences when each one's sign is a fair coin's.

    Differences of equal size are flipped together: the sum of k fair signs is 2 binomial(k, 1/2) - k, which is the
    same test at a cost that does not grow with the number of prompts. (hits + 1) / (draws + 1): Phipson and Smyth 2010.
    """
    import numpy as np

    sizes = Counter(abs(gap) for gap in gaps if gap)
    if not sizes:
        return 1.0
    generator = np.random.default_rng(seed)
    sums = np.zeros(resamples)
    for size, count in sorted(sizes.items()):
        sums += size * (2.0 * generator.binomial(count, 0.5, resamples) - count)
    observed = abs(math.fsum(gaps))
    hits = int(np.count_nonzero(np.abs(sums) >= observed * (1 - 1e-9)))
    return (hits + 1) / (resamples + 1)


def _bootstrap(
    gaps: Sequence[float], trials: Sequence[int], seed: int, resamples: int, confidence: float
) -> tuple[float, float]:
    """Percentile interval of sum(gaps) / sum(trials) over resamples of clusters.

    Clusters that look alike are drawn together, from one multinomial: the same distribution as drawing each, at a
    cost that does not grow with their number. Where all clusters differ by the same, resampling knows nothing of the
    uncertainty; then a share of unseen clusters, as large as Wilson allows after 0 of so many, may differ by anything.
    """
    import numpy as np

    means = {gap / size for gap, size in zip(gaps, trials, strict=True)}
    if len(means) == 1:
        mean = means.pop()
        unseen = wilson(0, len(gaps), confidence)[1]
        most = max(1.0, abs(mean))
        seen = mean * (1 - unseen)
        return max(-most, seen - most * unseen), min(most, seen + most * unseen)
    alike = sorted(Counter(zip(gaps, trials, strict=True)).items())
    counts = np.array([count for _, count in alike], dtype=float)
    gap, size = (np.array([key[k] for key, _ in alike], dtype=float) for k in (0, 1))
    generator = np.random.default_rng(seed)
    estimates = np.empty(resamples)
    block = max(1, 4_000_000 // len(alike))
    for start in range(0, resamples, block):
        draws = generator.multinomial(len(gaps), counts / counts.sum(), min(block, resamples - start))
        estimates[start : start + block] = (draws @ gap) / (draws @ size)
    tail = (1 - confidence) / 2
    low, high = np.quantile(estimates, [tail, 1 - tail])
    return float(low), float(high)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given (Holm 1979, Scandinavian Journal of Statistics 6:65).

    The k-th smallest of m is multiplied by m - k + 1; none is less than a smaller one's.
    """
    adjusted = [1.0] * len(ps)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda index: ps[index])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = highest
    return adjusted


def phi(both: int, first: int, second: int, neither: int) -> float | None:
    """Correlation of two yes/no things over the cases where both can occur (Yule 1912); None where one never varies."""
    product = (both + first) * (second + neither) * (both + second) * (first + neither)
    return (both * neither - first * second) / math.sqrt(product) if product else None
