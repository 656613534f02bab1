"""Intervals, clusters, paired differences, many comparisons at once.

Rules.

- A rate of independent trials has Wilson's interval (Wilson 1927), which keeps its coverage near 0 and 1.
- Trials of one cluster (instructions of one prompt, repeats of one prompt) are not independent: a rate over them has
  a standard error that is robust to clusters (Miller, "Adding Error Bars to Evals", arXiv 2411.00640, section 2.2),
  and Wilson's interval at the effective number of trials that this error implies, with Student's t at the effective
  number of clusters in place of the normal quantile (Korn and Graubard 1998, Survey Methodology 24:193; Franco et
  al. 2019). `rate` says how the design effect is kept from being underestimated where few clusters decide.
- Two subjects on the same prompts are compared by the differences of the pairs (Miller, section 4.2). Where the pairs
  are independent and binary: McNemar's exact test (McNemar 1947) and Newcombe's score interval. Elsewhere: a sign-flip
  permutation test of the clusters' sums and a bootstrap that resamples whole clusters (Efron 1979), or, for very many
  comparisons at once, a cluster-robust t test. Test and interval never disagree: an interval reaches to 0 where the
  test does not reject, and the test does not reject where the interval holds 0.
- Every figure needs only how many clusters scored what. Such counts add up, so parts of the data can be counted apart.
- Several comparisons made at once are corrected by Holm's step-down (Holm 1979).

Rates of single trials need nothing but the standard library, so that a small file is scored at once; clusters need
scipy's t quantile, and what draws random numbers numpy. Tests hold each function against scipy's, and `make validate`
simulates the coverage of the intervals.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

from adhere.core.intervals import CONFIDENCE as CONFIDENCE
from adhere.core.intervals import wilson as wilson

RESAMPLES = 10_000
"""Bootstrap and permutation draws: the 2.5 % quantile then has a Monte Carlo error of some 1.5 % of the width."""


FEW_CLUSTERS = 8
"""Below this many effective clusters the coverage of 95 % intervals may fall to 91 % (simulated at 5 clusters)."""

_PSEUDO = 2
"""Clusters of each outcome that are added for the design effect, as Agresti and Coull (1998) add trials."""


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
    effective_clusters: float = math.nan
    """Kish's effective number, (sum of sizes)^2 / sum of squared sizes: how many clusters of equal size decide."""

    @property
    def few(self) -> bool:
        """Whether so few clusters decide that the interval's coverage is not assured."""
        return self.effective_clusters < FEW_CLUSTERS


def rate(clusters: Iterable[tuple[int, int]], confidence: float = CONFIDENCE) -> Rate:
    """The share met over all trials, from (met, trials) of each cluster.

    Where every cluster is one trial this is Wilson's interval. Else, with x_c met of m_c trials in cluster c, p the
    overall share, C clusters and n trials:

    - the reported standard error is sqrt(C / (C - 1) * sum_c (x_c - p m_c)^2) / n (Miller, eq. 4);
    - the design effect is the same variance with each residual divided by 1 - m_c / n (the jackknife's correction for
      clusters that move p), over the variance of independent trials, but not less than 1. It is computed with two
      clusters that are met whole and two that fail whole added, of the size at which a trial's cluster lies on
      average: from a few large clusters that happen to agree the effect would be estimated far too small;
    - Wilson's interval is taken at n / effect * (z / t)^2 trials, t with Kish's effective clusters less one degrees
      of freedom.

    Coverage over clusters from 5 to 300, sizes from 1 to 40 mixed, shares from 0.05 to 0.98 and any correlation within
    clusters is at least 93 %, but for 5 clusters at 0.98, where it is 91 %.
    """
    return rate_of(Counter(clusters), confidence)


