"""Everything that is measured of one network, in one record, and as findings.

Rules:
- Each metric stands beside its value for a network of the same make that was never trained (`control`): where the two
  embeddings enter symmetrically, gradient symmetricity is high before anything is learned, and proves nothing alone.
- Accuracy is over the held-out pairs where the split is known, and over all pairs otherwise (released files do not
  carry their split); the finding says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from adhere.core.findings import Control, Finding, Scalar
from adhere.modular import circles as rings
from adhere.modular.circles import Circle
from adhere.modular.metrics import (
    TRIPLES,
    Estimate,
    distance_irrelevance,
    gradient_symmetricity,
    right_and_top_wrong,
)
from adhere.modular.network import Network
from adhere.modular.verdict import AlgorithmVerdict, decide

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Examination:
    """What was measured. Metrics that need a group are None where the operation is none."""

    accuracy: Estimate
    """Share of right answers, over held-out pairs or all."""
    held_out: bool
    """Whether `accuracy` is over held-out pairs."""
    overall: float
    """Share of right answers over all pairs."""
    gradient_symmetricity: Estimate
    distance_irrelevance: Estimate | None
    top_wrong: Estimate | None
    """The same quotient on the largest wrong logit: what the published tables call distance irrelevance."""
    circularity: float | None
    circles: tuple[Circle, ...]
    verdict: AlgorithmVerdict


def examine(
    network: Network,
    train: NDArray[np.bool_] | None = None,
    *,
    triples: int = TRIPLES,
    count: int = rings.CIRCLES,
) -> Examination:
    """Measure a network.

    Args:
        network: on the CPU.
        train: marks the pairs it was trained on, shape (n^2,), where that is known.
        triples: how many to take gradients of.
        count: how many circles to look at; most of the time goes there.
    """
    task = network.task
    logits = network.all_logits().numpy()
    right = logits.argmax(axis=1) == task.labels()
    judged = right if train is None or train.all() else right[~train]
    accuracy = share(int(judged.sum()), len(judged))
    symmetricity = gradient_symmetricity(network, triples)
    group = task.group()
    irrelevance = top_wrong = roundness = None
    found: tuple[Circle, ...] = ()
    if group is not None:
        correct, wrong = right_and_top_wrong(logits, task)
        irrelevance = distance_irrelevance(correct, task, group)
        top_wrong = distance_irrelevance(wrong, task, group)
        parts = rings.components(network, group)
        roundness = rings.circularity(parts)
        found = rings.circles(network, group, parts, count)
    spread = None if irrelevance is None else irrelevance.value
    verdict = decide(float(right.mean()), symmetricity.value, spread, roundness, found)
    return Examination(
        accuracy=accuracy,
        held_out=judged is not right,
        overall=float(right.mean()),
        gradient_symmetricity=symmetricity,
        distance_irrelevance=irrelevance,
        top_wrong=top_wrong,
        circularity=roundness,
        circles=found,
        verdict=verdict,
    )


def untrained(network: Network, seed: int = 0) -> Network:
    """A network of the same make as it is drawn, before any training."""
    weights = network.architecture.init(seed)
    return Network(network.architecture, weights, network.task, origin="at initialisation")


def share(successes: int, total: int, confidence: float = 0.95) -> Estimate:
    """A share with Wilson's score interval (Wilson 1927)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * np.sqrt(p * (1 - p) / total + z * z / (4 * total**2)) / (1 + z * z / total)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == total else min(1.0, centre + half)
    return Estimate(p, (float(low), float(high)), total)


def findings(
    seen: Examination,
    start: Examination | None,
    subject: dict[str, Scalar],
    *,
    evidence: tuple[str, ...] = (),
    recompute: str = "",
) -> list[Finding]:
    """The record as findings; `start` is the examination at initialisation, their control."""
    subject = {**subject, "verdict": seen.verdict.name}

    def finding(name: str, now: Estimate | None, then: Estimate | None, unit: str, **more: Scalar) -> list[Finding]:
        if now is None:
            return []
        control = (
            Control(what="at initialisation", estimate=then.value, interval=then.interval) if then is not None else None
        )
        return [
            Finding(
                what=f"modular.{name}",
                subject={**subject, **more},
                estimate=now.value,
                interval=now.interval,
                n=now.n,
                unit=unit,
                control=control,
                evidence=evidence,
                recompute=recompute,
            )
        ]

    def plain(value: float | None, n: int) -> Estimate | None:
        return None if value is None else Estimate(value, None, n)

    def then(name: str) -> Estimate | None:
        return None if start is None else getattr(start, name)

    tokens = len(seen.circles[0].points) if seen.circles else 0
    made = [
        *finding("accuracy", seen.accuracy, then("accuracy"), "held-out pairs" if seen.held_out else "all pairs"),
        *finding("gradient_symmetricity", seen.gradient_symmetricity, then("gradient_symmetricity"), "triples"),
        *finding(
            "distance_irrelevance",
            seen.distance_irrelevance,
            then("distance_irrelevance"),
            "differences",
            logit="right answer",
        ),
        *finding("distance_irrelevance", seen.top_wrong, then("top_wrong"), "differences", logit="top wrong answer"),
        *finding(
            "circularity",
            plain(seen.circularity, tokens),
            None if start is None else plain(start.circularity, tokens),
            "tokens",
        ),
    ]
    for circle in seen.circles:
        first = start.circles[circle.index].fve if start is not None and circle.index < len(start.circles) else {}
        for form, value in circle.fve.items():
            made += finding(
                "fve",
                Estimate(value, None, tokens**3),
                Estimate(first[form], None, tokens**3) if form in first else None,
                "logits",
                form=form,
                circle=circle.index + 1,
                frequency=circle.frequency,
                purity=round(circle.purity, 4),
            )
    return made
