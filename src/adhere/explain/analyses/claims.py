"""A claim: a finding with what speaks for it, what speaks against it, and whether it may be printed as one.

A finding stands beside its controls: the same measurement with the effect taken out. It holds if its interval lies
above the estimate of every control, and its estimate above the interval of every control. The second is what guards
against chance: the interval of shuffled labels is that of what probes find where there is nothing to find. What does
not hold is kept in the record with its sentence, but is not called a finding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from adhere.core.findings import Control, Finding, Scalar
from adhere.core.intervals import CONFIDENCE
from adhere.explain.probing.decodability import Estimate


@dataclass(frozen=True)
class Claim:
    """`sentence` says in one line what was found, what supports it and what speaks against it."""

    finding: Finding
    holds: bool
    sentence: str


def claim(
    what: str,
    says: str,
    estimate: Estimate,
    controls: Mapping[str, Estimate | float],
    subject: Mapping[str, Scalar],
    *,
    interval: tuple[float, float] | None = None,
    against: Sequence[str] = (),
    recompute: str = "",
) -> Claim:
    """Hold an estimate against its controls.

    Args:
        what: name of the finding.
        says: what is claimed, as the sentence begins.
        estimate: what was measured; larger is stronger.
        controls: by what they are called in the sentence; those that could not be measured are NaN and left out.
        subject: of the finding.
        interval: to judge by, where several were compared at once; the estimate's own otherwise.
        against: further objections that are not numbers.
        recompute: the command that gives it again.
    """
    low, high = estimate.interval if interval is None else interval
    known = {name: value for name, value in controls.items() if math.isfinite(_value(value))}
    beaten = {name: _value(value) < low and _high(value) < estimate.value for name, value in known.items()}
    supports = [_said(name, value) for name, value in known.items() if beaten[name]]
    opposes = [_said(name, value) for name, value in known.items() if not beaten[name]]
    measured = math.isfinite(estimate.value) and math.isfinite(low)
    strongest = max(known, key=lambda name: _value(known[name]), default=None)
    finding = Finding(
        what=what,
        subject=dict(subject),
        estimate=estimate.value,
        interval=(low, high) if measured else None,
        n=estimate.n,
        unit="prompts",
        control=None if strongest is None else _control(strongest, known[strongest]),
        recompute=recompute,
    )
    if not measured:
        return Claim(finding, False, f"{says}: could not be measured.")
    sentence = (
        f"{says} {estimate.value:.2f} [{low:.2f}, {high:.2f}], {estimate.n} prompts. "
        f"For it: {'; '.join(supports) or 'no control lies below it'}. "
        f"Against it: {'; '.join([*opposes, *against]) or 'none of the controls'}."
    )
    return Claim(finding, bool(known) and not opposes, sentence)


def _said(name: str, control: Estimate | float) -> str:
    if not isinstance(control, Estimate):
        return f"{name} {control:.2f}"
    low, high = control.interval
    return f"{name} {control.value:.2f} [{low:.2f}, {high:.2f}]"


def _high(control: Estimate | float) -> float:
    return control.interval[1] if isinstance(control, Estimate) else control


def _value(control: Estimate | float) -> float:
    return control.value if isinstance(control, Estimate) else float(control)


def _control(name: str, control: Estimate | float) -> Control:
    if isinstance(control, Estimate):
        low, high = control.interval
        return Control(what=name, estimate=control.value, interval=(low, high) if math.isfinite(low + high) else None)
    return Control(what=name, estimate=control)


def simultaneous(estimates: Sequence[Estimate]) -> list[tuple[float, float]]:
    """Intervals that hold for all estimates together: those of the largest standardised deviation over the draws.

    The bootstrap's max-T (Westfall and Young 1993): of a matrix of pairs, one in twenty stands out by chance alone. The
    critical value is that of the draws, carried from the normal to Student's t with the prompts less one degrees of
    freedom, since the standard errors are estimated from as few prompts. An estimate with limits is widened on each
    side from its limit, so that one whose draws do not vary keeps an interval; others from their draws' deviation.
    """
    from scipy.special import ndtr, stdtrit

    draws = np.stack([e.draws for e in estimates])
    values = np.array([e.value for e in estimates])
    with np.errstate(invalid="ignore"):
        spread = np.nanstd(draws, axis=1)
        deviations = np.abs(draws - values[:, None]) / np.where(spread > 0, spread, np.inf)[:, None]
    largest = np.nanmax(deviations[:, np.isfinite(deviations).any(axis=0)], axis=0)
    normal = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    critical = max(normal, float(np.quantile(largest[np.isfinite(largest)], CONFIDENCE)))
    prompts = min(e.n for e in estimates)
    t = float(stdtrit(max(1, prompts - 1), ndtr(critical)))
    together = []
    for one, deviation in zip(estimates, spread, strict=True):
        below = above = float(deviation) * t
        if one.limits is not None:  # the limits hold a t quantile of their own
            below, above = (max(below, abs(one.value - side) / normal * critical) for side in one.limits)
        together.append((one.value - below, one.value + above))
    return together