def rate_of(counts: Mapping[tuple[int, int], int], confidence: float = CONFIDENCE) -> Rate:
    """As `rate`, from how many clusters met so many of so many trials: `counts[met, trials]`.

    The counts are all that a rate needs of its clusters. Counts of parts of the data add up to those of the whole, and
    there are few different ones however many clusters there are.
    """
    pairs = [(met, trials, k) for (met, trials), k in sorted(counts.items()) if trials]
    met, n, count = sum(k * x for x, _, k in pairs), sum(k * m for _, m, k in pairs), sum(k for _, _, k in pairs)
    if not n:
        return Rate(math.nan, (0.0, 1.0), 0, 0, 0, math.nan, 0.0)
    share = met / n
    if n == count:
        return Rate(share, wilson(met, n, confidence), met, n, count, math.sqrt(share * (1 - share) / n), float(n))
    squares = sum(k * m * m for _, m, k in pairs)
    effective = n * n / squares
    if count == 1:
        return Rate(share, wilson(share, 1, confidence), met, n, 1, math.nan, 1.0)
    residuals = math.fsum(k * (x - share * m) ** 2 for x, m, k in pairs)
    trials = _effective_trials(pairs, met, n, squares, confidence)
    se = math.sqrt(count / (count - 1) * residuals) / n
    return Rate(share, wilson(share * trials, trials, confidence), met, n, count, se, effective)


def _effective_trials(
    pairs: Sequence[tuple[int, int, int]], met: int, n: int, squares: int, confidence: float
) -> float:
    """How many independent trials the clusters are worth for Wilson's interval; see `rate`."""
    from scipy.special import stdtrit

    size = squares / n
    all_trials = n + 2 * _PSEUDO * size
    share = (met + _PSEUDO * size) / all_trials
    count = sum(k for _, _, k in pairs)
    squared = math.fsum(k * ((x - share * m) / (1 - m / all_trials)) ** 2 for x, m, k in pairs)
    jackknife = (count - 1) / count * squared
    added = _PSEUDO * ((size * (1 - share)) ** 2 + (size * share) ** 2)
    effect = max(1.0, (jackknife + added) / (share * (1 - share) * all_trials))
    spread = NormalDist().inv_cdf(0.5 + confidence / 2) / stdtrit(max(1.0, n * n / squares - 1), 0.5 + confidence / 2)
    return float(n / effect * spread * spread)


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
    """Of the test, two-sided, not below 0.05 where the interval holds 0; not yet corrected for other comparisons."""
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
    """Compare two subjects on the trials that both answered.

    With `resamples` 0 nothing is drawn: clusters have a t test and interval from their robust standard error. That is
    for comparisons made in such numbers that no count of draws gives a p-value which survives their correction.
    """
    return paired_of(
        Counter((c.a, c.b, c.trials) for c in clusters), seed=seed, resamples=resamples, confidence=confidence
    )


