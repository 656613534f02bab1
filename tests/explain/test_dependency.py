"""Erasing one skill and reading another, from moments alone."""

from __future__ import annotations

import numpy as np

from adhere.explain.analyses.dependency import dependencies, refit
from adhere.explain.probing.erasers import inlp, leace, random_subspace
from adhere.explain.probing.moments import Moments
from adhere.explain.probing.probes import Centred, penalty

from .made import examples


def _moments(x: np.ndarray, met: np.ndarray) -> Moments:
    sign = np.where(met, np.float32(1), np.float32(-1))[:, None]
    return Moments.of(x, (np.zeros(len(x), np.int64),), (1,), sign)[0]


def test_a_probe_refitted_from_moments_is_the_one_fitted_on_erased_activations() -> None:
    made = examples(skills=2, shared=1.0)
    x = made.slab(2, "eos")
    x[:, 3] *= 20  # features of unlike scale
    of, by = made.skill == "skill0", made.skill == "skill1"
    moments, other = _moments(x[of], made.met[of]), _moments(x[by], made.met[by])
    centred, added = Centred.of(moments), penalty(Centred.of(moments), "ridge", 30.0)
    erasers = [
        leace(Centred.of(other), other.mean),
        inlp(Centred.of(other), other.mean, 4),
        random_subspace(x.shape[1], 4, other.mean, np.random.default_rng(0)),
    ]
    _, probes = refit(centred, added, erasers, (1, 2, 4))
    for eraser, found in zip(erasers, probes, strict=True):
        for column, rank in enumerate((1, 2, 4)):
            erase = eraser.of_rank(rank)
            left = Centred.of(_moments(erase(x[of]), made.met[of]))
            w = np.linalg.solve(left.scatter + np.diag(added), left.cross[0])
            scores = (erase(x[of]) - erase(x[of]).mean(axis=0)) @ w
            wanted = (x[of] - x[of].mean(axis=0)) @ found[:, column]
            assert np.allclose(scores, wanted, atol=2e-3 * np.abs(wanted).max()), (eraser.method, rank)


def test_what_skills_share_is_lost_by_erasing_either_and_what_they_do_not_is_kept() -> None:
    shared = examples(skills=2, strength=0.0, shared=2.0)
    apart = examples(skills=2, strength=2.0, shared=0.0)
    site = (2, "eos")
    for made, dependent in ((shared, True), (apart, False)):
        found = dependencies(made.balanced(), [site], ranks=(1, 4), draws=4)[site]
        assert all(e.value > 0.9 for e in found.before)
        for key in (("leace", 1), ("inlp", 1)):
            loss = found.lost[key][0][1]
            low, high = loss.interval
            if dependent:
                assert loss.value > 0.2
                assert low > 0.1
            else:
                assert abs(loss.value) < 0.1
                assert low < 0.05 < high + 0.1
            assert found.lost[key][0][0].value > 0.2, "a skill depends on itself"


def test_the_site_is_the_same_over_processes() -> None:
    made = examples(skills=2, prompts=20, per_prompt=4).balanced()
    chosen = [(1, "eos"), (2, "eos"), (2, "50")]
    here = dependencies(made, chosen, ranks=(1, 2), draws=2)
    there = dependencies(made, chosen, ranks=(1, 2), draws=2, processes=2)
    assert list(there) == chosen
    for site in chosen:
        assert np.allclose(here[site].matrix("inlp", 2), there[site].matrix("inlp", 2))
