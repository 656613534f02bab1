"""Probes and erasers fitted on all responses, to be used elsewhere: watching a generation, or erasing during one.

What is measured of a probe is measured of those that were fitted without a fold. The one that is used is fitted on all
constrained responses, at the site that was found best. Its weights have length one and its scores are relative to the
training mean, as those of a scan: a threshold set on the scan's held-out scores carries over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adhere.errors import UserError
from adhere.explain import logistic
from adhere.explain.erasers import Eraser, Method, inlp, leace, random_subspace
from adhere.explain.examples import Examples
from adhere.explain.moments import Moments
from adhere.explain.probes import ALPHA, Centred, Kind, directions
from adhere.explain.sites import Site

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Probe:
    """score(x) = weights'x - offset; higher means met. `weights` has shape (d,) and length one."""

    skill: str
    site: Site
    kind: Kind
    weights: NDArray[np.float32]
    offset: float

    def scores(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Shape (n,) for activations of shape (n, d)."""
        return np.asarray(x @ self.weights - np.float32(self.offset))


def _moments(examples: Examples, skill: str, site: Site) -> tuple[Moments, NDArray[np.float32], NDArray[np.bool_]]:
    rows = np.flatnonzero((examples.skill == skill) & examples.constrained)
    met = examples.met[rows]
    if not len(rows) or met.all() or not met.any():
        raise UserError(f"{skill}: a probe needs responses that met it and responses that violated it")
    x = examples.slab(*site)[rows]
    sign = np.where(met, np.float32(1), np.float32(-1))[:, None]
    return Moments.of(x, (np.zeros(len(x), np.int64),), (1,), sign)[0], x, met


def fit_probe(examples: Examples, skill: str, site: Site, kind: Kind = "logistic", alpha: float = ALPHA) -> Probe:
    """The probe of one skill at one site, from all its constrained responses (balanced by the caller)."""
    moments, x, met = _moments(examples, skill, site)
    if kind == "logistic":
        weights = logistic.fit(x, met, np.ones((len(x), 1), bool)).weights[:, 0]
    else:
        weights = directions(Centred.of(moments), kind, alpha)[:, 0]
    weights = weights / max(float(np.linalg.norm(weights)), 1e-30)
    return Probe(skill, site, kind, weights.astype(np.float32), float(moments.mean @ weights))


def fit_eraser(
    examples: Examples, skill: str, site: Site, method: Method = "leace", rank: int = 1, seed: int = 0
) -> Eraser:
    """The eraser of one skill at one site; `method` "random" is its control of the same rank."""
    moments, _, _ = _moments(examples, skill, site)
    if method == "leace":
        return leace(Centred.of(moments), moments.mean)
    if method == "inlp":
        return inlp(Centred.of(moments), moments.mean, rank)
    return random_subspace(examples.width, rank, moments.mean, np.random.default_rng(seed))


def threshold(scores: NDArray[np.float32], met: NDArray[np.bool_], false_alarms: float) -> float:
    """The score below which to raise an alarm, so that a share of at most `false_alarms` of good responses raise one.

    A conformal quantile of held-out scores (Vovk et al. 2005): of n good responses the k-th lowest score, with
    k = floor(false_alarms (n + 1)), is undercut by the next with probability at most `false_alarms`.

    Raises:
        UserError: too few good responses for so low a rate.
    """
    good = np.sort(scores[met])
    k = int(false_alarms * (len(good) + 1))
    if k < 1:
        raise UserError(
            f"{len(good)} good responses cannot set a false-alarm rate of {false_alarms:g}: it takes "
            f"{int(np.ceil(1 / false_alarms)) - 1}"
        )
    return float(good[k - 1])
