"""Erasers fitted on all responses, to be used elsewhere: while a model generates.

What is measured of an eraser is measured of those that were fitted without a fold. The one that is used is fitted on
all constrained responses that are given, at one site.
"""

from __future__ import annotations

import numpy as np

from adhere.core.errors import UserError
from adhere.explain.cases.examples import Examples
from adhere.explain.probing.erasers import Eraser, Method, inlp, leace, random_subspace
from adhere.explain.probing.moments import Moments
from adhere.explain.probing.probes import Centred
from adhere.explain.probing.site_parallel import Site


def fit_eraser(
    examples: Examples, skill: str, site: Site, method: Method = "leace", rank: int = 1, seed: int = 0
) -> Eraser:
    """The eraser of one skill at one site; `method` "random" is its control of the same rank.

    Raises:
        UserError: only one class of the skill is there.
    """
    rows = np.flatnonzero((examples.skill == skill) & examples.constrained)
    met = examples.met[rows]
    if not len(rows) or met.all() or not met.any():
        raise UserError(f"{skill}: erasing it needs responses that met it and responses that violated it")
    sign = np.where(met, np.float32(1), np.float32(-1))[:, None]
    moments = Moments.of(examples.slab(*site)[rows], (np.zeros(len(rows), np.int64),), (1,), sign)[0]
    if method == "leace":
        return leace(Centred.of(moments), moments.mean)
    if method == "inlp":
        return inlp(Centred.of(moments), moments.mean, rank)
    return random_subspace(examples.width, rank, moments.mean, np.random.default_rng(seed))
