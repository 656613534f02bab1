"""LEACE and INLP against their references."""

from __future__ import annotations

import numpy as np
import pytest

from adhere.explain.probing.erasers import inlp, leace, random_subspace
from adhere.explain.probing.moments import Moments
from adhere.explain.probing.probes import Centred


def _data(n: int = 600, d: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    mix = generator.standard_normal((d, d))
    x = generator.standard_normal((n, d)) @ mix + generator.standard_normal(d) * 3
    met = generator.random(n) < 0.5
    x += np.where(met, 1.0, -1.0)[:, None] * generator.standard_normal(d)
    return x.astype(np.float32), met


def _moments(x: np.ndarray, *labels: np.ndarray) -> Moments:
    sign = np.stack([np.where(met, np.float32(1), np.float32(-1)) for met in labels], axis=1)
    return Moments.of(x, (np.zeros(len(x), np.int64),), (1,), sign)[0]


@pytest.mark.parametrize("concepts", [1, 3])
def test_leace_is_concept_erasures(concepts: int) -> None:
    import torch
    from concept_erasure import LeaceFitter

    x, met = _data()
    labels = [met, *(np.random.default_rng(k).random(len(x)) < 0.5 for k in range(1, concepts))]
    moments = _moments(x, *labels)
    ours = leace(Centred.of(moments), moments.mean)
    wide = torch.tensor(x, dtype=torch.float64)
    z = torch.tensor(np.stack(labels, axis=1), dtype=torch.float64)
    theirs = (
        LeaceFitter(x.shape[1], concepts, dtype=torch.float64, shrinkage=False, svd_tol=1e-9).update(wide, z).eraser
    )
    assert ours.rank == concepts
    assert np.abs(ours(x) - theirs(wide).numpy()).max() < 1e-4 * np.abs(x).max()
    projection = np.eye(x.shape[1]) - ours.left @ ours.right.T
    assert np.abs(projection - theirs.P.numpy()).max() < 1e-4


def test_after_leace_no_linear_probe_does_better_than_chance() -> None:
    from sklearn.linear_model import LogisticRegression

    x, met = _data()
    moments = _moments(x, met)
    erased = leace(Centred.of(moments), moments.mean)(x)
    assert LogisticRegression(max_iter=500).fit(x, met).score(x, met) > 0.9
    majority = max(met.mean(), 1 - met.mean())
    assert LogisticRegression(max_iter=500).fit(erased, met).score(erased, met) < majority + 0.01
    assert np.allclose(erased.mean(axis=0), x.mean(axis=0), atol=1e-3)


def test_leace_stands_fewer_rows_than_features() -> None:
    x, met = _data(n=20, d=40)
    moments = _moments(x, met)
    erased = leace(Centred.of(moments), moments.mean)(x)
    assert np.isfinite(erased).all()
    gap = erased[met].mean(axis=0) - erased[~met].mean(axis=0)
    assert np.abs(gap).max() < 1e-2 * np.abs(x[met].mean(axis=0) - x[~met].mean(axis=0)).max()


def test_where_all_states_are_alike_there_is_nothing_to_erase() -> None:
    _, met = _data(n=40, d=8)
    x = np.ones((40, 8), np.float32)
    moments = _moments(x, met)
    for eraser in (leace(Centred.of(moments), moments.mean), inlp(Centred.of(moments), moments.mean)):
        assert eraser.rank == 0
        assert np.array_equal(eraser(x), x)


def test_inlp_takes_out_what_projecting_and_refitting_takes_out() -> None:
    x, met = _data()
    x = (x - x.mean(axis=0)) / x.std(axis=0)  # an isotropic penalty, for which both are the same
    moments = _moments(x, met)
    centred = Centred.of(moments)
    ours = inlp(centred, moments.mean, 6, kind="ridge", alpha=5.0)
    scatter, cross = centred.scatter, centred.cross[0]
    projection, wanted = np.eye(x.shape[1]), []
    for _ in range(6):
        w = np.linalg.solve(projection @ scatter @ projection + 5.0 * np.eye(len(scatter)), projection @ cross)
        wanted.append(w / np.linalg.norm(w))
        projection = projection - np.outer(wanted[-1], wanted[-1])
    assert np.abs(np.sum(ours.left * np.stack(wanted, axis=1), axis=0)).min() > 0.999
    assert np.allclose(ours.left.T @ ours.left, np.eye(6), atol=1e-10)


def test_inlp_ends_where_nothing_linear_is_left() -> None:
    generator = np.random.default_rng(0)
    met = np.arange(200) % 2 == 0
    x = np.zeros((200, 5), np.float32)
    x[:, 0] = np.where(met, 1.0, -1.0)
    x[:, 1:] = np.repeat(generator.standard_normal((100, 4)), 2, axis=0)  # the same for both of a pair
    moments = _moments(x, met)
    assert inlp(Centred.of(moments), moments.mean, 5, kind="ridge").rank <= 2


def test_a_random_subspace_is_a_projection_of_its_rank_and_ranks_are_nested() -> None:
    eraser = random_subspace(30, 8, np.zeros(30), np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((10, 30)).astype(np.float32)
    assert np.linalg.matrix_rank(eraser.left) == 8
    assert np.allclose(eraser(eraser(x)), eraser(x), atol=1e-5)
    assert np.allclose(eraser(x)[:, 0], eraser(eraser.of_rank(3)(x))[:, 0], atol=1e-5)
