"""What a model computed while it wrote: states and constraint attention, from one pass over prompt and response.

Rules:

- A response is replayed, not written again: prompt, response and end token go through the model once (teacher forcing),
  and causal attention makes every state what it was when the token was written.
- Only what a `CapturePlan` asks for is kept: hooks take the states at its positions from each block's output and let
  the rest go. The vocabulary is never reached: logits are not computed.
- Sequences are padded on the right, where causal attention cannot look; a padded batch equals its rows one by one.
- Batches hold sequences of similar length and at most `batch_tokens` tokens, padding included. Small ones are not
  slower, and memory is what they save. Running out of memory halves the batch and goes on.
- States are read in the model's own precision and kept as float32. A state that is not finite is an error that names
  response, layer and position.

Positions, as everywhere in the project: `prompt` is the last prompt token (nothing is written yet); `10`, `25`, ... are
shares in percent of the generated tokens, the token at which that share is complete; `eos` is the end token; `mean` is
the mean over the generated tokens without the end token; `token16` is the sixteenth generated token and `mean16` the
mean over the first sixteen, where there are as many; any other name is a mark that the caller set (`marks`).
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import torch

from adhere.core.errors import UserError
from adhere.models.forward.attention import PartMass
from adhere.models.forward.attention_hooks import attending
from adhere.models.forward.blocks import blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adhere.models.forward.tokenmap import TokenMap
    from adhere.models.load import OpenModel

T = TypeVar("T")

POSITIONS = ("prompt", "10", "25", "50", "75", "90", "eos", "mean")
"""The positions read where none are asked for."""

BATCH_TOKENS = 2048
"""Tokens in one batch. On a CPU this is where its intermediate results still lie in the cache; a GPU takes more."""
GPU_BATCH_TOKENS = 32768

_COUNTED = re.compile(r"(token|mean)(\d+)")

Marks = Sequence[Mapping[str, int | None]]
"""For each response, indices into its tokens by name: positions of the caller's own, such as where it was decided; None
where this one has no such position."""


@dataclass(frozen=True)
class CapturePlan:
    """What to keep of a replay."""

    layers: tuple[int, ...] | None = None
    """Layers, 0 before the first block; None for all of them."""
    positions: tuple[str, ...] = POSITIONS
    parts: tuple[str, ...] = ()
    """Parts of the `TokenMap` on which attention mass is wanted; none, and attention is not looked at."""
    rows: Literal["writers", "positions"] = "writers"
    """Whose attention: of every position that wrote a generated token, or of the tokens at `positions` (but `mean`)."""


@dataclass(frozen=True)
class Captured:
    """States and attention mass of some responses."""

    states: NDArray[Any]
    """[responses, layers, positions, width]; NaN where a response has no such position."""
    present: NDArray[np.bool_]
    """[responses, positions]: whether it has."""
    layers: tuple[int, ...]
    positions: tuple[str, ...]
    mass: tuple[NDArray[np.float32], ...] = ()
    """For each response [blocks, rows, parts]: block k - 1 is the attention inside block k. Empty if not asked for."""
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """A part of the result, as `stream` gives it: the responses numbered `rows`, with arrays as in `Captured`."""

    rows: tuple[int, ...]
    states: NDArray[np.float32]
    present: NDArray[np.bool_]
    mass: tuple[NDArray[np.float32], ...]


def capture(
    opened: OpenModel,
    maps: Sequence[TokenMap],
    plan: CapturePlan = CapturePlan(),
    *,
    marks: Marks | None = None,
    batch_tokens: int | None = None,
    store: Literal["float32", "float16"] = "float32",
    progress: Callable[[int], None] | None = None,
) -> Captured:
    """Replay `maps` and keep what `plan` asks for, in their order.

    Args:
        opened: the model.
        maps: prompts and responses, as `tokenmap.replay` makes them.
        plan: layers, positions and attention.
        marks: further positions of each response by name.
        batch_tokens: most tokens in a batch.
        store: in which precision the states are handed back; float16 halves them and is refused where it overflows.
        progress: called with the number of responses done, as they are done.

    Raises:
        UserError: a layer, position or part does not exist; a state is not finite; one response alone runs out of
            memory.
    """
    layers = _layers(opened, plan)
    width = _width(opened)
    states = np.full((len(maps), len(layers), len(plan.positions), width), np.nan, np.dtype(store))
    present = np.zeros((len(maps), len(plan.positions)), np.bool_)
    mass: list[NDArray[np.float32]] = [np.empty((0, 0, 0), np.float32)] * (len(maps) if plan.parts else 0)
    for batch in stream(opened, maps, plan, marks=marks, batch_tokens=batch_tokens):
        rows = list(batch.rows)
        with np.errstate(over="ignore"):
            states[rows] = batch.states
        present[rows] = batch.present
        for row, found in zip(rows, batch.mass, strict=False):
            mass[row] = found
        if store == "float16" and np.isinf(states[rows]).any():
            raise UserError("states exceed float16 (65,504): keep them as float32")
        if progress:
            progress(len(rows))
    return Captured(states, present, layers, plan.positions, tuple(mass), plan.parts)


def stream(
    opened: OpenModel,
    maps: Sequence[TokenMap],
    plan: CapturePlan = CapturePlan(),
    *,
    marks: Marks | None = None,
    batch_tokens: int | None = None,
) -> Iterator[Batch]:
    """The same batch by batch, longest responses last, for who sums up what comes and keeps nothing. As `capture`."""
    layers = _layers(opened, plan)
    own = {name for one in marks or () for name in one}
    for name in plan.positions:
        if not (name in ("prompt", "eos", "mean") or name.isdigit() or _COUNTED.fullmatch(name) or name in own):
            raise UserError(f"there is no position {name!r}: wanted prompt, shares in percent such as 25, eos, mean")
    for number, one in enumerate(maps):
        for part in plan.parts:
            if part not in one.parts:
                raise UserError(f"response {number + 1} has no part {part!r}: name its text when mapping the tokens")
    columns = [_columns(one, plan.positions, marks[k] if marks else {}) for k, one in enumerate(maps)]
    limit = batch_tokens or batch_limit(opened)
    for batch in in_batches(opened, maps, limit, lambda group: _forward(opened, maps, group, layers, columns, plan)):
        _require_finite(batch, layers, plan.positions)
        yield batch


def batch_limit(opened: OpenModel) -> int:
    """Tokens in one batch, by the device."""
    return GPU_BATCH_TOKENS if opened.device.type == "cuda" else BATCH_TOKENS


def in_batches(opened: OpenModel, maps: Sequence[TokenMap], limit: int, run: Callable[[list[int]], T]) -> Iterator[T]:
    """What `run` makes of the numbers of `maps`, given to it in batches of similar length and at most `limit` tokens,
    padding included. Where it runs out of memory the batch is halved, and so are those that follow.

    Raises:
        UserError: one response alone runs out of memory.
    """
    waiting = sorted(range(len(maps)), key=lambda k: len(maps[k].tokens))
    while waiting:
        group = _group(maps, waiting, limit)
        try:
            made = run(group)
        except torch.OutOfMemoryError:
            if len(group) == 1:
                raise UserError(
                    f"{opened.name} runs out of memory on response {group[0] + 1} alone "
                    f"({len(maps[group[0]].tokens)} tokens): leave it out, or use a larger device"
                ) from None
            half = len(group) // 2
            limit = half * max(len(maps[k].tokens) for k in group)
            warnings.warn(f"out of memory with {len(group)} responses: going on with {half}", stacklevel=2)
            continue
        waiting = waiting[len(group) :]
        yield made


def _group(maps: Sequence[TokenMap], waiting: Sequence[int], limit: int) -> list[int]:
    """The next responses, in order of length, whose padded batch keeps within `limit`; one at least."""
    group: list[int] = []
    for k in waiting:
        if group and (len(group) + 1) * len(maps[k].tokens) > limit:
            break
        group.append(k)
    return group


def _forward(
    opened: OpenModel,
    maps: Sequence[TokenMap],
    group: list[int],
    layers: tuple[int, ...],
    columns: Sequence[Sequence[int | None]],
    plan: CapturePlan,
) -> Batch:
    model, device = opened.model, opened.device
    chosen = [maps[k] for k in group]
    length = max(len(one.tokens) for one in chosen)
    pad = opened.tokenizer.pad_token_id or 0
    ids = torch.tensor([[*one.tokens, *[pad] * (length - len(one.tokens))] for one in chosen], device=device)
    here = [columns[k] for k in group]
    keeper = _Keeper(chosen, here, plan.positions, layers, length, _width(opened), device)
    stack = blocks(model)
    handles = [stack.tap(layer, keeper.at(k)) for k, layer in enumerate(layers)]
    # No attention mask: padding stands on the right, where no token looks. So every kernel takes its causal path.
    inner = model.base_model
    try:
        with torch.inference_mode():
            if not plan.parts:
                inner(input_ids=ids, use_cache=False)
                masses: tuple[NDArray[np.float32], ...] = ()
            else:
                rows = [_rows(one, column, plan) for one, column in zip(chosen, here, strict=True)]
                observer = PartMass(
                    rows, [[one.parts[part] for part in plan.parts] for one in chosen], length, stack.layers - 1, device
                )
                with attending(model, observer):
                    inner(input_ids=ids, use_cache=False)
                found = observer.mass.cpu().numpy()
                masses = tuple(found[b, :, : len(one)].copy() for b, one in enumerate(rows))
    finally:
        for handle in handles:
            handle.remove()
    present = np.array([[at is not None for at in row] for row in here], np.bool_).reshape(len(group), -1)
    states = keeper.kept.cpu().numpy()
    states[~np.broadcast_to(present[:, None], states.shape[:3])] = np.nan
    return Batch(tuple(group), states, present, masses)


class _Keeper:
    """Takes the wanted positions from each layer's stream: `kept` [responses, layers, positions, width], float32."""

    def __init__(
        self,
        maps: Sequence[TokenMap],
        columns: Sequence[Sequence[int | None]],
        positions: Sequence[str],
        layers: Sequence[int],
        length: int,
        width: int,
        device: torch.device,
    ) -> None:
        self._rows = torch.arange(len(maps), device=device)[:, None]
        self._columns = torch.tensor([[at or 0 for at in row] for row in columns], device=device)
        self._mean = [k for k, name in enumerate(positions) if name.startswith("mean")]
        if self._mean:
            weights = torch.zeros(len(maps), len(self._mean), length)
            for b, one in enumerate(maps):
                for k, name in enumerate(positions[k] for k in self._mean):
                    count = int(name.removeprefix("mean") or one.generated)
                    if 0 < count <= one.generated:
                        weights[b, k, one.prompt : one.prompt + count] = 1 / count
            self._weights = weights.to(device)
        self.kept = torch.empty(len(maps), len(layers), len(positions), width, dtype=torch.float32, device=device)

    def at(self, number: int) -> Callable[[torch.Tensor], None]:
        def keep(stream: torch.Tensor) -> None:
            self.kept[:, number] = stream[self._rows, self._columns]
            if self._mean:
                self.kept[:, number, self._mean] = self._weights @ stream.float()

        return keep


