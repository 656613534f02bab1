"""The batched logistic regression against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

from adhere.explain.probing import logistic


def _data(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Correlated features with a decaying spectrum and two of very large scale, as residual streams have them."""
    generator = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(generator.standard_normal((d, d)))
    spectrum = np.arange(1, d + 1) ** -0.6
    x = (generator.standard_normal((n, d)) * spectrum) @ rotation.T
    signal = (x - x.mean(0)) @ (rotation @ (generator.standard_normal(d) / np.sqrt(spectrum)))
    met = 2 * signal / signal.std() + generator.logistic(size=n) > 0
    x[:, 3] *= 30
    x[:, 7] *= 50
    return (x + generator.standard_normal(d) * 2).astype(np.float32), met


@pytest.mark.parametrize(("n", "d", "c"), [(1500, 64, 1.0), (400, 96, 1.0), (600, 48, 0.01), (120, 200, 1.0)])
def test_folds_agree_with_scikit_learn_fold_by_fold(n: int, d: int, c: float) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import StandardScaler

    same, gaps = [], []
    for seed in range(2):
        x, met = _data(n, d, seed)
        train = (np.arange(n) % 5)[:, None] != np.arange(5)
        ours = logistic.fit(x, met, train, c=c).scores(x)
        for fold in range(5):
            rows = train[:, fold]
            scaler = StandardScaler().fit(x[rows].astype(np.float64))
            model = LogisticRegression(C=c, tol=1e-6, max_iter=5000)
            model.fit(scaler.transform(x[rows].astype(np.float64)), met[rows])
            theirs = model.decision_function(scaler.transform(x[~rows].astype(np.float64)))
            same.append(np.mean((theirs > 0) == (ours[~rows, fold] > 0)))
            gaps.append(abs(roc_auc_score(met[~rows], theirs) - roc_auc_score(met[~rows], ours[~rows, fold])))
    assert np.mean(same) >= 0.997
    assert max(gaps) <= 0.002


def test_columns_may_have_labels_of_their_own() -> None:
    x, met = _data(300, 20, 0)
    other = np.random.default_rng(1).permutation(met)
    train = np.ones((300, 2), bool)
    together = logistic.fit(x, np.stack([met, other], axis=1), train, tolerance=1e-6)
    alone = [logistic.fit(x, labels, train[:, :1], tolerance=1e-6) for labels in (met, other)]
    for column, one in enumerate(alone):
        assert np.allclose(together.scores(x)[:, column], one.scores(x)[:, 0], atol=2e-3)


def test_what_tells_groups_apart_teaches_nothing_where_each_has_its_intercept() -> None:
    generator = np.random.default_rng(0)
    n = 400
    group = np.arange(n) % 2
    met = generator.random(n) < np.where(group == 1, 0.9, 0.1)
    x = generator.standard_normal((n, 3)).astype(np.float32)
    x[:, 0] += 5 * group
    train = np.ones((n, 1), bool)
    plain = logistic.fit(x, met, train).weights[:, 0]
    grouped = logistic.fit(x, met, train, group=group).weights[:, 0]
    assert abs(plain[0]) > 0.5
    assert abs(grouped[0]) < 0.25


def test_separable_classes_converge() -> None:
    x, _ = _data(200, 10, 0)
    met = x[:, 0] > np.median(x[:, 0])
    fitted = logistic.fit(x, met, np.ones((200, 1), bool))
    assert np.mean((fitted.scores(x)[:, 0] > 0) == met) > 0.98
    assert fitted.steps < logistic.STEPS
