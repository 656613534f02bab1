"""A claim that can be defended: "fails less than once in a thousand", watched as answers come in.

The failure rate p of independent answers gets a confidence sequence: an interval for every n such that, with
probability at least 1 - alpha, *all* of them hold p at once. One may therefore look after every answer and stop when
the claim is settled; an ordinary interval looked at that often would be wrong far more than alpha of the time.

Construction: the beta-binomial mixture martingale (Robbins 1970; Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform,
nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49, 2021; in the language of betting:
Waudby-Smith and Ramdas, JRSS B 86, 2024). With k failures among n and a prior Beta(a, b),

    M_n(p) = B(a + k, b + n - k) / B(a, b)  /  ( p^k (1 - p)^(n - k) )

is a non-negative martingale of mean 1 if p is the true rate, so P(any n: M_n(p) >= 1/alpha) <= alpha (Ville), and the
interval after n answers is { p : M_n(p) < 1/alpha }. Any prior chosen before the data gives this guarantee, also a
weighted mean of several: it decides only how fast the claim settles. M_n is log-convex in p, so the set is an interval.

Intervals may be intersected over n; that keeps the guarantee and is what `ConfidenceSequence` reports.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from scipy.optimize import brentq
from scipy.special import betaln, xlog1py, xlogy

from adhere.core.errors import UserError


class Settled(Enum):
    """What a confidence sequence says of a claim so far."""

    CERTIFIED = "certified"
    REFUTED = "refuted"
    OPEN = "open"


Prior = tuple[tuple[float, float, float], ...]
"""A mean of beta distributions: (weight, a, b) of each, the weights adding up to 1."""

JEFFREYS: Prior = ((1.0, 0.5, 0.5),)


def prior_for(claim: float) -> Prior:
    """The prior under which a claim settles soon: nearly all on Beta(1, 4 / claim), whose mean is a quarter of the
    claim, for models that keep it; a tenth on Beta(1/2, 1/2), for those that are far from keeping it."""
    return ((0.9, 1.0, 4.0 / claim), (0.1, 0.5, 0.5))


def log_mixture(k: int, n: int, p: float, prior: Prior = JEFFREYS) -> float:
    """log M_n(p) of the module's formula."""
    logs = [math.log(w) + float(betaln(a + k, b + n - k) - betaln(a, b)) for w, a, b in prior]
    most = max(logs)
    marginal = most + math.log(sum(math.exp(one - most) for one in logs))
    return marginal - float(xlogy(k, p) + xlog1py(n - k, -p))


def interval(k: int, n: int, alpha: float, prior: Prior = JEFFREYS) -> tuple[float, float]:
    """{ p : M_n(p) < 1/alpha } after `k` failures among `n`."""
    if n == 0:
        return 0.0, 1.0
    limit = -math.log(alpha)

    def over(p: float) -> float:
        return log_mixture(k, n, p, prior) - limit

    best = k / n  # where M_n is least; there it is below 1/alpha, as the likelihood is never below its mixture
    low = 0.0 if k == 0 else float(brentq(over, 1e-300, best, xtol=1e-15, rtol=1e-12))
    high = 1.0 if k == n else float(brentq(over, best, 1.0 - 1e-16, xtol=1e-15, rtol=1e-12))
    return low, high


class ConfidenceSequence:
    """Watches failures among answers; `interval` holds for all n at once with probability at least `confidence`.

    Args:
        confidence: coverage over the whole sequence.
        claim: the failure rate that is at stake, if one is: `prior_for(claim)` is used then, and without failures a
            claim of 1 in 1,000 is certified after `answers_needed`, about 3,700 (3,000 would do for one look at a
            time fixed in advance).
    """

    def __init__(self, confidence: float = 0.95, claim: float | None = None) -> None:
        if not 0 < confidence < 1:
            raise UserError(f"confidence must lie between 0 and 1, not {confidence}")
        if claim is not None and not 0 < claim < 1:
            raise UserError(f"a failure rate to certify must lie between 0 and 1, not {claim}")
        self.confidence = confidence
        self.claim = claim
        self.n = 0
        self.failures = 0
        self._prior = JEFFREYS if claim is None else prior_for(claim)
        self._low, self._high = 0.0, 1.0

    def update(self, outcomes: Iterable[bool]) -> None:
        """Take in more answers; True is a failure."""
        for failed in outcomes:
            self.n += 1
            self.failures += bool(failed)
        low, high = interval(self.failures, self.n, 1 - self.confidence, self._prior)
        self._low, self._high = max(self._low, low), min(self._high, high)

    @property
    def interval(self) -> tuple[float, float]:
        """The failure rate, now; empty intersections (probability below 1 - confidence) give the last end twice."""
        return min(self._low, self._high), max(self._low, self._high)

    @property
    def settled(self) -> Settled:
        """Whether the claim "the failure rate is below `claim`" is settled."""
        if self.claim is None:
            return Settled.OPEN
        low, high = self.interval
        if high < self.claim:
            return Settled.CERTIFIED
        return Settled.REFUTED if low > self.claim else Settled.OPEN


@dataclass(frozen=True)
class Certificate:
    """The outcome of watching: what was claimed, what was seen, what that settles."""

    claim: float
    confidence: float
    n: int
    failures: int
    interval: tuple[float, float]
    settled: Settled

    @classmethod
    def of(cls, sequence: ConfidenceSequence) -> Certificate:
        if sequence.claim is None:
            raise ValueError("this sequence watches no claim")
        return cls(
            sequence.claim, sequence.confidence, sequence.n, sequence.failures, sequence.interval, sequence.settled
        )

    def __str__(self) -> str:
        low, high = self.interval
        sure = f"{100 * self.confidence:g} %"
        claim = f"it fails less than {_rate(self.claim)}"
        seen = f"{self.failures} failures in {self.n:,} answers; rate {low:.5f} to {high:.5f}"
        said = {
            Settled.CERTIFIED: f"Certified at {sure}: {claim}",
            Settled.REFUTED: f"Refuted at {sure}: not true that {claim}",
            Settled.OPEN: f"Not settled at {sure} that {claim}",
        }[self.settled]
        return f"{said} ({seen})."


def _rate(p: float) -> str:
    times = 1 / p
    return f"once in {times:,.0f}" if abs(times - round(times)) < 1e-6 * times else f"{100 * p:g} % of the time"


def answers_needed(claim: float, confidence: float = 0.95) -> int:
    """How many answers without a failure certify `claim`: the fewest that any run can take."""
    limit, prior = -math.log(1 - confidence), prior_for(claim)
    high = 1
    while log_mixture(0, high, claim, prior) < limit:
        high *= 2
    return bisect_left(range(high), limit, key=lambda n: log_mixture(0, n, claim, prior))
