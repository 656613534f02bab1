"""Erasing what a skill's probe reads: LEACE, INLP, and random subspaces of the same rank, all from moments.

An eraser takes x to x - L R'(x - mean), with L and R of shape (d, k): k is its rank.

    LEACE    R = S^-1 C, L = C (C' S^-1 C)^-1: the least change after which no linear probe does better than chance
             (Belrose et al. 2023, arXiv 2306.03819, Theorem 4.3). C is the covariance of activation and label, S that
             of the activations. For one label both are vectors, and one Cholesky factor gives them.
    INLP     L = R = V, orthonormal: probe, take its direction out, probe again (Ravfogel et al. 2020, 2004.07667).
             The probe of step m is the ridge or LDA that is orthogonal to the m - 1 directions before. With A = G + D
             from one Cholesky factor it is w = A^-1 (c - V mu), where mu makes V'w vanish: no step factorises or
             projects anything again. The directions are nested: the first k columns are INLP of rank k.
    random   L = R, an orthonormal basis of a subspace drawn at random: what erasing costs without aim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from adhere.explain.probing.probes import ALPHA, Centred, Factor, Kind, penalty

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Method = Literal["leace", "inlp", "random"]

RANKS = (1, 2, 4, 8, 16)
"""Ranks at which INLP is looked at."""

_RIDGE = 1e-8
"""Share of each feature's variance added for LEACE's Cholesky factor; more where that is not positive definite."""


@dataclass(frozen=True)
class Eraser:
    """x - left right'(x - mean): `left` and `right` of shape (d, k), `mean` of shape (d,)."""

    method: Method
    left: Floats
    right: Floats
    mean: Floats

    @property
    def rank(self) -> int:
        return int(self.left.shape[1])

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Erase from activations of shape (n, d)."""
        right, left = self.right.astype(np.float32), self.left.astype(np.float32)
        return np.asarray(x - ((x - self.mean.astype(np.float32)) @ right) @ left.T)

    def of_rank(self, rank: int) -> Eraser:
        """The first `rank` directions; those of INLP and of random subspaces are nested."""
        return Eraser(self.method, self.left[:, :rank], self.right[:, :rank], self.mean)


def leace(centred: Centred, mean: Floats) -> Eraser:
    """LEACE for the labels of `centred.cross`, shape (t, d): all t columns are erased together.

    Of activations that are all alike (before the first block at a prompt's last token, say) it erases nothing: rank 0.

    Args:
        centred: moments of the activations from which to erase.
        mean: their mean, which stays where it is.
    """
    right = _definite(centred).solve(centred.cross.T)
    inner = right.T @ centred.cross.T
    if not np.trace(inner) > 0:
        return Eraser("leace", right[:, :0], right[:, :0], mean)
    return Eraser("leace", Factor.of_matrix(inner).solve(centred.cross).T, right, mean)


def _definite(centred: Centred) -> Factor:
    """A factor of the scatter matrix, with as little on its diagonal as makes it positive definite.

    Fewer rows than features, or features that copy each other, leave the scatter matrix singular.
    """
    floor = _RIDGE * centred.n * centred.variance
    while True:
        try:
            return Factor.of(centred, floor)
        except np.linalg.LinAlgError:
            floor = 10 * floor


def inlp(centred: Centred, mean: Floats, rank: int = RANKS[-1], *, kind: Kind = "lda", alpha: float = ALPHA) -> Eraser:
    """INLP of at most `rank` directions for the first column of labels; fewer where nothing linear is left."""
    factor = Factor.of(centred, penalty(centred, kind, alpha))
    target = centred.cross[0]
    first = factor.solve(target[:, None])[:, 0]
    d = len(first)
    basis, solved = np.empty((d, rank)), np.empty((d, rank))
    w = first
    for k in range(rank):
        # twice is enough (Giraud et al. 2005)
        for _ in range(2):
            w = w - basis[:, :k] @ (basis[:, :k].T @ w)
        norm = np.linalg.norm(w)
        if norm <= 1e-10 * np.linalg.norm(first):
            return Eraser("inlp", basis[:, :k], basis[:, :k], mean)
        basis[:, k] = w / norm
        solved[:, k] = factor.solve(basis[:, k, None])[:, 0]
        v, b = basis[:, : k + 1], solved[:, : k + 1]
        w = first - b @ Factor.of_matrix(v.T @ b).solve(v.T @ first)
    return Eraser("inlp", basis, basis, mean)


def random_subspace(width: int, rank: int, mean: Floats, generator: np.random.Generator) -> Eraser:
    """An orthonormal basis of a subspace drawn uniformly."""
    basis, _ = np.linalg.qr(generator.standard_normal((width, min(rank, width))))
    return Eraser("random", basis, basis, mean)
