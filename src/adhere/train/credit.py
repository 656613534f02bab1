"""What one verdict is worth, and how the verdicts of an answer become one number.

    all       1 where every constraint is met, else 0
    share     the share of constraints met
    weighted  the same, each with its weight
    distance  the mean credit, where a bounded constraint that is missed earns by how near it came

Credit of a bounded constraint that counted c against the nearer bound b: `NEAR * max(0, 1 - |c - b| / max(1, b))`. So a
near miss earns at most half of what meeting it earns, and a policy never gains by staying just outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

from adhere.constraints.bases.bounds import Bounded
from adhere.constraints.constraint import Check, Constraint

Aggregation = Literal["all", "share", "weighted", "distance"]
AGGREGATIONS: Final[tuple[Aggregation, ...]] = get_args(Aggregation)

NEAR: Final = 0.5
"""The most that a missed bound earns."""


def credit(constraint: Constraint, check: Check) -> float:
    """From 0 to 1: 1 where the constraint is met; of a missed bound, by distance."""
    if check.met:
        return 1.0
    count = check.found
    if not isinstance(constraint, Bounded) or isinstance(count, bool) or not isinstance(count, int | float):
        return 0.0
    bounds = [bound for bound in (constraint.at_least, constraint.at_most) if bound is not None]
    return NEAR * max(max(0.0, 1 - abs(count - bound) / max(1, bound)) for bound in bounds)


def aggregate(
    constraints: Sequence[Constraint],
    checks: Sequence[Check],
    aggregation: Aggregation,
    weights: Sequence[float] = (),
) -> float:
    """One number from 0 to 1; `weights`, of `weighted` alone, are as many as the constraints and sum to more than 0."""
    met = [check.met for check in checks]
    if aggregation == "all":
        return float(all(met))
    if aggregation == "share":
        return sum(met) / len(met)
    if aggregation == "weighted":
        return sum(weight for weight, one in zip(weights, met, strict=True) if one) / sum(weights)
    return sum(map(credit, constraints, checks)) / len(checks)
