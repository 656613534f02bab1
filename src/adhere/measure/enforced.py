"""Does enforcing help, and what does it cost: the same prompts asked bare and through a gateway.

    enforced = compare(bare, through)

Rules:

- Both were measured by the same task on the same prompts; every difference is paired by prompt, with its interval.
- A finding of the enforced side carries the bare side as its control. Where the intervals of the difference reach zero,
  enforcing is not said to have helped.
- Tokens are all that the model wrote for a prompt, repairs and thrown-away drafts included, as the gateway's `usage`
  says; their ratio is of sums, with an interval by bootstrap over prompts. A budget that is kept on average may be
  exceeded by one prompt: the largest is told beside.
- Of what obedience costs (`measure.sustain`) the constraint arms are asked on both sides, problems solved at base being
  selected on each: enforcing must keep what a constraint left of the ability, not only make it hold.
- Seconds are those from asking to the whole answer, with as many prompts under way as the run had on either side: good
  for a comparison, not a benchmark of latency.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from adhere.core.errors import UserError
from adhere.core.findings import Control, Finding, Scalar
from adhere.measure.statistics.rates import RESAMPLES, Cluster, Difference, Rate, paired, rate

if TYPE_CHECKING:
    from inspect_ai.log import EvalSample

    from adhere.measure.adherence.audit import AuditResult
    from adhere.measure.sustain.run import Done
    from adhere.measure.sustain.scores import Score


@dataclass(frozen=True)
class Spent:
    """What one answer took."""

    tokens: int
    seconds: float


@dataclass(frozen=True)
class Side:
    """One side's rate, and the same prompts' difference to the other."""

    name: str
    bare: Rate
    enforced: Rate
    difference: Difference


@dataclass(frozen=True)
class Ratio:
    """A ratio of sums over prompts, enforced to bare."""

    estimate: float
    interval: tuple[float, float]
    n: int
    largest: float
    """Of any one prompt."""


@dataclass(frozen=True)
class EnforcedResult:
    """A constraint arm on both sides: what is still solved, and how often its constraints are met."""

    k: int
    sustain: tuple[Rate, Rate]
    met: tuple[Rate, Rate]


@dataclass(frozen=True)
class Enforced:
    """The comparison: whole prompts first, then each skill and each family of constraints."""

    model: str
    sides: tuple[Side, ...]
    tokens: Ratio
    seconds: tuple[tuple[float, float], tuple[float, float]]
    """Median and 95th percentile of a prompt, bare and enforced."""
    findings: tuple[Finding, ...]
    kept: tuple[EnforcedResult, ...] = ()


def with_sustain(enforced: Enforced, bare: Done, through: Done, *, recompute: str = "") -> Enforced:
    """The comparison, and beside it what obedience costs bare and through the gateway."""
    sides = [{one.condition[1]: one for one in _arms(done)} for done in (bare, through)]
    kept = tuple(
        EnforcedResult(k, (sides[0][k].sustain, sides[1][k].sustain), (sides[0][k].met, sides[1][k].met))
        for k in sorted(sides[0].keys() & sides[1].keys())
    )
    made = [
        Finding(
            what=f"gateway.{name}",
            subject={"model": enforced.model, "k": one.k},
            estimate=rates[1].estimate,
            interval=rates[1].interval,
            n=rates[1].n,
            unit=unit,
            control=Control(what="bare", estimate=rates[0].estimate, interval=rates[0].interval),
            evidence=tuple(filter(None, (bare.log, through.log))),
            recompute=recompute,
        )
        for one in kept
        for name, rates, unit in (
            ("sustain", one.sustain, "share of the problems solved at base that are solved under the constraints"),
            ("if", one.met, "share of constraints met"),
        )
    ]
    return replace(enforced, kept=kept, findings=(*enforced.findings, *made))


def _arms(done: Done) -> Iterable[Score]:
    """The scores of the plain constraint arms."""
    found = done.scores.conditions if done.scores else ()
    return (one for one in found if one.condition[0] == "constraint" and one.condition[2] == "after")


def compare(bare: AuditResult, through: AuditResult, *, recompute: str = "") -> Enforced:
    """Compare a bare audit with one through a gateway.

    Raises:
        UserError: they have no prompt in common.
    """
    one, other = _outcomes(bare), _outcomes(through)
    both = [key for key in one if key in other]
    if not both:
        raise UserError("the audits with and without the gateway have no prompt in common")
    whole = _side("prompt", [[(all(_met(one[key])), all(_met(other[key])))] for key in both])
    kinds = sorted({name for key in both for name, _ in one[key]})
    sides = [whole, *(_side(kind, [_pairs(one[key], other[key], kind) for key in both]) for kind in kinds)]
    spent = _spent(bare), _spent(through)
    shared = [key for key in both if key in spent[0] and key in spent[1]]
    tokens = _ratio([(spent[0][key].tokens, spent[1][key].tokens) for key in shared])
    seconds = tuple(_quantiles([spent[k][key].seconds for key in shared]) for k in (0, 1))
    made = _findings(bare, sides, tokens, seconds, recompute, (*bare.logs, *through.logs))
    return Enforced(bare.model, tuple(sides), tokens, (seconds[0], seconds[1]), made)


def _outcomes(measured: AuditResult) -> dict[str, list[tuple[str, bool]]]:
    """Of every prompt: kind and verdict of each of its constraints."""
    return {
        record.prompt_id: [
            (entry.skill or entry.kind, entry.fixed.strict) for entry in record.instructions if entry.fixed is not None
        ]
        for record in measured.run.kept
    }


def _met(entries: Iterable[tuple[str, bool]]) -> list[bool]:
    return [met for _, met in entries]


def _pairs(before: list[tuple[str, bool]], after: list[tuple[str, bool]], kind: str) -> list[tuple[bool, bool]]:
    """Of a prompt's constraints of one kind: whether each was met bare, and through the gateway."""
    return [(a, b) for (name, a), (_, b) in zip(before, after, strict=True) if name == kind]


