"""The scores as findings, under the names `sustain.*`.

    score, if          a rate; its control is the control arm's
    interference       paired with control; its control is the placebo's interference, where there is one
    beyond_placebo     paired with the placebo of that length
    auc                area under the k-curve; its control is what the control arm keeps more
    solved, needed     how much base solved; how many problems a drop of 0.05 takes

A finding is `real` where its p, corrected by Holm within its breakdown, is under 0.05.
"""

from __future__ import annotations

from collections.abc import Iterable

from adhere.core.findings import Control, Finding, Scalar
from adhere.measure.sustain.scores import PROBLEMS, Score, Scores


def findings(made: Scores, *, recompute: str = "", evidence: tuple[str, ...] = ()) -> list[Finding]:
    """The scores as findings: `sustain.` score, interference, beyond_placebo, if, auc, solved and needed."""
    shared = {"recompute": recompute, "evidence": evidence}
    results = [*_of_selection(made), *_of_curve(made)]
    idle = {(one.domain, *one.condition[1:3]): one for one in (*made.conditions, *made.by_domain) if _is_placebo(one)}
    for one in (*made.conditions, *made.by_domain, *made.by_type, *made.by_domain_and_type):
        k, place = one.condition[1:3]
        beside = idle.get((one.domain, k, place)) or idle.get((one.domain, k, "after"))
        results += _of_score(one, made.model, beside)
    return [finding.model_copy(update=shared) for finding in results]


def _is_placebo(one: Score) -> bool:
    return one.condition[0] == "placebo"


def _of_score(one: Score, model: str, placebo: Score | None) -> Iterable[Finding]:
    subject: dict[str, Scalar] = {"model": model, **one.subject}
    difference = one.interference
    if one.sustain.n:
        control = Control(what="control arm", estimate=one.control.estimate, interval=one.control.interval)
        yield Finding(
            what="sustain.score",
            subject=subject,
            estimate=one.sustain.estimate,
            interval=one.sustain.interval,
            n=one.sustain.n,
            unit=PROBLEMS,
            control=control if one.control.n else None,
        )
    if difference.n:
        without = Control(what="none", estimate=0.0)
        if placebo is not None and not _is_placebo(one) and placebo.interference.n:
            without = Control(
                what="placebo arm", estimate=placebo.interference.estimate, interval=placebo.interference.interval
            )
        tested: dict[str, Scalar] = {"test": difference.test, "p": difference.p, "p_holm": one.p_holm, "real": one.real}
        yield Finding(
            what="sustain.interference",
            subject={**subject, **tested, "lost": difference.only_a, "won": difference.only_b},
            estimate=difference.estimate,
            interval=difference.interval,
            n=difference.clusters,
            unit=PROBLEMS,
            control=without,
        )
    if one.beyond.n:
        tested = {"test": one.beyond.test, "p": one.beyond.p, "lost": one.beyond.only_a, "won": one.beyond.only_b}
        yield Finding(
            what="sustain.beyond_placebo",
            subject={**subject, **tested},
            estimate=one.beyond.estimate,
            interval=one.beyond.interval,
            n=one.beyond.clusters,
            unit=PROBLEMS,
            control=Control(what="none", estimate=0.0),
        )
    if one.met.n:
        unasked = Control(what="control arm", estimate=one.unasked.estimate, interval=one.unasked.interval)
        yield Finding(
            what="sustain.if",
            subject=subject,
            estimate=one.met.estimate,
            interval=one.met.interval,
            n=one.met.n,
            unit="share of constraints inserted",
            control=unasked if one.unasked.n else None,
        )


def _of_selection(made: Scores) -> Iterable[Finding]:
    for one in made.selection.solved:
        yield Finding(
            what="sustain.solved",
            subject={"model": made.model, "domain": one.domain, "arm": "base", "undecided": one.undecided},
            estimate=one.share.estimate,
            interval=one.share.interval,
            n=one.share.n,
            unit="share of problems",
        )
    if made.power is not None and made.power.solved is not None:
        yield Finding(
            what="sustain.needed",
            subject={
                "model": made.model,
                "drop": made.power.drop,
                "discordance": made.power.discordance,
                "power_here": made.power.here,
                "asked": made.power.asked or 0,
            },
            estimate=made.power.solved,
            n=made.power.n,
            unit="problems solved at base",
        )


def _of_curve(made: Scores) -> Iterable[Finding]:
    for one in made.areas:
        subject: dict[str, Scalar] = {
            "model": made.model,
            "domain": one.domain,
            "arm": "constraint",
            "k": ",".join(map(str, one.ks)),
            "position": "after",
        }
        control = None
        if one.loss.n:
            low, high = one.loss.interval
            control = Control(what="control arm less the curve", estimate=one.loss.estimate, interval=(low, high))
        yield Finding(
            what="sustain.auc",
            subject=subject,
            estimate=one.area.estimate,
            interval=one.area.interval,
            n=one.area.clusters,
            unit=PROBLEMS,
            control=control,
        )
