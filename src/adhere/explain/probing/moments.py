"""First and second moments of activations, by cell: all that ridge, LDA, LEACE and INLP need to be fitted.

Rules:
- A cell is what must later be told apart: here (skill, fold). Each holds the number of rows, their sum, their Gram
  matrix, and the sums with the labels (+1 met, -1 violated). Several columns of labels share one Gram matrix: the true
  ones first, then shuffled ones for the control.
- Moments add: over batches, over workers, over folds, over skills. What was held out is subtracted from the total, so
  that k folds cost one pass. Memory does not grow with the number of rows.
- Activations are taken relative to a `shift` near their mean, since a large mean eats the precision of a Gram matrix.
  Moments with different shifts are brought to one before they are added; that is exact.
- A batch's Gram matrix is computed in float32 and summed in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_ROWS = 2048
"""Rows of one Gram matrix in float32: its relative error stays near 1e-6 of the diagonal."""


@dataclass(frozen=True)
class Moments:
    """Sums over rows by cell. `cells` stands for the leading dimensions, d for the width, t for columns of labels.

    Attributes:
        n: rows, shape (*cells,).
        x: sum of x - shift, shape (*cells, d).
        gram: sum of (x - shift)(x - shift)', shape (*cells, d, d).
        y: sum of the labels, shape (*cells, t).
        xy: sum of label times (x - shift), shape (*cells, t, d).
        shift: what was taken off every row, shape (d,).
    """

    n: Floats
    x: Floats
    gram: Floats
    y: Floats
    xy: Floats
    shift: Floats

    @classmethod
    def zeros(cls, cells: tuple[int, ...], width: int, labels: int, shift: Floats | None = None) -> Moments:
        """Moments of nothing, to which batches are added."""
        return cls(
            n=np.zeros(cells),
            x=np.zeros((*cells, width)),
            gram=np.zeros((*cells, width, width)),
            y=np.zeros((*cells, labels)),
            xy=np.zeros((*cells, labels, width)),
            shift=np.zeros(width) if shift is None else np.asarray(shift, np.float64),
        )

    @classmethod
    def of(
        cls,
        x: NDArray[np.float32],
        cell: tuple[NDArray[np.int64], ...],
        cells: tuple[int, ...],
        y: NDArray[np.float32],
        shift: Floats | None = None,
    ) -> Moments:
        """Moments of one batch.

        Args:
            x: activations, shape (n, d).
            cell: for each leading dimension of `cells`, where each row belongs, shape (n,).
            cells: the leading dimensions.
            y: labels, shape (n, t).
            shift: shape (d,); the batch's mean where none is given.
        """
        taken = x.mean(axis=0, dtype=np.float64) if shift is None else shift
        moments = cls.zeros(cells, x.shape[1], y.shape[1], taken)
        moments.update(x, cell, y)
        return moments

    def update(self, x: NDArray[np.float32], cell: tuple[NDArray[np.int64], ...], y: NDArray[np.float32]) -> None:
        """Add a batch in place: the arrays grow no larger. Arguments as for `of`."""
        flat = np.ravel_multi_index(cell, self.n.shape)
        order = np.argsort(flat, kind="stable")
        rows, labels = x[order], np.asarray(y, np.float32)[order]
        rows -= self.shift.astype(np.float32)
        starts = np.searchsorted(flat[order], np.arange(self.n.size + 1))
        for number in np.flatnonzero(np.diff(starts)):
            where = np.unravel_index(number, self.n.shape)
            for start in range(starts[number], starts[number + 1], _ROWS):
                chosen = slice(start, min(start + _ROWS, starts[number + 1]))
                part, label = rows[chosen], labels[chosen]
                self.n[where] += len(part)
                self.x[where] += part.sum(axis=0, dtype=np.float64)
                self.gram[where] += part.T @ part
                self.y[where] += label.sum(axis=0, dtype=np.float64)
                self.xy[where] += label.T @ part

    def moved(self, shift: Floats) -> Moments:
        """The same moments relative to another shift."""
        by = self.shift - shift
        if not by.any():
            return self
        outer = self.x[..., :, None] * by
        gram = self.gram + outer + np.swapaxes(outer, -1, -2) + self.n[..., None, None] * np.outer(by, by)
        return Moments(
            n=self.n,
            x=self.x + self.n[..., None] * by,
            gram=gram,
            y=self.y,
            xy=self.xy + self.y[..., None] * by,
            shift=np.asarray(shift, np.float64),
        )

    def __add__(self, other: Moments) -> Moments:
        same = other.moved(self.shift)
        return Moments(
            self.n + same.n, self.x + same.x, self.gram + same.gram, self.y + same.y, self.xy + same.xy, self.shift
        )

    def sum(self, axis: int) -> Moments:
        """Moments of the union of the cells along one leading dimension, counted from the front."""
        return Moments(
            self.n.sum(axis), self.x.sum(axis), self.gram.sum(axis), self.y.sum(axis), self.xy.sum(axis), self.shift
        )

    def __getitem__(self, where: int | tuple[int, ...]) -> Moments:
        """The moments of some cells."""
        return Moments(self.n[where], self.x[where], self.gram[where], self.y[where], self.xy[where], self.shift)

    def less(self, part: Moments) -> Moments:
        """These moments without those of `part`, which must be among them and have the same shift."""
        return Moments(
            self.n - part.n, self.x - part.x, self.gram - part.gram, self.y - part.y, self.xy - part.xy, self.shift
        )

    @property
    def mean(self) -> Floats:
        """Mean activation, shape (*cells, d)."""
        return self.shift + self.x / np.maximum(self.n, 1)[..., None]

    def scatter(self) -> Floats:
        """Sum of (x - mean)(x - mean)', shape (*cells, d, d)."""
        mean = self.x / np.maximum(self.n, 1)[..., None]
        return np.asarray(self.gram - self.x[..., :, None] * mean[..., None, :])

    def cross(self) -> Floats:
        """Sum of label times (x - mean), shape (*cells, t, d)."""
        mean = self.x / np.maximum(self.n, 1)[..., None]
        return np.asarray(self.xy - self.y[..., :, None] * mean[..., None, :])
