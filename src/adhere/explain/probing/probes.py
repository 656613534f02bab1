"""Linear probes from moments: ridge, LDA and mass-mean; specialists, pools and pools less one skill.

A probe is a direction w in the space of raw activations; a row's score is w'(x - mean). Features are standardised by
the training rows: with G the scatter matrix, S its diagonal over n, and c the sum of label times centred activation,

    ridge       w = (G + alpha S)^-1 c      scikit-learn's RidgeClassifier on standardised features
    lda         the same, alpha by OAS      Chen et al. 2010 (arXiv 0907.4698): shrinkage from the moments alone
    mass_mean   w = c                       difference of the class means

LDA with shrinkage is a ridge: taking the between-class part out of G changes the length of w, not its direction. A pool
of skills adds their centred moments, so what tells the skills apart teaches it nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from adhere.explain.probing.moments import Moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Kind = Literal["ridge", "lda", "mass_mean", "logistic"]

ALPHA = 1.0
"""Strength of the ridge: scikit-learn's default."""

_FLOOR = 1e-9
"""Share of the mean variance that is added to each feature's, so that a constant feature does not divide by zero."""


@dataclass(frozen=True)
class Centred:
    """Moments about the mean: `n` rows, `scatter` (d, d), `cross` (t, d) for t columns of labels."""

    n: float
    scatter: Floats
    cross: Floats

    @classmethod
    def of(cls, moments: Moments) -> Centred:
        """Of a single cell."""
        return cls(float(moments.n), moments.scatter(), moments.cross())

    def __add__(self, other: Centred) -> Centred:
        """Both, each about its own mean."""
        return Centred(self.n + other.n, self.scatter + other.scatter, self.cross + other.cross)

    def __sub__(self, other: Centred) -> Centred:
        """Without a part that was added."""
        return Centred(self.n - other.n, self.scatter - other.scatter, self.cross - other.cross)

    @property
    def variance(self) -> Floats:
        """Of each feature, shape (d,); never zero."""
        variance = np.maximum(np.diag(self.scatter) / max(self.n, 1.0), 0.0)
        return np.asarray(variance + _FLOOR * (variance.mean() or 1.0))


def penalty(centred: Centred, kind: Kind, alpha: float = ALPHA) -> Floats:
    """Diagonal that is added to the scatter matrix, shape (d,)."""
    variance = centred.variance
    if kind == "ridge":
        return np.asarray(alpha * variance)
    shrinkage = oas(centred, variance)
    return np.asarray(centred.n * shrinkage / (1 - shrinkage) * variance)


def oas(centred: Centred, variance: Floats) -> float:
    """Oracle approximating shrinkage of the correlation matrix (Chen et al. 2010, eq. 23, as scikit-learn has it)."""
    d, n = len(variance), centred.n
    scale = 1 / np.sqrt(variance)
    within = centred.scatter / n
    square = float(np.einsum("ij,ij,i,j->", within, within, scale**2, scale**2)) / d**2
    mean = float(np.sum(np.diag(within) / variance)) / d
    numerator = square + mean**2
    denominator = (n + 1) * (square - mean**2 / d)
    shrinkage = 1.0 if denominator <= 0 else min(numerator / denominator, 1.0)
    return min(max(shrinkage, 1e-4), 0.999)


@dataclass(frozen=True)
class Factor:
    """Cholesky factor of scatter + penalty: solves for any number of right-hand sides."""

    factor: tuple[Floats, bool]

    @classmethod
    def of(cls, centred: Centred, added: Floats) -> Factor:
        matrix = centred.scatter.copy()
        matrix[np.diag_indices_from(matrix)] += added
        return cls.of_matrix(matrix)

    @classmethod
    def of_matrix(cls, matrix: Floats) -> Factor:
        """Of any symmetric positive definite matrix; it is overwritten."""
        from scipy.linalg import cho_factor

        factor, lower = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        return cls((factor, lower))

    def solve(self, right: Floats) -> Floats:
        """Shape (d, k) for (d, k), or (d,) for (d,)."""
        from scipy.linalg import cho_solve

        return np.asarray(cho_solve(self.factor, right, check_finite=False))


def directions(centred: Centred, kind: Kind, alpha: float = ALPHA) -> Floats:
    """A probe for each column of labels, shape (d, t)."""
    if kind == "mass_mean":
        return centred.cross.T.copy()
    return Factor.of(centred, penalty(centred, kind, alpha)).solve(centred.cross.T)
