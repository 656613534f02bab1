"""The scores: definitions and computation.

With B the problems whose base answer is correct, y_0 the verdict on the base prompt asked again (control), y_c the
verdict under condition c, and m_c the verdicts on the constraints inserted, all averages over B:

    Sustain(c)      = mean of y_c                = P(correct under c | correct at base)          arXiv 2601.22047
    interference(c) = mean of (y_0 - y_c)        = P(correct at control | base) - Sustain(c)      ours: net, paired
    beyond(c)       = mean of (y_p - y_c)        = the same against the placebo p of c's length at c's place: what
                                                   asking, and not length, place or novelty, costs
    IF(c)           = mean of m_c                = P(constraint met under c | correct at base)
    AUC             = sum over k of w_k mean of y_k, w the trapezoid's weights over log2 k, made to sum to 1

Sustain alone mistakes luck for interference: an item is in B because it was solved once, and some of what was solved by
luck is lost whenever it is asked again. The control arm loses as much by luck and no more, so that it drops out of the
difference; arms that ask for nothing (placebo, long) show what length and novelty take of it.

Rules:

- Rates carry Wilson's interval, robust to clusters; differences that of a bootstrap over problems, and McNemar's exact
  test (a permutation of problems where they were asked in several epochs). See `measure.statistics`.
- A difference is over the problems on which control and c are both decided; the control stated beside Sustain(c) is
  over the same. What is undecided is left out and counted.
- IF's control: how often the control's answers, which were asked for nothing, meet the very same constraints.
- "type" is the kind of the one constraint inserted (k = 1, behind the problem).
- Holm's correction runs over all comparisons of one breakdown: by condition, by domain and condition, by type, by
  domain and type. *Real* means p < 0.05 after it.
- The k-curve's area is over the problems that are decided at every k, so that the curve is of the same problems along
  its whole length; it is linear in their verdicts, so it has the interval of a mean.
- Nothing is divided by a count of nothing: a domain that base never solves is named as such (`Selection.solved`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from adhere.core.findings import Scalar
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
from adhere.measure.sustain import power as powers
from adhere.measure.sustain.outcome import ArmOutcome
from adhere.measure.sustain.selection import ALONE, BaseTrial, Condition, Selection, select

ALPHA = 1 - CONFIDENCE
ALL = "all"
"""The domain of a score over all domains."""
PROBLEMS = "share of problems solved at base"


@dataclass(frozen=True, slots=True)
class Score:
    """One condition, in one domain or all, for one type of constraint or all.

    Attributes:
        condition: arm, k, position, factor.
        domain: the domain, or "all".
        kind: the type of constraint; empty for all.
        sustain: share correct under the condition.
        control: share correct at control, on the problems of `interference`.
        interference: control less condition, paired.
        beyond: placebo of that length at the same place less condition, paired; n is 0 where there is none.
        met: share of the inserted constraints met; n counts constraints, 0 where the condition inserts none.
        unasked: share of the same constraints that the control's answers meet.
        undecided: outcomes under the condition that could not be decided.
        p_holm: p of the interference, corrected within its breakdown.
    """

    condition: Condition
    domain: str
    kind: str
    sustain: Rate
    control: Rate
    interference: Difference
    beyond: Difference
    met: Rate
    unasked: Rate
    undecided: int
    p_holm: float = 1.0

    @property
    def real(self) -> bool:
        """Whether the interference is more than chance explains."""
        return self.p_holm < ALPHA

    @property
    def subject(self) -> dict[str, Scalar]:
        """The condition in the words of a finding's subject."""
        arm, k, position, factor = self.condition
        subject: dict[str, Scalar] = {"domain": self.domain, "arm": arm, "k": k, "position": position}
        if self.kind:
            subject["type"] = self.kind
        if arm == "attend":
            subject["factor"] = factor
        return subject


