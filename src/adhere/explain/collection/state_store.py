"""States of a replay under way: written to disk as they come, so that neither memory nor an interruption matters.

    part.npy     states, mapped; a row for each case
    part.jsonl   a line for each row that is there, written after its states

A last line that was cut off is dropped, and its row replayed again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.format import open_memmap

from adhere.core.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class RowTimes:
    """When the outcome of a case was certain.

    Attributes:
        at: the token of the answer after which it was.
        tokens: of the answer, with the end token.
        written: characters of the answer at each aligned position; -1 where there is none. Empty if not asked for.
    """

    at: int
    tokens: int
    written: tuple[int, ...]


class StateStore:
    """States of `rows` cases in `folder`, those of an interrupted run included."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.rows = rows
        self.times: dict[int, RowTimes] = {}
        """Of the rows that are there."""
        self._folder = folder
        self._states: NDArray[Any] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._resume()
        except OSError as error:
            raise UserError(f"cannot keep states in {folder}: {error.strerror or error}") from error

    def _resume(self) -> None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            states = open_memmap(self._folder / "part.npy", mode="r+")
            if len(states) == self.rows:
                self._states = states
        notes = self._folder / "part.jsonl"
        if self._states is None or not notes.exists():
            notes.write_text("", encoding="utf-8")
            return
        lines = [line for line in notes.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
        notes.write_text("".join(lines), encoding="utf-8")
        for line in lines:
            row, at, tokens, written = json.loads(line)
            self.times[row] = RowTimes(at, tokens, tuple(written))

    def put(self, rows: Sequence[tuple[int, NDArray[Any], RowTimes]]) -> None:
        """Keep rows: the number of each, its states of shape (layers, positions, width) as float16, and its times."""
        if not rows:
            return
        if self._states is None:
            shape = (self.rows, *rows[0][1].shape)
            self._states = open_memmap(self._folder / "part.npy", mode="w+", dtype=np.float16, shape=shape)
        for row, states, _ in rows:
            self._states[row] = states
        self._states.flush()  # type: ignore[attr-defined]  # a map
        lines = [json.dumps([row, times.at, times.tokens, times.written]) + "\n" for row, _, times in rows]
        with (self._folder / "part.jsonl").open("a", encoding="utf-8") as file:
            file.write("".join(lines))
        self.times.update((row, times) for row, _, times in rows)

    def states(self) -> NDArray[Any]:
        """States of the rows that are there, in the order of their numbers, mapped.

        Raises:
            UserError: there is none.
        """
        if self._states is None:
            raise UserError("no response fits into the model's context")
        present = sorted(self.times)
        for place, row in enumerate(present):
            if place != row:
                self._states[place] = self._states[row]
        return self._states[: len(present)]

    def remove(self) -> None:
        """Delete the files; what they held has been saved elsewhere."""
        self._states = None
        for name in ("part.npy", "part.jsonl"):
            (self._folder / name).unlink(missing_ok=True)
