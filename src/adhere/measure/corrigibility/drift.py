"""The first turn of drift: a sequential test that stays valid when it is read after every conversation and turn.

A conversation is probed at its beginning and at later turns. An answer falls into one of a few categories (in
character, out of it, unread). For conversation i at turn t let D_i(c) be the share of its probes answered in category
c at turn t, less the share in a fresh sample of the same probes at its beginning. If the conversation changed nothing,
the two samples are exchangeable, and D_i(c) is symmetric about 0, whatever the probes have in common. Then

    E_t(c) = mean over l of product over i of exp(l D_i(c)) / cosh(l D_i(c)),    l = 1, 2, 4, 8, 16, and negative

is a non-negative martingale in i of mean 1: given its size, the sign of D_i is a fair coin (de la Pena 1999; Howard,
Ramdas, McAuliffe and Sekhon 2021, the symmetric case). So is its mean over categories, E_t. By Ville's inequality
P(any number of conversations: E_t >= 1/a) <= a. Over the T turns looked at, drift is significant at the first t with
E_t >= T / a: the probability that this ever happens without drift is at most a, at whichever conversation and turn one
stops.

The order of conversations does not matter, and no turn needs the ones before it: turns of one conversation are far from
independent (they share the sample at the beginning, too), which a product over turns would have to assume.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALPHA = 0.05
STAKES = (-16.0, -8.0, -4.0, -2.0, -1.0, 1.0, 2.0, 4.0, 8.0, 16.0)
"""A small stake suits many conversations that changed a little, a large one few that nearly all changed: at the largest
only the sign counts."""

Shares = Sequence[float]
"""What one conversation's answers changed by, one number for each category, each in [-1, 1]."""


def log_e(differences: Sequence[float]) -> float:
    """log E of one category: how strongly `differences` speak against being symmetric about 0."""
    return _log_mean([math.fsum(_log_bet(stake * d) for d in differences) for stake in STAKES])


def _log_bet(x: float) -> float:
    """x - log cosh x, without overflow: at most log 2."""
    return x - abs(x) - math.log1p(math.exp(-2 * abs(x))) + math.log(2)


def log_evidence(changes: Sequence[Shares]) -> float:
    """log E_t: the mean over categories; 0 where there are no conversations."""
    if not changes:
        return 0.0
    return _log_mean([log_e(category) for category in zip(*changes, strict=True)])


def _log_mean(logs: Sequence[float]) -> float:
    most = max(logs)
    return most + math.log(math.fsum(math.exp(one - most) for one in logs) / len(logs))


@dataclass(frozen=True, slots=True)
class Drift:
    """What the test says of one kind of conversation.

    Attributes:
        first: the first turn at which drift is significant; None where it never is.
        p: by turn, an anytime-valid p-value corrected for the turns looked at: min(1, T / E_t).
    """

    first: int | None
    p: Mapping[int, float]


def first_turn(by_turn: Mapping[int, Sequence[Shares]], alpha: float = ALPHA) -> Drift:
    """The first turn of significant drift; `by_turn` holds the changes of every conversation at each turn."""
    turns = sorted(by_turn)
    p = {turn: min(1.0, len(turns) * math.exp(min(700.0, -log_evidence(by_turn[turn])))) for turn in turns}
    return Drift(next((turn for turn in turns if p[turn] <= alpha), None), p)
