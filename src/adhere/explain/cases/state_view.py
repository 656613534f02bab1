"""Some rows and positions of states that lie on disk, without a copy of them.

Rules:

- `rows_of`, `columns_of` and `joined` give a view where the states are mapped from a file (or are a view already), and
  a copy where they are in memory: what a run holds in memory does not grow with its responses.
- A view is read by the slab (`StateView.slab`) or by a block of rows, as a copy of just that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class StateView:
    """Rows of one or two arrays.

    Attributes:
        sources: arrays of shape (rows, layers, positions, width), alike but for their rows.
        columns: for each source the positions that are looked at, as many in each.
        source: for each row of the view which source it is of.
        row: and which row there.
    """

    sources: tuple[NDArray[Any], ...]
    columns: tuple[NDArray[np.int64], ...]
    source: NDArray[np.int8]
    row: NDArray[np.int64]

    ndim = 4

    @classmethod
    def of(cls, states: NDArray[Any] | StateView) -> StateView:
        """A view of all of `states`."""
        if isinstance(states, StateView):
            return states
        rows = len(states)
        return cls((states,), (np.arange(states.shape[2]),), np.zeros(rows, np.int8), np.arange(rows))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        _, layers, _, width = self.sources[0].shape
        return len(self.row), layers, len(self.columns[0]), width

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.result_type(*(one.dtype for one in self.sources))

    def __len__(self) -> int:
        return len(self.row)

    def slab(self, layer: int, position: int) -> NDArray[Any]:
        """States at one place of the second and third axis, shape (n, width)."""
        slab = np.empty((len(self), self.shape[3]), self.dtype)
        for number, (states, columns) in enumerate(zip(self.sources, self.columns, strict=True)):
            mine = self.source == number
            slab[mine] = states[self.row[mine], layer, columns[position]]
        return slab

    def block(self, start: int, stop: int) -> NDArray[Any]:
        """The rows from `start` to `stop`, shape (rows, layers, positions, width)."""
        part = self.take(np.arange(start, min(stop, len(self))))
        block = np.empty(part.shape, self.dtype)
        for number, (states, columns) in enumerate(zip(part.sources, part.columns, strict=True)):
            mine = part.source == number
            block[mine] = states[part.row[mine]][:, :, columns]
        return block

    def take(self, rows: NDArray[np.int64]) -> StateView:
        """The rows of these numbers, in this order."""
        return StateView(self.sources, self.columns, self.source[rows], self.row[rows])

    def narrowed(self, columns: list[int]) -> StateView:
        """The positions of these numbers, in this order."""
        return StateView(self.sources, tuple(one[columns] for one in self.columns), self.source, self.row)


def on_disk(states: NDArray[Any] | StateView) -> bool:
    """Whether `states` are read from a file as they are used."""
    return isinstance(states, (np.memmap, StateView))


def rows_of(states: NDArray[Any] | StateView, rows: NDArray[np.int64]) -> NDArray[Any] | StateView:
    """The rows of these numbers."""
    return StateView.of(states).take(rows) if on_disk(states) else states[rows]  # type: ignore[index]


def columns_of(states: NDArray[Any] | StateView, columns: list[int]) -> NDArray[Any] | StateView:
    """The positions of these numbers."""
    return StateView.of(states).narrowed(columns) if on_disk(states) else states[:, :, columns]  # type: ignore[index]


def slab_of(states: NDArray[Any] | StateView, layer: int, position: int) -> NDArray[Any]:
    """States at one place of the second and third axis."""
    return states.slab(layer, position) if isinstance(states, StateView) else np.asarray(states[:, layer, position])


def block_of(states: NDArray[Any] | StateView, start: int, stop: int) -> NDArray[Any]:
    """The rows from `start` to `stop`."""
    return states.block(start, stop) if isinstance(states, StateView) else np.asarray(states[start:stop])


def joined(one: NDArray[Any] | StateView, other: NDArray[Any] | StateView) -> NDArray[Any] | StateView:
    """The rows of both, one behind the other."""
    if not (on_disk(one) or on_disk(other)):
        return np.concatenate([one, other])
    a, b = StateView.of(one), StateView.of(other)
    return StateView(
        (*a.sources, *b.sources),
        (*a.columns, *b.columns),
        np.concatenate([a.source, b.source + len(a.sources)]).astype(np.int8),
        np.concatenate([a.row, b.row]),
    )
