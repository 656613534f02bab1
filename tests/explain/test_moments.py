"""Moments: one pass, additive, exact under a shift; and the probes that come from them."""

from __future__ import annotations

import numpy as np
import pytest

from adhere.explain.probing.moments import Moments
from adhere.explain.probing.probes import Centred, directions, oas


def _data(n: int = 300, d: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((n, d)) * np.geomspace(0.1, 30, d) + generator.standard_normal(d) * 100
    met = generator.random(n) < 1 / (1 + np.exp(-(x - x.mean(0)) @ (generator.standard_normal(d) / x.std(0))))
    return x.astype(np.float32), met


def _sign(met: np.ndarray) -> np.ndarray:
    return np.where(met, np.float32(1), np.float32(-1))[:, None]


def _one(x: np.ndarray, met: np.ndarray, shift: np.ndarray | None = None) -> Moments:
    return Moments.of(x, (np.zeros(len(x), np.int64),), (1,), _sign(met), shift)[0]


def test_what_is_left_after_subtracting_a_fold_is_what_the_others_alone_give() -> None:
    x, met = _data()
    fold = np.arange(len(x)) % 5
    moments = Moments.of(x, (fold,), (5,), _sign(met))
    for held_out in range(5):
        train = fold != held_out
        left = Centred.of(moments.sum(0).less(moments[held_out]))
        wanted = np.cov(x[train].T.astype(np.float64), bias=True) * train.sum()
        assert np.allclose(left.scatter, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
        cross = (x[train] - x[train].mean(0, dtype=np.float64)).T @ _sign(met[train])
        assert np.allclose(left.cross[0], cross[:, 0], rtol=1e-3, atol=1e-4 * np.abs(cross).max())


def test_moments_of_several_workers_add_up_whatever_their_shifts() -> None:
    x, met = _data()
    parts = [_one(x[k::3], met[k::3]) for k in range(3)]
    assert not np.allclose(parts[0].shift, parts[1].shift)
    together = Centred.of(parts[0] + parts[1] + parts[2])
    whole = Centred.of(_one(x, met))
    assert together.n == whole.n
    assert np.allclose(together.scatter, whole.scatter, rtol=1e-5, atol=1e-5 * np.abs(whole.scatter).max())
    assert np.allclose(together.cross, whole.cross, rtol=1e-4, atol=1e-4 * np.abs(whole.cross).max())


def test_batches_add_in_place_without_growing() -> None:
    x, met = _data()
    moments = Moments.zeros((2,), x.shape[1], 1, x.mean(0, dtype=np.float64))
    size = moments.gram.nbytes
    for start in range(0, len(x), 50):
        rows = slice(start, start + 50)
        moments.update(x[rows], (np.arange(50) % 2,), _sign(met[rows]))
    assert moments.gram.nbytes == size
    whole = Centred.of(_one(x, met))
    assert np.allclose(Centred.of(moments.sum(0)).scatter, whole.scatter, rtol=1e-4, atol=1e-4 * whole.scatter.max())


def test_a_large_mean_does_not_eat_the_precision() -> None:
    x, met = _data()
    far = x + np.float32(3000)
    exact = np.cov(far.T.astype(np.float64), bias=True) * len(x)
    assert np.allclose(Centred.of(_one(far, met)).scatter, exact, rtol=1e-4, atol=1e-5 * exact.max())


@pytest.mark.parametrize("alpha", [0.1, 1.0, 100.0])
def test_ridge_is_scikit_learns_on_standardised_features(alpha: float) -> None:
    from sklearn.linear_model import RidgeClassifier
    from sklearn.preprocessing import StandardScaler

    x, met = _data()
    ours = directions(Centred.of(_one(x, met)), "ridge", alpha)[:, 0]
    scaler = StandardScaler().fit(x.astype(np.float64))
    model = RidgeClassifier(alpha=alpha).fit(scaler.transform(x.astype(np.float64)), met)
    theirs = model.coef_.ravel() / scaler.scale_
    assert np.allclose(ours, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())


def test_lda_is_scikit_learns_with_the_same_shrinkage_and_oas_is_scikit_learns() -> None:
    from sklearn.covariance import OAS
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    x, met = _data(n=60)
    x = (x - x.mean(0)) / x.std(0)
    centred = Centred.of(_one(x, met))
    assert oas(centred, centred.variance) == pytest.approx(OAS().fit(x.astype(np.float64)).shrinkage_, rel=1e-3)
    # shrinkage s of the within-class covariance W towards m 1: the direction of (W + s / (1 - s) m 1)^-1
    priors = [np.mean(~met), np.mean(met)]
    within = sum(
        prior * np.trace(np.cov(x[met == side].T, bias=True)) / x.shape[1]
        for prior, side in zip(priors, (False, True), strict=True)
    )
    shrinkage = 0.3
    lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage=shrinkage).fit(x.astype(np.float64), met)
    ridge = directions(centred, "ridge", len(x) * shrinkage / (1 - shrinkage) * within)[:, 0]
    scores = [(x @ w)[:, None].ravel() for w in (ridge, lda.coef_[0])]
    assert abs(np.corrcoef(*scores)[0, 1]) > 0.999


def test_a_constant_feature_breaks_nothing() -> None:
    x, met = _data()
    x[:, 3] = 7.0
    for kind in ("ridge", "lda", "mass_mean"):
        assert np.isfinite(directions(Centred.of(_one(x, met)), kind)).all()
