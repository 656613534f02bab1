"""How well scores tell met from violated: AUC and balanced accuracy, with intervals that resample prompts.

Rules:
- Only rows of one fold are compared with each other, since the scores of two folds come from two probes: the AUC is the
  share of (met, violated) pairs within folds that are in the right order, ties counting half (Mann and Whitney 1947).
- Intervals are percentile bootstraps that draw whole prompts with replacement (Efron 1979); rows of one prompt are not
  independent. The same `Resamples` are used for everything on the same rows, so that differences are paired.
- These intervals are of testing, with the probes given. That other responses would have trained other probes is not in
  them; it shows in how widely the AUC of shuffled labels spreads, against which findings are held (`claims`).
- A draw in which no fold holds a pair has no AUC, and is left out of the quantiles.
"""

from __future__ import annotations

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

    @classmethod
    def of(cls, prompt: NDArray[np.int64], draws: int = RESAMPLES, seed: int = 0) -> Resamples:
        """Draw prompts with replacement, for rows of these prompts, shape (n,)."""
        numbers, row = np.unique(prompt, return_inverse=True)
        count = len(numbers)
        drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / max(count, 1)), size=draws)
        return cls(drawn.astype(np.float32)[:, row], count)


@dataclass(frozen=True)
class Estimate:
    """A number with its bootstrap draws: what differences and intervals are made of."""

    value: float
    draws: Floats = field(repr=False)
    n: int
    """Prompts that were resampled."""

    @property
    def interval(self) -> tuple[float, float]:
        """Percentile interval at 95 %; NaN where nothing could be drawn."""
        known = self.draws[np.isfinite(self.draws)]
        if not len(known):
            return float("nan"), float("nan")
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(known, [tail, 1 - tail])
        return float(low), float(high)

    def __sub__(self, other: Estimate) -> Estimate:
        """The difference: paired where both come from the same resamples."""
        return Estimate(self.value - other.value, self.draws - other.draws, min(self.n, other.n))


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
    )


def auc(
    scores: NDArray[np.float32], met: NDArray[np.bool_], fold: NDArray[np.int64], resamples: Resamples | None = None
) -> Estimate:
    """AUC of scores, shape (n,), within folds. Without resamples it has no interval, and n is 0."""
    draws = 0 if resamples is None else len(resamples.weights)
    won, pairs = 0.0, 0.0
    drawn_won, drawn_pairs = np.zeros(draws), np.zeros(draws)
    for number in np.unique(fold):
        up, down = np.flatnonzero((fold == number) & met), np.flatnonzero((fold == number) & ~met)
        if not len(up) or not len(down):
            continue
        pairs += len(up) * len(down)
        step = max(1, _PAIRS // len(down))
        for start in range(0, len(up), step):
            part = up[start : start + step]
            ahead = scores[part, None] - scores[None, down]
            order = np.heaviside(ahead, np.float32(0.5)).astype(np.float32)
            won += float(order.sum(dtype=np.float64))
            if resamples is not None:
                above, below = resamples.weights[:, part], resamples.weights[:, down]
                drawn_won += np.einsum("bi,bi->b", above @ order, below)
                drawn_pairs += above.sum(axis=1) * below.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Estimate(
            won / pairs if pairs else float("nan"), drawn_won / drawn_pairs, resamples.prompts if resamples else 0
        )


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
