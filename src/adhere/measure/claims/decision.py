"""How a claim is decided: an effect, its interval, and a margin fixed in advance.

Rules:

- A claim says that an effect exceeds a margin. It is *confirmed* if the whole 95 % interval lies above the margin,
  *refuted* if the whole interval lies at or below it, and otherwise the answer is *cannot tell*. Claims that something
  is absent or smaller are written with the effect's sign turned.
- Effects of several skills are pooled by a random-effects mean with the interval of Hartung, Knapp, Sidik and Jonkman
  (Statistics in Medicine 2001, 20:3875; 2002, 21:3153), whose scale never falls below 1 (Roever, Knapp and Friede 2015,
  BMC Medical Research Methodology 15:99). So it covers skills of the same kind, not only the ones measured. Fewer than
  `FEWEST` skills decide nothing.
- The variance between skills is DerSimonian and Laird's. An interval of a single skill is taken as 2 * 1.96 standard
  errors wide; one that has no width gets the smallest width that n trials can have (1 / n on either side).
- A control that fails withholds the answer: it is *cannot tell*, and the reason is given.
- How often each rule confirms what is not there is simulated by `make validate`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from adhere.core.findings import Finding
from adhere.measure.statistics.rates import CONFIDENCE

Answer = Literal["confirmed", "refuted", "cannot tell", "not measured"]
Interval = tuple[float, float]

FEWEST = 4
"""Skills below which their mean says nothing of others."""


@dataclass(frozen=True)
class Effect:
    """One measured effect: of a skill, a training, a condition."""

    label: str
    estimate: float
    interval: Interval | None = None
    n: int = 0

    @property
    def error(self) -> float:
        """Standard error; 0 where there is no interval."""
        if self.interval is None:
            return 0.0
        width = max(self.interval[1] - self.interval[0], 2 / self.n if self.n else 0.0)
        return width / (2 * 1.959964)


@dataclass(frozen=True)
class Decided:
    """The answer to one claim on one model.

    Attributes:
        answer: confirmed, refuted, cannot tell, or not measured.
        why: the figure that decided, in one sentence.
        effect: the effect and its interval, as the rule reads it; None where nothing was measured.
        margin: what the effect was held against.
        units: the effects that were pooled, for the picture.
        model: the model or the trainings; empty where nothing was measured.
        recompute: the command that measures the evidence.
    """

    answer: Answer
    why: str
    effect: Effect | None = None
    margin: float = 0.0
    units: tuple[Effect, ...] = ()
    model: str = ""
    recompute: str = ""

    def withheld(self, why: str) -> Decided:
        """The same figures without an answer, because a control failed."""
        return replace(self, answer="cannot tell", why=f"{self.why} Withheld: {why}.")


def effect_of(finding: Finding, label: str, *, less: float = 0.0, sign: int = 1) -> Effect | None:
    """A finding's estimate less a constant, its sign turned where the claim is that it is small; None without one."""
    if finding.estimate is None:
        return None
    interval = None
    if finding.interval is not None:
        ends = sorted(sign * (end - less) for end in finding.interval)
        interval = (ends[0], ends[1])
    return Effect(label, sign * (finding.estimate - less), interval, finding.n)


def pooled(units: Sequence[Effect], confidence: float = CONFIDENCE) -> Effect | None:
    """The random-effects mean of `units` with its interval; None for fewer than `FEWEST`.

    Units without intervals are weighted alike, which gives Student's t interval of their mean.
    """
    import numpy as np
    from scipy.stats import t

    count = len(units)
    if count < FEWEST:
        return None
    y = np.array([unit.estimate for unit in units])
    within = np.array([unit.error**2 for unit in units])
    if (within <= 0).any():
        within = np.zeros(count)
        between = float(y.var(ddof=1)) or 1e-12
        scale = 1.0
    else:
        weight = 1 / within
        fixed = float((weight * y).sum() / weight.sum())
        q = float((weight * (y - fixed) ** 2).sum())
        spread = float(weight.sum() - (weight**2).sum() / weight.sum())
        between = max(0.0, (q - (count - 1)) / spread)
        scale = 0.0  # set below, from the weights that include the variance between skills
    weight = 1 / (within + between)
    mean = float((weight * y).sum() / weight.sum())
    if not scale:
        scale = max(1.0, float((weight * (y - mean) ** 2).sum()) / (count - 1))
    half = float(t.ppf(0.5 + confidence / 2, count - 1)) * math.sqrt(scale / float(weight.sum()))
    return Effect("mean", mean, (mean - half, mean + half), sum(unit.n for unit in units))


def decide(effect: Effect | None, margin: float, sentence: str, *, units: Sequence[Effect] = ()) -> Decided:
    """Hold an effect against its margin. `sentence` names the figure; the numbers are added to it."""
    if effect is None or effect.interval is None:
        return Decided("cannot tell", f"{sentence}: too few measurements for an interval.", None, margin, tuple(units))
    low, high = effect.interval
    answer: Answer = "confirmed" if low > margin else "refuted" if high <= margin else "cannot tell"
    of = f" over {len(units)}" if len(units) > 1 else ""
    why = f"{sentence}{of}: {effect.estimate:.3f} [{low:.3f}, {high:.3f}], margin {margin:g}."
    return Decided(answer, why, effect, margin, tuple(units))


def jackknife(values: Sequence[float], whole: float, n: int, confidence: float = CONFIDENCE) -> Effect:
    """An effect with Tukey's jackknife interval.

    Args:
        values: the statistic without each unit in turn.
        whole: the statistic of all units.
        n: what the finding's n is to be.
    """
    from scipy.stats import t

    count = len(values)
    mean = sum(values) / count
    error = math.sqrt((count - 1) / count * sum((value - mean) ** 2 for value in values))
    half = float(t.ppf(0.5 + confidence / 2, count - 1)) * error
    return Effect("jackknife", whole, (whole - half, whole + half), n)


def difference(a: Effect, b: Effect, label: str) -> Effect | None:
    """`a` less `b`, independent rates, by the square-and-add method (Newcombe 1998, Statistics in Medicine 17:873)."""
    if a.interval is None or b.interval is None:
        return None
    gap = a.estimate - b.estimate
    low = gap - math.hypot(a.estimate - a.interval[0], b.interval[1] - b.estimate)
    high = gap + math.hypot(a.interval[1] - a.estimate, b.estimate - b.interval[0])
    return Effect(label, gap, (low, high), a.n + b.n)
