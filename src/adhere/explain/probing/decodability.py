"""How well scores tell met from violated: AUC and balanced accuracy, with intervals that resample prompts.

Rules:
- Only rows of one fold are compared with each other, since the scores of two folds come from two probes: the AUC is the
  share of (met, violated) pairs within folds that are in the right order, ties counting half (Mann and Whitney 1947).
- Bootstraps draw whole prompts with replacement (Efron 1979); rows of one prompt are not independent. The same
  `Resamples` are used for everything on the same rows, so that differences are paired.
- The interval of an AUC and of a share is not the bootstrap's, which is [1, 1] where all pairs are in order: `limits`.
  Sums and differences of estimates with limits take theirs from both, with the correlation of the draws (MOVER: Zou and
  Donner 2008, Statistics in Medicine 27:1693). What has no limits has the percentile interval of its draws.
- These intervals are of testing, with the probes given. That other responses would have trained other probes is not in
  them; it shows in how widely the AUC of shuffled labels spreads, against which findings are held (`claims`).
- A draw in which no fold holds a pair has no AUC, and is left out of the quantiles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from adhere.core.intervals import CONFIDENCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESAMPLES = 1000

_PAIRS = 4_000_000
"""Comparisons held in memory at once."""


@dataclass(frozen=True)
class Resamples:
    """How often each row counts in each bootstrap draw, shape (draws, n); `prompts` is how many there are to draw."""

    weights: NDArray[np.float32]
    prompts: int
    row: NDArray[np.int64]
    """The prompt of each row, numbered from 0, shape (n,)."""

    @classmethod
    def of(cls, prompt: NDArray[np.int64], draws: int = RESAMPLES, seed: int = 0) -> Resamples:
        """Draw prompts with replacement, for rows of these prompts, shape (n,)."""
        numbers, row = np.unique(prompt, return_inverse=True)
        count = len(numbers)
        drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / max(count, 1)), size=draws)
        return cls(drawn.astype(np.float32)[:, row], count, row)


@dataclass(frozen=True)
class Estimate:
    """A number with its bootstrap draws: what differences and intervals are made of."""

    value: float
    draws: Floats = field(repr=False)
    n: int
    """Prompts that were resampled."""

    limits: tuple[float, float] | None = None
    """An interval at 95 % that covers at the ends of the scale too; None for the percentiles of the draws."""

    @property
    def interval(self) -> tuple[float, float]:
        """Interval at 95 %: the limits, or the percentiles of the draws; NaN where nothing could be drawn."""
        if self.limits is not None:
            return self.limits
        known = self.draws[np.isfinite(self.draws)]
        if not len(known):
            return float("nan"), float("nan")
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(known, [tail, 1 - tail])
        return float(low), float(high)

    def __sub__(self, other: Estimate) -> Estimate:
        """The difference: paired where both come from the same resamples."""
        value, draws = self.value - other.value, self.draws - other.draws
        return Estimate(value, draws, min(self.n, other.n), combined([self, other], [1.0, -1.0]))


def pooled(estimates: Sequence[Estimate]) -> Estimate:
    """Their mean, with the draws of all: the interval is that of one of them, not of the mean."""
    return Estimate(
        float(np.mean([e.value for e in estimates])),
        np.concatenate([e.draws for e in estimates]),
        min(e.n for e in estimates),
    )


def mean(estimates: list[Estimate]) -> Estimate:
    """The mean of estimates on the same resamples."""
    return Estimate(
        float(np.mean([e.value for e in estimates])),
        np.mean([e.draws for e in estimates], axis=0),
        min(e.n for e in estimates),
        combined(estimates, [1 / len(estimates)] * len(estimates)),
    )


def combined(estimates: Sequence[Estimate], weights: Sequence[float]) -> tuple[float, float] | None:
    """Limits of the weighted sum of estimates on the same resamples; None unless all have limits.

    MOVER: the distance from each value to its nearer limit stands for its standard error on that side. Draws that do
    not vary tell no correlation; it is then taken as none.
    """
    limits = [e.limits for e in estimates if e.limits is not None]
    if len(limits) < len(estimates):
        return None
    value = np.array([e.value for e in estimates])
    low, high = np.array(limits).T
    share = np.array(weights)
    draws = np.stack([e.draws for e in estimates])
    draws = draws[:, np.isfinite(draws).all(axis=0)]
    related = np.eye(len(estimates))
    if draws.shape[1] > 1:
        moving = np.flatnonzero(draws.std(axis=1) > 0)
        if len(moving) > 1:
            related[np.ix_(moving, moving)] = np.corrcoef(draws[moving])
    below = share * np.where(share > 0, value - low, high - value)
    above = share * np.where(share > 0, high - value, value - low)
    middle = float(share @ value)
    reach = [math.sqrt(max(0.0, float(side @ related @ side))) for side in (below, above)]
    return middle - reach[0], middle + reach[1]


@dataclass(frozen=True)
class Units:
    """What decides how far an AUC may be off.

    Attributes:
        folds: rows met and violated of each fold that has both.
        clusters: prompts with a met row, and prompts with a violated row.
        size: rows in the prompt in which a row lies on average.
    """

    folds: tuple[tuple[int, int], ...]
    clusters: tuple[int, int]
    size: float


def auc_limits(value: float, variance: float, units: Units) -> tuple[float, float]:
    """Interval at 95 % of an AUC within folds, by inverting a score test (Newcombe 2006, method 5).

    Args:
        value: the AUC.
        variance: its variance over prompts, from what each prompt moves it by (DeLong 1988; clusters: Obuchowski
            1997, Biometrics 53:567).
        units: what it was computed from.

    The limits are the theta with |value - theta| = t sqrt(deff V(theta)), V being Hanley and McNeil's variance (1982,
    Radiology 143:29) with Newcombe's mean sample size (Statistics in Medicine 25:559), averaged over the folds by
    their pairs. V does not vanish where the value is 1. The design effect `deff` is `variance` over V(value), both
    with what one misplaced pair of prompts would add, and not less than 1: where no pair is out of order it is half
    way to that of rows of a prompt that are all alike. t has the rarer class's prompts less one degrees of freedom.
    Simulated from 20 prompts and AUC 0.5 to 0.995: see docs/results/validity.md.
    """
    if not math.isfinite(value) or not units.folds:
        return float("nan"), float("nan")
    from scipy.optimize import brentq
    from scipy.special import stdtrit

    rarer = min(units.clusters)
    shrunk = (value * rarer + 0.5) / (rarer + 1)
    added = max(0.0, _variance(shrunk, units.folds) - _variance(value, units.folds))
    plain = _variance(value, units.folds)
    deff = max(1.0, (variance + (1 + units.size) / 2 * added) / (plain + added)) if plain + added > 0 else units.size
    t = float(stdtrit(max(1.0, rarer - 1.0), 0.5 + CONFIDENCE / 2))

    def gap(theta: float) -> float:
        return (value - theta) ** 2 - t * t * deff * _variance(theta, units.folds)

    low = 0.0 if value <= 0 else float(brentq(gap, 0.0, value - 1e-12))
    high = 1.0 if value >= 1 else float(brentq(gap, value + 1e-12, 1.0))
    return low, high


def _variance(theta: float, folds: Sequence[tuple[int, int]]) -> float:
    """Hanley and McNeil's variance of an AUC of `theta` over pairs within folds, with Newcombe's sample size."""
    pairs = sum(up * down for up, down in folds)
    total = 0.0
    for up, down in folds:
        inner = (up + down) / 2 - 1
        own = theta * (1 - theta) * (1 + inner * ((1 - theta) / (2 - theta) + theta / (1 + theta)))
        total += own * up * down
    return total / (pairs * pairs)


def auc(
    scores: NDArray[np.float32], met: NDArray[np.bool_], fold: NDArray[np.int64], resamples: Resamples | None = None
) -> Estimate:
    """AUC of scores, shape (n,), within folds. Without resamples it has no interval, and n is 0."""
    draws = 0 if resamples is None else len(resamples.weights)
    won, pairs = 0.0, 0.0
    drawn_won, drawn_pairs = np.zeros(draws), np.zeros(draws)
    folds: list[tuple[int, int]] = []
    row_wins, row_pairs = np.zeros(len(scores)), np.zeros(len(scores))
    for number in np.unique(fold):
        up, down = np.flatnonzero((fold == number) & met), np.flatnonzero((fold == number) & ~met)
        if not len(up) or not len(down):
            continue
        pairs += len(up) * len(down)
        folds.append((len(up), len(down)))
        row_pairs[up], row_pairs[down] = len(down), len(up)
        step = max(1, _PAIRS // len(down))
        for start in range(0, len(up), step):
            part = up[start : start + step]
            ahead = scores[part, None] - scores[None, down]
            order = np.heaviside(ahead, np.float32(0.5)).astype(np.float32)
            won += float(order.sum(dtype=np.float64))
            row_wins[part] = order.sum(axis=1, dtype=np.float64)
            row_wins[down] += order.sum(axis=0, dtype=np.float64)
            if resamples is not None:
                above, below = resamples.weights[:, part], resamples.weights[:, down]
                drawn_won += np.einsum("bi,bi->b", above @ order, below)
                drawn_pairs += above.sum(axis=1) * below.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = drawn_won / drawn_pairs
    value = won / pairs if pairs else float("nan")
    if resamples is None:
        return Estimate(value, drawn, 0)
    moves = np.bincount(resamples.row, row_wins - value * row_pairs) / max(1.0, pairs)
    variance = float(np.square(moves).sum()) * len(moves) / max(1, len(moves) - 1)
    sizes = np.bincount(resamples.row)
    clusters = (len(np.unique(resamples.row[met])), len(np.unique(resamples.row[~met])))
    units = Units(tuple(folds), clusters, float(np.square(sizes).sum() / max(1, sizes.sum())))
    limits = auc_limits(value, variance, units)
    return Estimate(value, drawn, resamples.prompts, limits)


def aucs(scores: NDArray[np.float32], met: NDArray[np.bool_], fold: NDArray[np.int64]) -> Floats:
    """AUC within folds of many columns at once, scores of shape (..., n), without intervals: shape (...,)."""
    from scipy.stats import rankdata

    won = np.zeros(scores.shape[:-1])
    pairs = 0.0
    for number in np.unique(fold):
        rows = fold == number
        up = met[rows]
        above, below = int(up.sum()), int((~up).sum())
        if above and below:
            ranks = rankdata(scores[..., rows], axis=-1)
            won += ranks[..., up].sum(axis=-1) - above * (above + 1) / 2
            pairs += above * below
    return won / pairs if pairs else np.full(scores.shape[:-1], np.nan)


def balanced_accuracy(
    scores: NDArray[np.float32], met: NDArray[np.bool_], resamples: Resamples | None = None
) -> Estimate:
    """Mean of the shares of met and of violated rows that fall on their side of zero."""
    right = (scores > 0) == met
    value = (right[met].mean() + right[~met].mean()) / 2 if met.any() and not met.all() else float("nan")
    if resamples is None:
        return Estimate(float(value), np.zeros(0), 0)
    w = resamples.weights
    with np.errstate(invalid="ignore", divide="ignore"):
        sides = [(w[:, side] @ right[side].astype(np.float32)) / w[:, side].sum(axis=1) for side in (met, ~met)]
        return Estimate(float(value), (sides[0] + sides[1]) / 2, resamples.prompts)
