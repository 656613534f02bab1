"""L2-regularised logistic regression for many columns at once: folds, shuffled labels and pools share one matrix.

The objective of a column is scikit-learn's on standardised features: with margins m = t (Xw + b),

    sum_i a_i log(1 + exp(-m_i))  +  1 / (2 C) sum_j s_j^2 w_j^2,

where a marks the rows that the column trains on and s is the standard deviation of each feature over just these rows.
So every fold is standardised by its own training rows, yet no fold needs its own copy of the activations.

It is solved by L-BFGS (Nocedal 1980) whose first matrix is the inverse of h X'X + S / C: an upper bound of the Hessian
for h = 1/4 (Bohning and Lindsay 1988), factorised once by Cholesky and shared by all columns; through XX' where there
are fewer rows than features. It steers the path, not the solution. Each step multiplies by X twice; the line search
then needs no further product, since margins are linear in the step, and is Newton's in one dimension on a convex one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

C = 1.0
"""Inverse strength of the penalty: scikit-learn's default."""

TOLERANCE = 1e-4
"""Largest entry of the gradient of the mean loss at which a column is done: scikit-learn's default."""

STEPS = 200
MEMORY = 8

_JITTER = 1e-5
"""Share of a standardised feature's curvature that is added to all, since intercepts bear no penalty."""


@dataclass(frozen=True)
class Logistic:
    """Fitted columns: weights of the raw features, shape (d, k), and intercepts, shape (k,)."""

    weights: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    steps: int

    def scores(self, x: Floats) -> Floats:
        """Log odds, shape (n, k)."""
        return np.asarray(x @ self.weights.astype(np.float32) + self.intercepts.astype(np.float32))


def fit(
    x: Floats,
    met: NDArray[np.bool_],
    train: NDArray[np.bool_],
    *,
    c: float = C,
    tolerance: float = TOLERANCE,
    group: NDArray[np.int64] | None = None,
) -> Logistic:
    """Fit k columns.

    Args:
        x: activations, shape (n, d).
        met: labels, shape (n, k), or (n,) for the same in all columns.
        train: rows that each column trains on, shape (n, k).
        c: inverse strength of the penalty.
        tolerance: when a column is done.
        group: of each row, shape (n,): every group then has an intercept of its own, unpenalised, so that what tells
            the groups apart teaches nothing. The intercepts returned are those of group 0.

    Every column must see both classes.
    """
    n, d = x.shape
    k = train.shape[1]
    middle = x.mean(axis=0, dtype=np.float64).astype(np.float32)
    z = x - middle
    spread = np.sqrt(np.einsum("ij,ij->j", z, z) / n)
    spread[spread == 0] = 1.0
    z /= spread
    offsets = np.ones((n, 1), np.float32) if group is None else _indicators(group)
    z = np.concatenate([z, offsets], axis=1)
    a = np.ascontiguousarray(train, np.float32)
    sign = np.where(met, np.float32(1), np.float32(-1))
    sign = np.repeat(sign[:, None], k, axis=1) if sign.ndim == 1 else sign
    rows = a.sum(axis=0)
    penalty = np.zeros((z.shape[1], k), np.float32)
    penalty[:d] = _variance(z[:, :d], a, rows) / c
    solution, steps = _minimise(z, sign, a, penalty, tolerance)
    weights = solution[:d].astype(np.float64) / spread[:, None]
    return Logistic(weights, solution[d] - middle.astype(np.float64) @ weights, steps)


def _indicators(group: NDArray[np.int64]) -> Floats:
    return np.asarray(group[:, None] == np.unique(group), np.float32)


def _variance(z: Floats, a: Floats, rows: Floats) -> Floats:
    """Variance of every feature over each column's training rows, shape (d, k)."""
    mean = z.T @ a / rows
    return np.asarray(np.maximum((z * z).T @ a / rows - mean**2, 1e-12), np.float32)


