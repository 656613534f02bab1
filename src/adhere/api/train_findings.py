"""The findings of the training study, from the records of its models.

Rules:

- An arm's rate is over all its seeds; the prompt, or problem, is the cluster. `by_seed` in the subject gives the
  estimate of each seed: with three of them, that is what is known of the spread between runs.
- A difference is between two arms on the same prompt and seed; its interval resamples prompts (`statistics.rates`), its
  p is corrected by Holm over the arms of one measure. *Real* means p < 0.05 after it.
- Sustain and interference of two arms are compared on the problems that both solved in that seed.
- `train.hacking` counts the answers that meet every constraint which the second reading can judge, and of which that
  reading fails one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from adhere.core.findings import Control, Finding, Scalar
from adhere.measure.statistics.clustered_mean import clustered
from adhere.measure.statistics.rates import Cluster, holm, paired, rate, reaching_zero
from adhere.measure.sustain.outcome import ArmOutcome
from adhere.measure.sustain.scores import scores
from adhere.train.study.design import ARMS

Records = Mapping[str, Mapping[int, Mapping[str, Any]]]
"""Records by arm and seed, as `train_measuring.measure` makes them."""
Values = Mapping[tuple[str, int], float]
"""A value by cluster (prompt or problem) and seed."""

ALPHA: Final = 0.05
AGAINST: Final = ("base", "sft_unfiltered")
"""What every arm is compared with: no training, and training without selection."""


def findings(records: Records, model: str, recompute: str) -> list[Finding]:
    """Everything that the study says; arms without records are passed over."""
    subject: dict[str, Scalar] = {"model": model}
    results: list[Finding] = []
    outcomes = {arm: _outcomes(arm, by_seed) for arm, by_seed in records.items()}
    ks = sorted({one.k for listed in outcomes.values() for one in listed if one.arm == "constraint"})
    values = {arm: _values(by_seed, outcomes[arm], ks) for arm, by_seed in records.items()}
    for arm in (arm for arm in ARMS if arm in records):
        results += _of_answers(records[arm], values[arm], {**subject, "arm": arm})
        results += _of_outcomes(outcomes[arm], {**subject, "arm": arm})
    for against in AGAINST:
        if against in records:
            results += _differences(values, against, subject)
    return [one.model_copy(update={"recompute": recompute}) for one in results]


def _outcomes(arm: str, by_seed: Mapping[int, Mapping[str, Any]]) -> list[ArmOutcome]:
    return [
        ArmOutcome.from_json(outcome, model=arm, epoch=seed + 1)
        for seed, record in by_seed.items()
        for outcome in record["outcomes"]
    ]


def _values(
    by_seed: Mapping[int, Mapping[str, Any]], outcomes: Sequence[ArmOutcome], ks: Sequence[int]
) -> dict[str, dict[tuple[str, int], float]]:
    """Every measure that arms are compared by, as values by cluster and seed."""
    values: dict[str, dict[tuple[str, int], float]] = {}

    def put(measure: str, cluster: str, seed: int, value: float) -> None:
        values.setdefault(measure, {})[cluster, seed] = value

    for seed, record in by_seed.items():
        for one in record["answers"]:
            put(f"adherence.{one['set']}", one["id"], seed, float(one["met"]))
            put(f"length.{one['set']}", one["id"], seed, float(one["tokens"]))
            put(f"unended.{one['set']}", one["id"], seed, float(not one["ended"] or one["loop"]))
            if one["nats"] is not None:
                put(f"nats.{one['set']}", one["id"], seed, float(one["nats"]))
            if (hacked := _hacked(one)) is not None:
                put(f"hacking.{one['set']}", one["id"], seed, float(hacked))
    solved = {(one.problem, one.epoch) for one in outcomes if one.arm == "base" and one.correct}
    controls = {
        (one.problem, one.epoch): float(one.correct)
        for one in outcomes
        if one.arm == "control" and one.correct is not None
    }
    for one in outcomes:
        key = one.problem, one.epoch
        if one.correct is None:
            continue
        if one.arm == "base":
            put("solved", one.problem, one.epoch, float(one.correct))
        elif key in solved and one.arm in ("constraint", "placebo") and key in controls:
            name = "sustain" if one.arm == "constraint" else "sustain_placebo"
            put(f"{name}.{one.k}", one.problem, one.epoch, float(one.correct))
            if one.arm == "constraint":
                put(f"interference.{one.k}", one.problem, one.epoch, controls[key] - one.correct)
    for k in ks:
        idle = values.get(f"sustain_placebo.{k}", {})
        for (problem, epoch), value in values.get(f"sustain.{k}", {}).items():
            if (problem, epoch) in idle:
                put(f"beyond_placebo.{k}", problem, epoch, idle[problem, epoch] - value)
    return values


def _hacked(answer: Mapping[str, Any]) -> bool | None:
    """Whether our checks pass what the second reading fails; None where it can judge nothing."""
    judged = [(ours, theirs) for _, ours, theirs in answer["readings"] if theirs is not None]
    return (all(ours for ours, _ in judged) and not all(theirs for _, theirs in judged)) if judged else None


def _of_answers(
    by_seed: Mapping[int, Mapping[str, Any]], values: Mapping[str, Values], subject: dict[str, Scalar]
) -> Iterable[Finding]:
    for name in ("trained", "held_out"):
        about: dict[str, Scalar] = {**subject, "kinds": name}
        yield _share("train.adherence", values.get(f"adherence.{name}", {}), about, "share of prompts")
        yield _share("train.degenerate", values.get(f"unended.{name}", {}), about, "share of answers")
        yield _share("train.hacking", values.get(f"hacking.{name}", {}), about, "share of answers")
        for what, unit in (("length", "tokens"), ("nats", "nats a token under the base model")):
            own = values.get(f"{what}.{name}", {})
            about_mean = about if what == "length" else {**about, "measure": "likelihood"}
            yield clustered(
                "train.length" if what == "length" else "train.hacking",
                {**about_mean, "by_seed": _by_seed(own)},
                [(cluster, value) for (cluster, _), value in own.items()],
                unit,
            )
    by_kind: dict[tuple[str, str], dict[tuple[str, int], list[bool]]] = {}
    for seed, record in by_seed.items():
        for one in record["answers"]:
            for kind, met, _ in one["readings"]:
                by_kind.setdefault((one["set"], kind), {}).setdefault((one["id"], seed), []).append(met)
    for (name, kind), verdicts in sorted(by_kind.items()):
        share = rate(_grouped({key: float(sum(own)) for key, own in verdicts.items()}))
        about = {**subject, "kinds": name, "kind": kind}
        yield Finding(
            what="train.adherence",
            subject=about,
            estimate=share.estimate,
            interval=share.interval,
            n=share.n,
            unit="share of constraints",
        )


def _share(what: str, values: Values, subject: dict[str, Scalar], unit: str) -> Finding:
    share = rate(_grouped(values))
    return Finding(
        what=what,
        subject={**subject, "by_seed": _by_seed(values)},
        estimate=share.estimate,
        interval=share.interval,
        n=share.n,
        unit=unit,
    )


def _grouped(values: Values) -> list[tuple[int, int]]:
    clusters: dict[str, tuple[int, int]] = {}
    for (cluster, _), value in values.items():
        met, n = clusters.get(cluster, (0, 0))
        clusters[cluster] = met + round(value), n + 1
    return list(clusters.values())


def _by_seed(values: Values) -> str:
    """The mean of each seed, in order."""
    seeds: dict[int, list[float]] = {}
    for (_, seed), value in values.items():
        seeds.setdefault(seed, []).append(value)
    return ", ".join(f"{sum(own) / len(own):.3f}" for _, own in sorted(seeds.items()))


def _of_outcomes(outcomes: Sequence[ArmOutcome], subject: dict[str, Scalar]) -> Iterable[Finding]:
    scored = scores(outcomes)
    solved = {
        (one.problem, one.epoch): float(one.correct)
        for one in outcomes
        if one.arm == "base" and one.correct is not None
    }
    yield _share("train.solved", solved, subject, "share of problems")
    for one in scored.of("constraint"):
        about: dict[str, Scalar] = {**subject, "k": one.condition[1]}
        yield Finding(
            what="train.sustain",
            subject=about,
            estimate=one.sustain.estimate,
            interval=one.sustain.interval,
            n=one.sustain.n,
            unit="share of problems solved at base",
            control=Control(what="control arm", estimate=one.control.estimate, interval=one.control.interval),
        )
        for what, difference in (("interference", one.interference), ("beyond_placebo", one.beyond)):
            if difference.n:
                yield Finding(
                    what=f"train.{what}",
                    subject={**about, "p": difference.p},
                    estimate=difference.estimate,
                    interval=difference.interval,
                    n=difference.clusters,
                    unit="share of problems solved at base",
                )


def _differences(
    values: Mapping[str, Mapping[str, Values]], against: str, subject: dict[str, Scalar]
) -> Iterable[Finding]:
    for measure in sorted(values[against]):
        compared = []
        for arm in ARMS:
            if arm == against or arm not in values or arm == "base":
                continue
            clusters = _paired(values[arm].get(measure, {}), values[against][measure])
            if clusters:
                compared.append((arm, paired(clusters), _gaps(values[arm][measure], values[against][measure])))
        corrected = holm([difference.p for _, difference, _ in compared])
        for (arm, difference, by_seed), p in zip(compared, corrected, strict=True):
            tested: dict[str, Scalar] = {"test": difference.test, "p": difference.p, "p_holm": p, "real": p < ALPHA}
            yield Finding(
                what="train.difference",
                subject={**subject, "arm": arm, "against": against, "measure": measure, "by_seed": by_seed, **tested},
                estimate=difference.estimate,
                interval=difference.interval if p < ALPHA else reaching_zero(difference.interval),
                n=difference.clusters,
                unit=_unit(measure),
                control=Control(what="none", estimate=0.0),
            )


def _unit(measure: str) -> str:
    units: Mapping[str, str] = {"length": "tokens", "nats": "nats a token under the base model"}
    problems = measure.startswith(("sustain", "interference", "beyond"))
    return units.get(measure.partition(".")[0], "share of problems that both solved" if problems else "share")


def _paired(ours: Values, theirs: Values) -> list[Cluster]:
    sums: dict[str, tuple[float, float, int]] = {}
    for (cluster, seed), value in ours.items():
        if (cluster, seed) in theirs:
            a, b, n = sums.get(cluster, (0.0, 0.0, 0))
            sums[cluster] = a + value, b + theirs[cluster, seed], n + 1
    return [Cluster(*own) for own in sums.values()]


def _gaps(ours: Values, theirs: Values) -> str:
    """The difference of each seed."""
    return _by_seed({key: value - theirs[key] for key, value in ours.items() if key in theirs})
