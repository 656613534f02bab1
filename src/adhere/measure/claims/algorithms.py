"""Claim 9: with more attention, training finds the Clock instead of the Pizza (arXiv 2306.17844).

Rules:

- Trainings of a one-layer transformer on addition that are right on at least `SOLVED` of the held-out pairs count.
- Confirmed if the mean gradient symmetricity at attention rates up to `LOW` exceeds that at rates from `HIGH` by more
  than `GAP` (Welch's interval), each with at least `FEWEST` trainings; refuted if the interval ends at `GAP` or below.
"""

from __future__ import annotations

import math
import statistics

from adhere.measure.claims.decision import Decided, Effect, decide
from adhere.measure.claims.evidence import Evidence

SOLVED = 0.99
LOW, HIGH = 0.3, 0.7
GAP = 0.1
FEWEST = 3
NEEDED = {"model": "transformer", "task": "add-59"}


def phase(evidence: Evidence) -> Decided | None:
    """9: the phase change from Pizza to Clock along the attention rate."""
    from scipy.stats import t

    solved = {
        (one.subject.get("alpha"), one.subject.get("seed"))
        for one in evidence.all("modular.accuracy", **NEEDED)
        if (one.estimate or 0.0) >= SOLVED
    }
    runs = [
        (float(one.subject["alpha"]), one.estimate)
        for one in evidence.all("modular.gradient_symmetricity", **NEEDED)
        if one.estimate is not None and (one.subject.get("alpha"), one.subject.get("seed")) in solved
    ]
    if not runs:
        return None
    rates = sorted({rate for rate, _ in runs})
    units = tuple(_at(rate, [value for at, value in runs if at == rate]) for rate in rates)
    low = [value for rate, value in runs if rate <= LOW]
    high = [value for rate, value in runs if rate >= HIGH]
    sentence = f"Gradient symmetricity at alpha up to {LOW:g} less that from {HIGH:g} on, {len(runs)} trainings"
    if min(len(low), len(high)) < FEWEST:
        return Decided("cannot tell", f"{sentence}: fewer than {FEWEST} at an end.", None, GAP, units)
    gap = statistics.fmean(low) - statistics.fmean(high)
    a, b = statistics.variance(low) / len(low), statistics.variance(high) / len(high)
    freedom = (a + b) ** 2 / (a**2 / (len(low) - 1) + b**2 / (len(high) - 1)) if a + b else 1.0
    half = float(t.ppf(0.975, freedom)) * math.sqrt(a + b)
    effect = Effect("low - high", gap, (gap - half, gap + half), len(runs))
    decided = decide(effect, GAP, sentence)
    return Decided(decided.answer, decided.why, effect, GAP, units)


def _at(rate: float, values: list[float]) -> Effect:
    return Effect(f"alpha {rate:g}", statistics.median(values), (min(values), max(values)), len(values))