@dataclass(frozen=True, slots=True)
class Area:
    """The area under the k-curve, between 0 and 1.

    Attributes:
        domain: the domain, or "all".
        ks: the numbers of constraints along the curve.
        area: AUC of Sustain, with its interval; `n` problems.
        loss: what control keeps more, paired on the same problems.
        left_out: trials that were not decided at every k.
    """

    domain: str
    ks: tuple[int, ...]
    area: Difference
    loss: Difference
    left_out: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything that is scored of one model's run."""

    model: str
    selection: Selection
    conditions: tuple[Score, ...]
    by_domain: tuple[Score, ...]
    by_type: tuple[Score, ...]
    by_domain_and_type: tuple[Score, ...]
    areas: tuple[Area, ...]
    power: powers.Power | None

    def of(self, arm: str, *, k: int | None = None, position: str = "after", factor: float = 1.0) -> list[Score]:
        """The scores over all domains of an arm, k rising."""
        matching = [
            score
            for score in self.conditions
            if score.condition[0] == arm
            and score.condition[2:] == (position, factor)
            and k in (None, score.condition[1])
        ]
        return sorted(matching, key=lambda score: score.condition[1])


def score(
    trials: Iterable[BaseTrial],
    condition: Condition,
    *,
    domain: str = ALL,
    kind: str = "",
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Score:
    """The scores of `condition` on the trials that were asked under it; those of one domain or type where given."""
    sustain, met, unasked = _Sums(), _Sums(), _Sums()
    against_control: dict[str, list[int]] = {}
    against_placebo: dict[str, list[int]] = {}
    placebo: Condition = ("placebo", condition[1], condition[2], 1.0)
    undecided = 0
    for trial, outcome in _asked(trials, condition, domain, kind):
        met.add(trial.problem, tuple(verdict is True for verdict in outcome.met))
        unasked.add(trial.problem, trial.unasked(outcome))
        if outcome.correct is None:
            undecided += 1
            continue
        sustain.add(trial.problem, (outcome.correct,))
        asks = condition[0] in ("constraint", "attend")
        idle = next(iter(trial.of(placebo)), None) if asks else None
        for other, pairs in ((trial.control, against_control), (idle, against_placebo)):
            if other is not None and other.correct is not None:
                sums = pairs.setdefault(trial.problem, [0, 0, 0])
                sums[0] += other.correct
                sums[1] += outcome.correct
                sums[2] += 1
    net, beyond = (
        paired([Cluster(*sums) for sums in pairs.values()], seed=seed, resamples=resamples)
        for pairs in (against_control, against_placebo)
    )
    return Score(
        condition=condition,
        domain=domain,
        kind=kind,
        sustain=sustain.rate,
        control=rate((sums[0], sums[2]) for sums in against_control.values()),
        interference=net,
        beyond=beyond,
        met=met.rate,
        unasked=unasked.rate,
        undecided=undecided,
    )


def _asked(
    trials: Iterable[BaseTrial], condition: Condition, domain: str, kind: str
) -> Iterator[tuple[BaseTrial, ArmOutcome]]:
    for trial in trials:
        if domain in (ALL, trial.domain):
            yield from ((trial, one) for one in trial.of(condition) if not kind or one.kinds == (kind,))


class _Sums:
    """Verdicts, gathered by problem."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[int, int]] = {}

    def add(self, problem: str, verdicts: Sequence[bool]) -> None:
        if verdicts:
            met, n = self._sums.get(problem, (0, 0))
            self._sums[problem] = met + sum(verdicts), n + len(verdicts)

    @property
    def rate(self) -> Rate:
        return rate(self._sums.values())


def scores(outcomes: Iterable[ArmOutcome], *, seed: int = 0, resamples: int = RESAMPLES) -> Scores:
    """Everything there is to score of one model's outcomes.

    Raises:
        ValueError: the outcomes are of several models.
    """
    outcomes = list(outcomes)
    selection = select(outcomes)
    trials, conditions, domains = selection.trials, selection.conditions, selection.domains
    kinds = sorted({one.kinds[0] for trial in trials for one in trial.of(ALONE) if one.kinds})

    def made(condition: Condition, domain: str = ALL, kind: str = "") -> Score:
        return score(trials, condition, domain=domain, kind=kind, seed=seed, resamples=resamples)

    by_condition = [made(condition) for condition in conditions]
    by_domain = [made(condition, domain) for domain in domains for condition in conditions]
    by_type = [made(ALONE, kind=kind) for kind in kinds]
    crossed = [made(ALONE, domain, kind) for domain in domains for kind in kinds]
    several = len(domains) > 1
    return Scores(
        model=outcomes[0].model if outcomes else "",
        selection=selection,
        conditions=_corrected(by_condition),
        by_domain=_corrected(by_domain),
        by_type=_corrected(by_type),
        by_domain_and_type=_corrected(crossed),
        areas=tuple(
            area
            for domain in ((ALL, *domains) if several else (ALL,))
            if (area := _area(trials, conditions, domain, seed, resamples)) is not None
        ),
        power=_power(selection, by_condition),
    )


def _corrected(found: Iterable[Score]) -> tuple[Score, ...]:
    """The scores that have an outcome at all, their p-values corrected together."""
    kept = [one for one in found if one.sustain.n or one.undecided]
    tested = [one for one in kept if one.interference.n]
    corrected = dict(zip(map(id, tested), holm([one.interference.p for one in tested]), strict=True))
    return tuple(_agreeing(one, corrected.get(id(one), 1.0)) for one in kept)


def _agreeing(one: Score, p_holm: float) -> Score:
    """With its corrected p, and an interval that reaches to 0 where that p does not reject."""
    net = one.interference
    if p_holm >= ALPHA:
        net = replace(net, interval=reaching_zero(net.interval))
    return replace(one, p_holm=p_holm, interference=net)


def weights(ks: Sequence[int]) -> list[float]:
    """The trapezoid's weights of the points log2 k, made to sum to 1; `ks` rise and are two at least."""
    at = [math.log2(k) for k in ks]
    width = at[-1] - at[0]
    inner = [at[0], *at, at[-1]]
    return [(inner[i + 2] - inner[i]) / (2 * width) for i in range(len(at))]


def _area(
    trials: Iterable[BaseTrial], conditions: Iterable[Condition], domain: str, seed: int, resamples: int
) -> Area | None:
    """The area under the curve of the constraints behind the problem; None where the curve has less than two points."""
    curve = sorted(c for c in conditions if c[0] == "constraint" and c[2] == "after" and c[1] > 0)
    ks = tuple(condition[1] for condition in curve)
    if len(ks) < 2:
        return None
    shares = weights(ks)
    areas: dict[str, list[float]] = {}
    losses: dict[str, list[float]] = {}
    left_out = 0
    for trial in trials:
        if domain not in (ALL, trial.domain):
            continue
        decided = [[one.correct for one in trial.of(c) if one.correct is not None] for c in curve]
        if not all(decided):
            left_out += 1
            continue
        known = [sum(verdicts) / len(verdicts) for verdicts in decided]
        own = math.fsum(share * verdict for share, verdict in zip(shares, known, strict=True))
        areas.setdefault(trial.problem, []).append(own)
        control = trial.control
        if control is not None and control.correct is not None:
            losses.setdefault(trial.problem, []).append(control.correct - own)
    if not areas:
        return None
    return Area(
        domain,
        ks,
        _mean(areas.values(), seed, resamples, within=(0.0, 1.0)),
        _mean(losses.values(), seed, resamples, within=(-1.0, 1.0)),
        left_out,
    )


def _mean(values: Iterable[Sequence[float]], seed: int, resamples: int, within: tuple[float, float]) -> Difference:
    difference = paired([Cluster(math.fsum(own), 0.0, len(own)) for own in values], seed=seed, resamples=resamples)
    low, high = difference.interval
    return replace(difference, interval=(max(within[0], low), min(within[1], high)))


def _power(selection: Selection, found: Sequence[Score]) -> powers.Power | None:
    """The power statement for one constraint behind the problem; None where no pair was compared."""

    compared = [one for one in found if one.condition[0] in ("constraint", "placebo", "long") and one.interference.n]
    constraint = next((one for one in compared if one.condition[0] == "constraint"), None)
    if constraint is None:
        return None
    asked = sum(one.share.n for one in selection.solved)
    solved = sum(one.share.met for one in selection.solved)
    apart = [(one.interference.only_a + one.interference.only_b) / one.interference.clusters for one in compared]
    chance = min(*apart, 2 * (1 - constraint.control.estimate))
    return powers.statement(constraint.interference.clusters, chance + powers.DROP, solved / asked)
