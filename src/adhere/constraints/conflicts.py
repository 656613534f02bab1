"""Which constraints contradict each other, so that samplers and users can be told before a model is asked.

Two questions are answered. `contradict(a, b)`: can no text at all meet both? Decided by the rules below, each a
fact about the two families; where no rule speaks the answer is None: not known to contradict, which is no proof that
a text exists. `conflicts(constraints)`: the contradicting pairs among several, each with its reason.

Rules are kept by pairs of kinds, so that a family added later needs none; families may be told apart by a rule that
reads their parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from adhere.constraints.bounds import Bounded
from adhere.constraints.constraint import Constraint

Rule = Callable[[Any, Any], str | None]
"""Takes one constraint of each kind, in the order of the kinds; gives the reason why no text meets both, or None."""

_rules: dict[tuple[str, str], Rule] = {}


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two constraints that no text can meet together, and why."""

    one: Constraint
    other: Constraint
    reason: str


def rule(one: str, other: str) -> Callable[[Rule], Rule]:
    """Decorator: this function tells when constraints of the kinds `one` and `other` contradict each other."""

    def add(judge: Rule) -> Rule:
        _rules[(one, other)] = judge
        return judge

    return add


def contradict(one: Constraint, other: Constraint) -> str | None:
    """Why no text can meet both, or None where no rule says so."""
    if (judge := _rules.get((one.kind, other.kind))) and (reason := judge(one, other)):
        return reason
    if (judge := _rules.get((other.kind, one.kind))) and (reason := judge(other, one)):
        return reason
    if isinstance(one, Bounded) and isinstance(other, Bounded) and one.kind == other.kind:
        return _disjoint(one, other)
    return None


def conflicts(constraints: Iterable[Constraint]) -> list[Conflict]:
    """Every pair among `constraints` that no text can meet together."""
    pairs = combinations(constraints, 2)
    return [Conflict(a, b, reason) for a, b in pairs if (reason := contradict(a, b))]


def _disjoint(one: Bounded, other: Bounded) -> str | None:
    bounds = {"at_least", "at_most", "profile"}
    if one.model_dump(exclude=bounds) != other.model_dump(exclude=bounds):
        return None  # counts of different things
    for low, high in ((one, other), (other, one)):
        if low.at_least is not None and high.at_most is not None and low.at_least > high.at_most:
            return f"at least {low.at_least} and at most {high.at_most} cannot both be"
    return None
