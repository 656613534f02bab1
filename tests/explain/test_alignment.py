"""Timing by the moment of decision, and erasing for behaviour, on states that are made up."""

from __future__ import annotations

import numpy as np
import pytest

from adhere.explain.analyses.alignment import alignment
from adhere.explain.analyses.behaviour import placebo
from adhere.explain.cases.examples import Examples
from adhere.explain.collection.replaying import OFFSETS, Replayed, aligned
from adhere.explain.probing.erasers import Eraser

PAIRS, WIDTH = 60, 8


def _replayed(*, from_offset: int, text_tells: bool = False) -> Replayed:
    """Pairs of violated and met rows whose states differ from `from_offset` on."""
    generator = np.random.default_rng(0)
    met = np.tile([False, True], PAIRS)
    states = generator.standard_normal((2 * PAIRS, 2, len(OFFSETS), WIDTH)).astype(np.float32)
    for column, offset in enumerate(OFFSETS):
        if offset >= from_offset:
            states[~met, :, column, 0] += 4.0
    states[:20, :, 0] = np.nan  # ten pairs are decided too early to have anything eight tokens before
    text = tuple("zzzz xxxx" if text_tells and not one else "aaaa bbbb" for one in met)
    examples = Examples(
        states=states,
        layers=(0, 1),
        positions=tuple(aligned(offset) for offset in OFFSETS),
        skill=np.array(["exclusion"] * len(met), dtype=np.str_),
        met=met,
        prompt=np.arange(len(met)),
        text=text,
        constrained=np.ones(len(met), bool),
    )
    return Replayed(examples, np.full((len(met), len(OFFSETS)), 9))


@pytest.mark.slow
def test_foresight_begins_where_the_states_begin_to_differ() -> None:
    found = alignment(_replayed(from_offset=-2), "lda")
    told = {one.offset: claim.holds for one, claim in zip(found.moments, found.claims(), strict=True)}
    assert told[-2]
    assert told[-1]
    assert told[0]
    assert not told[-4]
    assert not told[-8]
    assert found.earliest("exclusion") == -2


def test_rows_without_an_offset_are_left_out_in_pairs() -> None:
    found = alignment(_replayed(from_offset=0), "lda")
    assert {one.offset: one.responses for one in found.moments}[-8] == 2 * PAIRS - 20
    assert {one.offset: one.responses for one in found.moments}[-4] == 2 * PAIRS


def test_what_the_text_tells_as_well_is_no_foresight() -> None:
    found = alignment(_replayed(from_offset=-8, text_tells=True), "lda")
    assert not any(claim.holds for claim in found.claims())


def test_the_placebo_changes_the_stream_at_least_as_much() -> None:
    generator = np.random.default_rng(1)
    x = generator.standard_normal((500, WIDTH)).astype(np.float32) * np.float32([9, 1, 1, 1, 1, 1, 1, 1])
    axis = np.eye(WIDTH)[:, :1]
    aimed = Eraser("leace", axis, axis, x.mean(axis=0).astype(np.float64))
    drawn = placebo(aimed, x, seed=0)
    change = [np.square(x - one(x)).sum(axis=1).mean() for one in (aimed, drawn)]
    assert change[1] >= 0.99 * change[0]
    small = Eraser("leace", 1e-3 * axis, axis, aimed.mean)
    whole = placebo(small, x, seed=0)
    np.testing.assert_allclose(whole.left, whole.right, err_msg="never less than erasing its direction whole")
