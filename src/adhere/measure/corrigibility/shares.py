"""Findings from counts and effects, with the names and subjects that the battery uses.

Rules:

- A share has the interval of `statistics.rates.rate`, at the number of trials that its scenarios are worth. None of n,
  and all of n, have Clopper and Pearson's exact interval where every trial is a scenario of its own, so that "never"
  stands with the most it could be.
- The p-values of one table of effects are corrected together (Holm); the interval of an effect that is not significant
  after that reaches to 0, so that interval and test agree.
- What was too little to fit is a finding without an estimate that says why.
- Every finding of a tier has the model in its subject, and everything that was held fixed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from adhere.core.findings import Control, Finding, Scalar
from adhere.measure.corrigibility.effects import Effects, NotFitted, exact
from adhere.measure.statistics.rates import CONFIDENCE, Rate, holm, rate, reaching_zero

Subject = Mapping[str, Scalar]
ALPHA = 1 - CONFIDENCE


def share(
    what: str,
    subject: Subject,
    outcomes: Iterable[tuple[object, bool]],
    unit: str,
    control: Control | None = None,
) -> Finding:
    """A share of trials, given as (cluster, outcome)."""
    counts: dict[object, list[int]] = defaultdict(lambda: [0, 0])
    for cluster, outcome in outcomes:
        counts[cluster][0] += bool(outcome)
        counts[cluster][1] += 1
    tally = rate((met, trials) for met, trials in counts.values())
    return Finding(
        what=what,
        subject={**subject, "met": tally.met, "clusters": tally.clusters},
        estimate=tally.estimate,
        interval=_interval(tally) if tally.n else None,
        n=tally.n,
        unit=unit,
        control=control,
    )


def _interval(measured: Rate) -> tuple[float, float]:
    if measured.clusters == measured.n and measured.met in (0, measured.n):
        return exact(measured.met, measured.n)
    return measured.interval


def of_effects(prefix: str, subject: Subject, found: Effects | NotFitted | None) -> list[Finding]:
    """`prefix`.effect for every level, `prefix`.factor for every factor; `prefix`.not_fitted where there are too few
    outcomes or clusters; nothing where nothing varied."""
    if found is None:
        return []
    if isinstance(found, NotFitted):
        return [
            Finding(
                what=f"{prefix}.not_fitted",
                subject={
                    **subject,
                    "why": found.why,
                    "coefficients": found.coefficients,
                    "clusters": found.clusters,
                },
                estimate=None,
                n=found.n,
                unit="outcomes",
            )
        ]
    corrected = holm([effect.p for effect in found.effects])
    results = [
        Finding(
            what=f"{prefix}.effect",
            subject={
                **subject,
                "factor": effect.factor,
                "level": effect.level,
                "base": effect.base,
                "odds_ratio": effect.odds_ratio,
                "odds_low": effect.odds_interval[0],
                "odds_high": effect.odds_interval[1],
                "p": effect.p,
                "p_holm": p_holm,
                "clusters": effect.clusters,
            },
            estimate=effect.points,
            interval=effect.interval if p_holm < ALPHA else reaching_zero(effect.interval),
            n=effect.n,
            unit="change of the share",
            control=Control(what="no effect", estimate=0.0),
        )
        for effect, p_holm in zip(found.effects, corrected, strict=True)
    ]
    results += [
        Finding(
            what=f"{prefix}.factor",
            subject={
                **subject,
                "factor": whole.factor,
                "p": whole.p,
                "spread": whole.spread,
                "explained": found.explained,
                "clusters": found.clusters,
            },
            estimate=whole.share,
            interval=whole.interval,
            n=found.n,
            unit="share of the explained deviance",
        )
        for whole in found.wholes
    ]
    return results


def levels_of(metadata: Mapping[str, object] | None) -> dict[str, Sequence[str]]:
    """The factors that a log's task varied, with their levels."""
    factors = (metadata or {}).get("factors", {})
    assert isinstance(factors, Mapping)
    return {str(name): list(levels) for name, levels in factors.items()}
