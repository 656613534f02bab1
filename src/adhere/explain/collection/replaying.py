"""From labelled responses to `Examples`: each is replayed once, and its states are kept for every skill it stands for.

Rules:
- Fixed positions (the last prompt token, shares of the answer, its end, its mean) are read for every case.
- Aligned positions are counted from the token at which a violation was decided: `AT`-4 is four tokens before it. A case
  that was met is read where its partner, the violated case it was balanced with, was decided: at the same token of its
  own answer, as somebody who reads along would meet it. Where one of the two has no such token, neither counts.
- A case whose answer did not end by itself has no end token; it is left out where the end is looked at.
- States are kept as float16, cut at its range. They are written to disk as they come (`state_store`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from adhere.core.errors import UserError
from adhere.explain.cases.examples import Examples
from adhere.explain.cases.labels import BROKEN, LabelledCase, Response, Turn, decided, verdicts
from adhere.explain.cases.state_view import columns_of
from adhere.explain.collection.state_store import RowTimes, StateStore
from adhere.explain.workers import Workers
from adhere.models.forward.capture import CapturePlan, capture
from adhere.models.forward.tokenmap import TokenMap, replay
from adhere.models.load import OpenModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adhere.constraints.constraint import Constraint

OFFSETS = (-8, -4, -2, -1, 0, 2, 4)
"""Tokens before and after the decision at which states are kept."""
AT = "decision"
PIECE = 128
"""Responses that a process replays at a time."""
LARGEST_HALF = 65_000.0
"""What float16 can hold, nearly."""


def aligned(offset: int) -> str:
    """Name of the position `offset` tokens from the decision."""
    return f"{AT}{offset:+d}" if offset else AT


ALIGNED = tuple(aligned(offset) for offset in OFFSETS)


@dataclass(frozen=True)
class Job:
    """One response to be replayed, for several cases at once.

    Attributes:
        messages: the prompt.
        answer: its tokens, or its text where only that is known.
        ended: whether it ended by itself.
        text: the answer's text.
        asked: for each case, the constraints of its skill.
        at: for each case, the token of the answer at which it is to be read; None where the case itself tells.
    """

    messages: tuple[Turn, ...]
    answer: tuple[int, ...] | str
    ended: bool
    text: str
    asked: tuple[tuple[Constraint, ...], ...]
    at: tuple[int | None, ...]


Row = tuple["NDArray[Any]", RowTimes]
"""What came of one case: its states, shape (layers, positions, width), float16, NaN where there is no such position;
and when its outcome was certain."""


@dataclass(frozen=True)
class Replayed:
    """Examples, and how many characters of the answer were written at each aligned position, shape (rows, OFFSETS);
    -1 where there is no such position."""

    examples: Examples
    written: NDArray[np.int64]


@dataclass(frozen=True)
class Take:
    """What to read: layers (all if None), positions, and whether the aligned ones too; `untrained` takes a model of
    the same shape with fresh weights drawn from that seed."""

    layers: tuple[int, ...] | None
    positions: tuple[str, ...]
    untrained: int | None = None


def examples(
    workers: Workers,
    responses: Sequence[Response],
    chosen: Sequence[LabelledCase],
    take: Take,
    *,
    constrained: bool = True,
    about: Mapping[str, str | int | float] | None = None,
    store: StateStore | None = None,
    progress: Callable[[int], None] | None = None,
) -> Replayed:
    """States of the cases, in their order. Without position "eos" or aligned ones, no state is missing; those that are
    missing are NaN, to be left out by who looks at them (`whole`).

    Args:
        workers: the model.
        responses: what the cases point into.
        chosen: violated and met cases of a pair one after the other, as `labels.balance` gives them.
        take: layers and positions.
        constrained: whether the prompts asked for the skill.
        about: where they come from.
        store: where states are kept as they come; in memory if None. Rows that are there already are not replayed.
        progress: called with the number of responses replayed since the last call.

    Raises:
        UserError: nothing can be read: every response is too long for the model.
    """
    times = {} if not any(name.startswith(AT) for name in take.positions) else _times(workers.opened, responses, chosen)
    mine: dict[int, list[int]] = {number: [] for number in sorted({case.response for case in chosen})}
    for row, case in enumerate(chosen):
        mine[case.response].append(row)
    there = set() if store is None else set(store.times)
    numbers = [number for number, rows in mine.items() if not there.issuperset(rows)]
    if progress:
        progress(len(mine) - len(numbers))
    jobs = [_job(responses[number], [(chosen[row], times.get(row)) for row in mine[number]]) for number in numbers]
    order = sorted(range(len(jobs)), key=lambda k: len(jobs[k].text) + sum(len(t) for _, t in jobs[k].messages))
    pieces = [[jobs[k] for k in order[start : start + PIECE]] for start in range(0, len(order), PIECE)]
    in_memory: dict[int, Row] = {}
    for number, piece_rows in workers.map(replay_piece, pieces, take):
        fresh: dict[int, Row] = {}
        for k, own in zip(order[number * PIECE :], piece_rows, strict=False):
            fresh.update(zip(mine[numbers[k]], own, strict=False))
        if store is None:
            in_memory.update(fresh)
        else:
            store.put([(row, *one) for row, one in fresh.items()])
        if progress:
            progress(len(piece_rows))
    if store is not None:
        return _gather(responses, chosen, store.states(), store.times, take, constrained, about or {})
    if not in_memory:
        raise UserError("no response fits into the model's context")
    states = np.stack([in_memory[row][0] for row in sorted(in_memory)])
    row_times = {row: one for row, (_, one) in in_memory.items()}
    return _gather(responses, chosen, states, row_times, take, constrained, about or {})


def _gather(
    responses: Sequence[Response],
    chosen: Sequence[LabelledCase],
    states: NDArray[Any],
    times: Mapping[int, RowTimes],
    take: Take,
    constrained: bool,
    about: Mapping[str, str | int | float],
) -> Replayed:
    kept = sorted(times)
    cases = [chosen[row] for row in kept]
    captured = Examples(
        states=states,
        layers=take.layers or tuple(range(states.shape[1])),
        positions=take.positions,
        skill=np.array([case.skill for case in cases], dtype=np.str_),
        met=np.array([case.met for case in cases]),
        prompt=np.array([case.prompt for case in cases], dtype=np.int64),
        text=tuple(responses[case.response].text for case in cases),
        constrained=np.full(len(cases), constrained),
        decided=np.array([(times[row].at + 1) / max(1, times[row].tokens) for row in kept], dtype=np.float32),
        asked=tuple("\n".join(text for _, text in responses[case.response].prompt.messages) for case in cases),
        about=dict(about),
    )
    written = [times[row].written or (-1,) * len(OFFSETS) for row in kept]
    return Replayed(captured, np.array(written, dtype=np.int64).reshape(len(kept), len(OFFSETS)))


def whole(captured: Examples, positions: Sequence[str]) -> Examples:
    """Only these positions, and only the rows that have a state at each of them."""
    columns = [captured.position_index(name) for name in positions]
    narrowed = replace(captured, states=columns_of(captured.states, columns), positions=tuple(positions))
    present = np.ones(len(captured), np.bool_)
    for name in positions:
        present &= ~np.isnan(narrowed.slab(captured.layers[0], name)[:, 0])
    return narrowed.take(present)


def _job(response: Response, mine: Sequence[tuple[LabelledCase, int | None]]) -> Job:
    return Job(
        response.prompt.messages,
        response.tokens or response.text,
        response.ended,
        response.text,
        tuple(response.prompt.asked(case.skill) for case, _ in mine),
        tuple(at for _, at in mine),
    )


def _times(opened: OpenModel, responses: Sequence[Response], chosen: Sequence[LabelledCase]) -> dict[int, int]:
    """For met cases, the token at which their violated partners were decided."""
    times = {}
    for row, (one, two) in enumerate(pairwise(chosen)):
        if not one.met and two.met and one.skill == two.skill:
            response = responses[one.response]
            where = _mapped(opened, response.prompt.messages, response.tokens or response.text, response.ended)
            if (
                where is not None
                and (at := _broken(response.prompt.asked(one.skill), response.text, where)) is not None
            ):
                times[row + 1] = at
    return times


def _mapped(opened: OpenModel, messages: Sequence[Turn], answer: tuple[int, ...] | str, ended: bool) -> TokenMap | None:
    """None where prompt and response are longer than the model reads."""
    try:
        return replay(opened, [{"role": r, "content": t} for r, t in messages], answer, ended=ended)
    except UserError as error:
        if "reads" in str(error):
            return None
        raise


def _told(asked: Sequence[Constraint], text: str, where: TokenMap) -> NDArray[np.int8]:
    """The verdict after each token of the answer."""
    ends = [*where.ends, where.ends[-1]] if where.ended and where.ends else list(where.ends)
    return verdicts(asked, text, ends)


def _broken(asked: Sequence[Constraint], text: str, where: TokenMap) -> int | None:
    """The token of the answer that broke the constraint; None where none did before the end."""
    broken = np.flatnonzero(_told(asked, text, where)[: where.generated] == BROKEN)
    return int(broken[0]) if len(broken) else None


def replay_piece(opened: OpenModel, jobs: Sequence[Job], take: Take) -> list[list[Row]]:
    """What a process does: map to tokens, follow the monitors, replay, keep. No rows for what does not fit."""
    maps = [_mapped(opened, job.messages, job.answer, job.ended) for job in jobs]
    fixed = [name for name in take.positions if not name.startswith(AT)]
    moving = [name for name in take.positions if name.startswith(AT)]
    slots = range(max((len(job.asked) for job in jobs), default=0) if moving else 0)
    wanted = [*fixed, *(f"{slot}{name}" for slot in slots for name in moving)]
    fit = [(job, where) for job, where in zip(jobs, maps, strict=True) if where is not None]
    marks = [_marks(job, where, wanted[len(fixed) :]) for job, where in fit] if moving else None
    model = opened if take.untrained is None else untrained(opened, take.untrained)
    got = iter(capture(model, [where for _, where in fit], CapturePlan(take.layers, tuple(wanted)), marks=marks).states)
    made: list[list[Row]] = []
    for job, place in zip(jobs, maps, strict=True):
        if place is None:
            made.append([])
            continue
        states = next(got)
        rows = []
        for slot, asked in enumerate(job.asked):
            columns = [wanted.index(name if name in fixed else f"{slot}{name}") for name in take.positions]
            at = decided(_told(asked, job.text, place))
            written = tuple(_written(place, at) for at in _aligned(job, slot, place)) if moving else ()
            rows.append((_halved(states[:, columns]), RowTimes(at, len(place.tokens) - place.prompt, written)))
        made.append(rows)
    return made


def _aligned(job: Job, slot: int, where: TokenMap) -> list[int | None]:
    """For each of `OFFSETS`, the token of prompt and answer at which a case is read; None where there is none."""
    partner = job.at[slot]
    at = _broken(job.asked[slot], job.text, where) if partner is None else partner
    if at is None:
        return [None] * len(OFFSETS)
    tokens = [where.prompt + at + offset for offset in OFFSETS]
    return [token if where.prompt - 1 <= token < len(where.tokens) else None for token in tokens]


def _marks(job: Job, where: TokenMap, names: Sequence[str]) -> dict[str, int | None]:
    """The same as `capture` wants it, for all cases of a response."""
    marks: dict[str, int | None] = dict.fromkeys(names)
    for slot in range(len(job.asked)):
        for offset, token in zip(OFFSETS, _aligned(job, slot, where), strict=True):
            if (name := f"{slot}{aligned(offset)}") in marks:
                marks[name] = token
    return marks


def _written(where: TokenMap, token: int | None) -> int:
    """Characters of the answer that stand once this token is there."""
    if token is None:
        return -1
    number = min(token - where.prompt, len(where.ends) - 1)
    return where.ends[number] if number >= 0 else 0


def _halved(states: NDArray[Any]) -> NDArray[Any]:
    """As float16; larger states are cut at its range, where their direction is what counts."""
    return np.asarray(np.clip(states, -LARGEST_HALF, LARGEST_HALF), np.float16)


_untrained: dict[tuple[str, int], OpenModel] = {}


def untrained(opened: OpenModel, seed: int) -> OpenModel:
    """A model of the same shape with fresh weights, in the same precision and place."""
    import torch
    from transformers import AutoModelForCausalLM

    key = (opened.name, seed)
    if key not in _untrained:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = AutoModelForCausalLM.from_config(opened.model.config)  # type: ignore[no-untyped-call]
        model = model.to(device=opened.device, dtype=opened.model.dtype)
        model.train(False)
        model.requires_grad_(False)
        _untrained[key] = replace(opened, model=model)
    return _untrained[key]


def states_of(opened: OpenModel, responses: Sequence[Response], take: Take) -> list[list[Row]]:
    """A row of states for each response that fits into the model's context, in this process."""
    jobs = [
        Job(one.prompt.messages, one.tokens or one.text, one.ended, one.text, (one.prompt.constraints,), (None,))
        for one in responses
    ]
    return replay_piece(opened, jobs, take)
