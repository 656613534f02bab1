"""The frequency of each failure pattern under a condition, and its difference from control.

With B the problems that base solved and that are decided under the condition c and at control, and f_c(p) one where
the answer is lost under c by pattern p:

    lost(p, c) = mean of f_c(p)                       the share of solved problems lost this way
    net(p, c)  = mean of (f_c(p) - f_control(p))      paired by problem; sums over p to interference(c)

A pattern that the control shows as often is chance at work, not the constraint. Tests are McNemar's, exact, corrected
by Holm over the patterns of one condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adhere.core.findings import Control, Finding, Scalar
from adhere.measure.statistics.rates import (
    CONFIDENCE,
    RESAMPLES,
    Cluster,
    Difference,
    Rate,
    holm,
    paired,
    rate,
    reaching_zero,
)
from adhere.measure.sustain.failures import PATTERNS, Failure, Pair, Pattern, pairs
from adhere.measure.sustain.selection import Condition, Selection

ALL = "all"
UNIT = "share of problems solved at base"


@dataclass(frozen=True, slots=True)
class Share:
    """One pattern under one condition.

    Attributes:
        lost, control: share of solved problems lost this way under the condition, and at control.
        net: the difference, paired by problem.
        judged: how many a judge decided, of those under the condition.
        p_holm: p of the difference, corrected over the patterns of the condition.
    """

    condition: Condition
    domain: str
    pattern: Pattern
    lost: Rate
    control: Rate
    net: Difference
    judged: int
    p_holm: float

    @property
    def real(self) -> bool:
        return self.p_holm < 1 - CONFIDENCE

    @property
    def subject(self) -> dict[str, Scalar]:
        arm, k, position, factor = self.condition
        subject: dict[str, Scalar] = {"pattern": self.pattern, "domain": self.domain, "arm": arm, "k": k}
        return subject | {"position": position} | ({"factor": factor} if arm == "attend" else {})


@dataclass(frozen=True, slots=True)
class Lost:
    """What one model lost under some conditions, and why.

    Attributes:
        pairs: every outcome that was compared, condition by condition, with how it and its control were lost.
        shares: by condition, domain and pattern; patterns that neither arm shows are left out.
    """

    pairs: tuple[Pair, ...]
    shares: tuple[Share, ...]

    @property
    def found(self) -> list[Failure]:
        """What was lost under the conditions; the control's losses left out."""
        return [pair.under for pair in self.pairs if pair.under is not None]


def lost(
    selection: Selection,
    conditions: Iterable[Condition] | None = None,
    *,
    decided: Sequence[Pair] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Lost:
    """The patterns of what was lost under `conditions` (all that insert constraints, where none are named).

    `decided` are their pairs, where a judge has been over them.
    """
    if conditions is None:
        conditions = [condition for condition in selection.conditions if condition[0] == "constraint"]
    conditions = list(conditions)
    if decided is None:
        decided = [one for condition in conditions for one in pairs(selection.trials, condition)]
    domains = (ALL, *selection.domains) if len(selection.domains) > 1 else (ALL,)
    shares: list[Share] = []
    for condition in conditions:
        for domain in domains:
            mine = [one for one in decided if one.condition == condition and domain in (ALL, one.domain)]
            shares += _shares(mine, condition, domain, seed, resamples)
    return Lost(tuple(decided), tuple(shares))


def _shares(found: Sequence[Pair], condition: Condition, domain: str, seed: int, resamples: int) -> list[Share]:
    results = []
    for pattern in PATTERNS:
        sums: dict[str, list[int]] = {}
        judged = 0
        for pair in found:
            mine = sums.setdefault(pair.problem, [0, 0, 0])
            mine[0] += pair.under is not None and pair.under.pattern == pattern
            mine[1] += pair.control is not None and pair.control.pattern == pattern
            mine[2] += 1
            judged += pair.under is not None and pair.under.pattern == pattern and pair.under.judged
        if any(a or b for a, b, _ in sums.values()):
            net = paired([Cluster(*one) for one in sums.values()], seed=seed, resamples=resamples)
            here, there = rate((a, n) for a, _, n in sums.values()), rate((b, n) for _, b, n in sums.values())
            results.append(Share(condition, domain, pattern, here, there, net, judged, net.p))
    corrected = holm([one.net.p for one in results])
    return [
        Share(one.condition, one.domain, one.pattern, one.lost, one.control, one.net, one.judged, p)
        for one, p in zip(results, corrected, strict=True)
    ]


def findings(made: Lost, model: str, *, recompute: str = "", evidence: tuple[str, ...] = ()) -> list[Finding]:
    """`sustain.lost`, the share lost by each pattern beside the control's, and `sustain.lost.net`, their difference."""
    results = []
    for one in made.shares:
        subject: dict[str, Scalar] = {"model": model, **one.subject, "judged": one.judged}
        results.append(
            Finding(
                what="sustain.lost",
                subject=subject,
                estimate=one.lost.estimate,
                interval=one.lost.interval,
                n=one.lost.n,
                unit=UNIT,
                control=Control(what="control arm", estimate=one.control.estimate, interval=one.control.interval),
                recompute=recompute,
                evidence=evidence,
            )
        )
        tested: dict[str, Scalar] = {"test": one.net.test, "p": one.net.p, "p_holm": one.p_holm, "real": one.real}
        results.append(
            Finding(
                what="sustain.lost.net",
                subject=subject | tested,
                estimate=one.net.estimate,
                interval=one.net.interval if one.real else reaching_zero(one.net.interval),
                n=one.net.clusters,
                unit=UNIT,
                control=Control(what="none", estimate=0.0),
                recompute=recompute,
                evidence=evidence,
            )
        )
    return results