def _columns(one: TokenMap, positions: Sequence[str], marks: Mapping[str, int | None]) -> tuple[int | None, ...]:
    """The token at each position; None where there is none. `mean` has the first generated token, to be present."""
    found: list[int | None] = []
    for name in positions:
        if name == "prompt":
            found.append(one.prompt - 1)
        elif name == "eos":
            found.append(one.end)
        elif name == "mean":
            found.append(one.prompt if one.generated else None)
        elif name.isdigit():
            found.append(share(one, int(name)))
        elif counted := _COUNTED.fullmatch(name):
            count = int(counted[2])
            there = (counted[1] == "token" or count > 0) and count <= one.generated
            found.append(one.prompt - 1 + count if there else None)
        else:
            found.append(marks.get(name))
    return tuple(found)


def share(one: TokenMap, percent: int) -> int | None:
    """The token at which `percent` of the generated tokens are written; None if there are none."""
    if not one.generated:
        return None
    return one.prompt + max(0, math.ceil(one.generated * percent / 100) - 1)


def _rows(one: TokenMap, columns: Sequence[int | None], plan: CapturePlan) -> list[int]:
    if plan.rows == "writers":
        return list(one.writers)
    return [
        at for name, at in zip(plan.positions, columns, strict=True) if at is not None and not name.startswith("mean")
    ]


def _layers(opened: OpenModel, plan: CapturePlan) -> tuple[int, ...]:
    count = blocks(opened.model).layers
    for layer in plan.layers or ():
        if not 0 <= layer < count:
            raise UserError(f"there is no layer {layer}: {opened.name} has layers 0 to {count - 1}")
    for name in plan.positions:
        if name.isdigit() and not 0 < int(name) <= 100:
            raise UserError(f"position {name} is no share of the response: wanted 1 to 100")
    return tuple(range(count)) if plan.layers is None else plan.layers


def _width(opened: OpenModel) -> int:
    return int(opened.model.config.get_text_config().hidden_size)


def _require_finite(batch: Batch, layers: Sequence[int], positions: Sequence[str]) -> None:
    bad = ~np.isfinite(batch.states).all(axis=3) & batch.present[:, None]
    if bad.any():
        b, i, j = (int(x[0]) for x in np.nonzero(bad))
        raise UserError(
            f"a state is not finite: response {batch.rows[b] + 1}, layer {layers[i]}, position {positions[j]} "
            f"({int(bad.sum())} such in its batch); try --dtype float32, or look for a broken checkpoint"
        )