def paired_of(
    counts: Mapping[tuple[float, float, int], int],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Difference:
    """As `paired`, from how many clusters scored so: `counts[a, b, trials]`. Counts of parts of the data add up."""
    n = sum(k * trials for (_, _, trials), k in counts.items())
    if not n:
        return Difference(math.nan, (-1.0, 1.0), 1.0, "none", 0, 0, 0, 0, math.nan)
    alike: Counter[tuple[float, int]] = Counter()
    for (a, b, trials), k in sorted(counts.items()):
        alike[a - b, trials] += k
    estimate = math.fsum(k * gap for (gap, _), k in alike.items()) / n
    count = sum(counts.values())
    squares = math.fsum(k * (gap - estimate * trials) ** 2 for (gap, trials), k in alike.items())
    se = math.sqrt(count / (count - 1) * squares) / n if count > 1 else math.nan
    more = sum(k for (gap, _), k in alike.items() if gap > 0)
    less = sum(k for (gap, _), k in alike.items() if gap < 0)
    if all(trials == 1 and a in (0, 1) and b in (0, 1) for a, b, trials in counts):
        p, test = mcnemar(more, less), "McNemar exact"
        interval = score_interval(counts.get((1, 1, 1), 0), more, less, counts.get((0, 0, 1), 0), confidence)
    elif resamples:
        gaps: Counter[float] = Counter()
        for (gap, _), k in alike.items():
            gaps[abs(gap)] += k
        signed = math.fsum(k * gap for (gap, _), k in alike.items())
        p, test = _sign_flips(gaps, signed, seed, resamples), "sign-flip permutation of prompts"
        interval = _bootstrap(alike, seed, resamples, confidence)
    else:
        p, test = _t_test(estimate, se, count), "cluster-robust t"
        interval = _t_interval(estimate, se, count, confidence)
    if p >= 1 - confidence:
        interval = reaching_zero(interval)
    elif interval[0] <= 0 <= interval[1]:
        p = 1 - confidence
    return Difference(estimate, interval, p, test, n, count, more, less, se)


def score_interval(
    both: int, only_a: int, only_b: int, neither: int, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Interval of the difference of two shares on the same n pairs: Newcombe's method 10 (1998, Statistics in Medicine
    17:2635), from the Wilson intervals of both shares and their correlation. It stays within [-1, 1] and has a width
    where all pairs agree."""
    n = both + only_a + only_b + neither
    a, b = both + only_a, both + only_b
    share_a, share_b = a / n, b / n
    (low_a, high_a), (low_b, high_b) = wilson(a, n, confidence), wilson(b, n, confidence)
    margins = a * (n - a) * b * (n - b)
    product = both * neither - only_a * only_b
    correlation = (max(product - n / 2, 0) if product > 0 else product) / math.sqrt(margins) if margins else 0.0

    def reach(x: float, y: float) -> float:
        return math.sqrt(max(0.0, x * x - 2 * correlation * x * y + y * y))

    gap = share_a - share_b
    return gap - reach(share_a - low_a, high_b - share_b), gap + reach(high_a - share_a, share_b - low_b)


def _t_test(estimate: float, se: float, count: int) -> float:
    from scipy.special import stdtr

    if not se > 0:
        return 1.0
    return float(2 * stdtr(count - 1, -abs(estimate) / se))


def _t_interval(estimate: float, se: float, count: int, confidence: float) -> tuple[float, float]:
    from scipy.special import stdtrit

    if not se > 0:
        return -1.0, 1.0
    reach = float(stdtrit(count - 1, 0.5 + confidence / 2)) * se
    return estimate - reach, estimate + reach


def reaching_zero(interval: tuple[float, float]) -> tuple[float, float]:
    """The interval, extended to 0: what is printed beside a test that does not reject, alone or after Holm."""
    return min(0.0, interval[0]), max(0.0, interval[1])


@lru_cache(maxsize=65_536)
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
    return _sign_flips(Counter(abs(gap) for gap in gaps), math.fsum(gaps), seed, resamples)


def _sign_flips(sizes: Mapping[float, int], observed: float, seed: int, resamples: int) -> float:
    import numpy as np

    differing = sorted((size, count) for size, count in sizes.items() if size)
    if not differing:
        return 1.0
    generator = np.random.default_rng(seed)
    sums = np.zeros(resamples)
    for size, count in differing:
        sums += size * (2.0 * generator.binomial(count, 0.5, resamples) - count)
    hits = int(np.count_nonzero(np.abs(sums) >= abs(observed) * (1 - 1e-9)))
    return (hits + 1) / (resamples + 1)


def _bootstrap(
    counts: Mapping[tuple[float, int], int], seed: int, resamples: int, confidence: float
) -> tuple[float, float]:
    """Percentile interval of sum(gaps) / sum(trials) over resamples of clusters, `counts[gap, trials]` of each kind.

    Clusters that look alike are drawn together, from one multinomial: the same distribution as drawing each, at a
    cost that does not grow with their number. Where all clusters differ by the same, resampling knows nothing of the
    uncertainty; then a share of unseen clusters, as large as Wilson allows after 0 of so many, may differ by anything.
    """
    import numpy as np

    clusters = sum(counts.values())
    means = {gap / size for gap, size in counts}
    if len(means) == 1:
        mean = means.pop()
        unseen = wilson(0, clusters, confidence)[1]
        most = max(1.0, abs(mean))
        seen = mean * (1 - unseen)
        return max(-most, seen - most * unseen), min(most, seen + most * unseen)
    alike = sorted(counts.items())
    weights = np.array([count for _, count in alike], dtype=float) / clusters
    gap, size = (np.array([key[k] for key, _ in alike], dtype=float) for k in (0, 1))
    generator = np.random.default_rng(seed)
    estimates = np.empty(resamples)
    block = max(1, 4_000_000 // len(alike))
    for start in range(0, resamples, block):
        draws = generator.multinomial(clusters, weights, min(block, resamples - start))
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