def _minimise(z: Floats, sign: Floats, a: Floats, penalty: Floats, tolerance: float) -> tuple[Floats, int]:
    newton = _preconditioner(z, float(a.sum() / a.size), penalty.mean(axis=1))
    rows = a.sum(axis=0)
    size, k = penalty.shape
    w = np.zeros((size, k), np.float32)
    margins = np.zeros_like(a)
    residual = -0.5 * a * sign
    gradient = z.T @ residual
    moves: list[Floats] = []
    turns: list[Floats] = []
    curvatures: list[Floats] = []
    for step in range(1, STEPS + 1):
        if float(np.max(np.abs(gradient) / rows)) <= tolerance:
            return w, step - 1
        # two loops of L-BFGS, on all columns at once
        q = gradient.copy()
        weights = []
        for move, turn, curvature in zip(reversed(moves), reversed(turns), reversed(curvatures), strict=True):
            alpha = np.einsum("ij,ij->j", move, q) * curvature
            q -= alpha * turn
            weights.append(alpha)
        direction = newton(q)
        for move, turn, curvature, alpha in zip(moves, turns, curvatures, reversed(weights), strict=True):
            direction += (alpha - np.einsum("ij,ij->j", turn, direction) * curvature) * move
        direction = -direction
        ahead = z @ direction
        length = _line(margins, ahead, sign, a, penalty, w, direction)
        move = length * direction
        w += move
        margins += length * ahead
        residual = -a * sign * _sigmoid(-sign * margins)
        new = z.T @ residual + penalty * w
        turn = new - gradient
        product = np.einsum("ij,ij->j", move, turn)
        moves.append(move)
        turns.append(turn)
        curvatures.append(np.where(product > 0, 1 / np.maximum(product, 1e-30), 0).astype(np.float32))
        if len(moves) > MEMORY:
            del moves[0], turns[0], curvatures[0]
        gradient = new
    return w, STEPS


def _preconditioner(z: Floats, share: float, penalty: Floats) -> Callable[[Floats], Floats]:
    """Multiplies by the inverse of h Z'Z + S / C, through the smaller of Z'Z and ZZ' (Woodbury 1950)."""
    from scipy.linalg import cho_factor, cho_solve

    n, size = z.shape
    h = np.float32(0.25 * share)
    diagonal = penalty + np.float32(_JITTER) * h * n
    if size <= n:
        hessian = h * (z.T @ z)
        hessian[np.diag_indices_from(hessian)] += diagonal
        factor = cho_factor(hessian, lower=True, overwrite_a=True, check_finite=False)
        return lambda gradient: np.asarray(cho_solve(factor, gradient, check_finite=False))
    inverse = (1 / diagonal)[:, None]
    dual = z @ (inverse * z.T)
    dual[np.diag_indices_from(dual)] += 1 / h
    factor = cho_factor(dual, lower=True, overwrite_a=True, check_finite=False)

    def multiply(gradient: Floats) -> Floats:
        scaled = inverse * gradient
        return np.asarray(scaled - inverse * (z.T @ cho_solve(factor, z @ scaled, check_finite=False)))

    return multiply


def _sigmoid(x: Floats) -> Floats:
    half = np.float32(0.5)
    return np.asarray(half + half * np.tanh(half * x))


def _line(
    margins: Floats, ahead: Floats, sign: Floats, a: Floats, penalty: Floats, w: Floats, direction: Floats
) -> Floats:
    """Step lengths that minimise each column along its direction, by at most three Newton steps."""
    linear = np.einsum("ij,ij->j", penalty * w, direction)
    square = np.einsum("ij,ij->j", penalty * direction, direction)
    length = np.ones(a.shape[1], np.float32)
    for _ in range(3):
        p = _sigmoid(sign * (margins + length * ahead))
        first = -np.einsum("ij,ij->j", a * sign * (1 - p), ahead) + linear + length * square
        second = np.einsum("ij,ij->j", a * p * (1 - p), ahead * ahead) + square
        change = first / np.maximum(second, 1e-30)
        length = np.clip(length - change, 1e-3, 4 * length)
        if np.max(np.abs(change) / length) < 0.1:
            break
    return length
