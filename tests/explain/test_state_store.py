"""States on disk: what an interrupted replay kept, and views that copy nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from adhere.explain import Examples
from adhere.explain.cases.state_view import StateView, block_of, joined
from adhere.explain.collection.replaying import whole
from adhere.explain.collection.state_store import RowTimes, StateStore

from .made import examples


def test_a_replay_that_was_killed_finds_its_rows_and_leaves_gaps_for_none(tmp_path: Path) -> None:
    states = np.random.default_rng(0).standard_normal((5, 2, 3, 4)).astype(np.float16)
    first = StateStore(tmp_path, 5)
    for row in (4, 0):
        first.put([(row, states[row], RowTimes(row, 9, (1, -1)))])
    notes = tmp_path / "part.jsonl"
    notes.write_text(notes.read_text() + "[2, 3, 4, [")  # killed while it wrote
    again = StateStore(tmp_path, 5)
    assert sorted(again.times) == [0, 4]
    assert again.times[4] == RowTimes(4, 9, (1, -1))
    again.put([(2, states[2], RowTimes(0, 1, ()))])
    np.testing.assert_array_equal(again.states(), states[[0, 2, 4]])
    again.remove()
    assert list(tmp_path.iterdir()) == []


def test_rows_of_another_run_are_not_taken_for_this_ones(tmp_path: Path) -> None:
    StateStore(tmp_path, 5).put([(1, np.zeros((2, 3, 4), np.float16), RowTimes(0, 1, ()))])
    assert StateStore(tmp_path, 6).times == {}


def test_views_of_mapped_states_give_what_copies_would(tmp_path: Path) -> None:
    memory = examples()
    memory.states[3, :, 1] = np.nan  # a row without a state at the second position
    memory.save(tmp_path)
    mapped = Examples.load(tmp_path)
    assert isinstance(mapped.states, np.memmap)
    wanted = memory.positions[:0:-1]
    copy, view = whole(memory, wanted), whole(mapped, wanted)
    assert isinstance(view.states, StateView)
    assert len(view) == len(memory) - 1
    both_copies, both_views = (
        joined(copy.states, copy.states[::2]),
        joined(view.states, view.take(_every(view, 2)).states),
    )
    for layer in memory.layers:
        for position in wanted:
            np.testing.assert_array_equal(copy.slab(layer, position), view.slab(layer, position))
    np.testing.assert_array_equal(block_of(both_copies, 0, 10**6), block_of(both_views, 0, 10**6))
    view.save(tmp_path / "again")
    np.testing.assert_array_equal(Examples.load(tmp_path / "again").states, copy.states)
    assert replace(view, about={}).take(np.arange(4)).slab(0, wanted[0]).shape == (4, memory.width)


def _every(found: Examples, step: int) -> np.ndarray:
    return np.arange(0, len(found), step)