def _side(name: str, prompts: Sequence[Sequence[tuple[bool, bool]]]) -> Side:
    asked = [pairs for pairs in prompts if pairs]
    before, after = ([sum(pair[k] for pair in pairs) for pairs in asked] for k in (0, 1))
    trials = [len(pairs) for pairs in asked]
    clusters = [Cluster(a=b, b=a, trials=n) for a, b, n in zip(before, after, trials, strict=True)]
    bare, enforced = (rate(zip(met, trials, strict=True)) for met in (before, after))
    return Side(name, bare, enforced, paired(clusters))


def _spent(measured: AuditResult) -> dict[str, Spent]:
    from inspect_ai.log import read_eval_log

    log = read_eval_log(measured.logs[0])
    return {str(sample.id): spent for sample in log.samples or [] if (spent := _of(sample)) is not None}


def _of(sample: EvalSample) -> Spent | None:
    usage = sample.output.usage
    if usage is None:
        return None
    return Spent(usage.output_tokens, float(sample.output.time or 0.0))


def _ratio(pairs: Sequence[tuple[int, int]], *, seed: int = 0) -> Ratio:
    if not pairs or not sum(before for before, _ in pairs):
        return Ratio(float("nan"), (0.0, float("inf")), len(pairs), float("nan"))
    values = np.array(pairs, dtype=float)
    draws = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    sums = values[draws].sum(axis=1)
    low, high = np.quantile(sums[:, 1] / np.maximum(sums[:, 0], 1), [0.025, 0.975])
    before, after = values.sum(axis=0)
    largest = float((values[:, 1] / np.maximum(values[:, 0], 1)).max())
    return Ratio(float(after / before), (float(low), float(high)), len(pairs), largest)


def _quantiles(seconds: Sequence[float]) -> tuple[float, float]:
    if not seconds:
        return float("nan"), float("nan")
    middle, high = np.quantile(np.array(seconds), [0.5, 0.95])
    return float(middle), float(high)


def _findings(
    bare: AuditResult,
    sides: Sequence[Side],
    tokens: Ratio,
    seconds: Sequence[tuple[float, float]],
    recompute: str,
    evidence: tuple[str, ...],
) -> tuple[Finding, ...]:
    model: dict[str, Scalar] = {"model": bare.model}
    made = [
        Finding(
            what="gateway.adherence",
            subject={
                **model,
                "of": side.name,
                "difference": side.difference.estimate,
                "low": side.difference.interval[0],
                "high": side.difference.interval[1],
                "helps": side.difference.interval[0] > 0,
            },
            estimate=side.enforced.estimate,
            interval=side.enforced.interval,
            n=side.enforced.n,
            unit="share followed through the gateway",
            control=Control(what="the same prompts, bare", estimate=side.bare.estimate, interval=side.bare.interval),
            evidence=evidence,
            recompute=recompute,
        )
        for side in sides
    ]
    made.append(
        Finding(
            what="gateway.tokens",
            subject={**model, "largest": tokens.largest},
            estimate=tokens.estimate,
            interval=tokens.interval,
            n=tokens.n,
            unit="tokens written through the gateway for each written bare",
            evidence=evidence,
            recompute=recompute,
        )
    )
    made += [
        Finding(
            what="gateway.latency",
            subject={**model, "quantile": quantile},
            estimate=seconds[1][k],
            n=tokens.n,
            unit="seconds to the whole answer, as many under way as the run had",
            control=Control(what="bare", estimate=seconds[0][k]),
            evidence=evidence,
            recompute=recompute,
        )
        for k, quantile in enumerate((0.5, 0.95))
    ]
    return tuple(made)
