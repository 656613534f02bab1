"""When did a character drift? A test that may be looked at after every conversation and every turn.

A conversation is probed at its beginning and at later turns. An answer falls into one of a few categories (in
character, out of it, unread). For conversation i at turn t let D_i(c) be the share of its probes answered in category
c at turn t, less the share in a fresh sample of the same probes at its beginning; it lies in [-1, 1]. If the
conversation changed nothing, D_i(c) has mean 0, whatever the probes have in common. Then

    E_t(c) = mean over l of product over i of (1 + l D_i(c)),      l = 0.25, 0.5, 0.75, 0.95 and their negatives

is a non-negative martingale in i of mean 1 (betting on a bounded mean: Waudby-Smith and Ramdas, JRSS B 86, 2024, with
a mixture over the stake l), and so is its mean over categories, E_t. By Ville's inequality P(any number of
conversations: E_t >= 1/a) <= a. Over the T turns looked at, drift is significant at the first t with E_t >= T / a: the
probability that this ever happens without drift is at most a, at whichever conversation and turn one stops.

The order of conversations does not matter, and no turn needs the ones before it: turns of one conversation are far from
independent (they share the sample at the beginning, too), which a product over turns would have to assume. The price:
with four turns, ten conversations whose every answer changed are the fewest that are significant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALPHA = 0.05
STAKES = (-0.95, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 0.95)
"""How much of what one has is put on the next conversation. Never all of it: no single one can end the bet."""

Shares = Sequence[float]
"""What one conversation's answers changed by, one number for each category, each in [-1, 1]."""


def log_e(differences: Sequence[float]) -> float:
    """log E of one category: how strongly `differences`, each in [-1, 1], speak against a mean of 0.

    Raises:
        ValueError: a difference is out of bounds.
    """
    if any(not -1 <= d <= 1 for d in differences):
        raise ValueError("a difference of shares lies between -1 and 1")
    logs = [math.fsum(math.log1p(stake * d) for d in differences) for stake in STAKES]
    return _log_mean(logs)


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
