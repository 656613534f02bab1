"""Reading a batch's prompts into a cache: each distinct beginning once, beside others of its length.

A prompt is read up to its last token, which is the first that is written after. Rules:

- Rows end in the same column; those that are shorter are padded on the left.
- Prompts that begin alike are read once and their keys and values copied: the arms of one problem often are.
- Prompts are read in groups of similar length. What a padded token costs is weighed against what a further pass of the
  model costs (`PASS`), and the cheapest division is taken.
- Whatever keeps more than keys and values of every token (sliding windows, recurrent states) is read in one pass, by
  transformers' own cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from adhere.models.forward.attention_hooks import attending
from adhere.models.forward.attention_scaling import Emphasis, emphasise

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PASS = {"cpu": 64, "cuda": 8192}
"""What a pass of the model costs beyond its tokens, in tokens."""
ROOM = 32
"""Columns by which a cache grows, at the least."""
READING: ContextVar[bool] = ContextVar("adhere_reading", default=False)
"""Whether the pass at work reads beginnings: none of its tokens is one that writes. Hooks may have to know."""


@dataclass(frozen=True)
class Beginning:
    """A prompt up to its last token, and how attention is scaled while it is read."""

    tokens: tuple[int, ...]
    emphasis: Emphasis | None = None

    def __len__(self) -> int:
        return len(self.tokens)


class RoomyLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values in buffers with room for more: neither a token that is added nor a row that leaves copies what
    is there."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, filled: int) -> None:
        """`keys`, `values` [rows, heads, columns, width]: the buffers, of which the first columns are `filled`."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.lazy_initialization(keys, values)
        self._keys, self._values = keys, values
        self._rows, self._start, self._filled = len(keys), 0, filled
        self._show()

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        before, self._filled = self._filled, self._filled + key_states.shape[2]
        if self._filled > self._keys.shape[2]:
            self._move(self._rows, before)
            before = self._filled - key_states.shape[2]
        self._keys[: self._rows, :, before : self._filled] = key_states
        self._values[: self._rows, :, before : self._filled] = value_states
        return self._show()

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Go on with these rows, at most as many as there are. Only those that change their place are copied."""
        moved = indices != torch.arange(len(indices), device=indices.device)
        to, source = moved.nonzero()[:, 0], indices[moved]
        for buffer in (self._keys, self._values):
            buffer[to, :, self._start : self._filled] = buffer[source, :, self._start : self._filled]
        self._rows = len(indices)
        self._show()

    def trim(self, width: int) -> None:
        """Keep the last `width` columns."""
        self._start = max(self._start, self._filled - width)
        self._show()

    def join(self, other: RoomyLayer | None, rows: int) -> None:
        """Put `rows` more below these, their last column beside ours: those of `other`, or rows without any column."""
        columns = 0 if other is None else other._filled - other._start
        lacking = columns - (self._filled - self._start)
        if lacking > self._start or self._rows + rows > len(self._keys):
            self._move(self._rows + rows, self._filled, max(0, lacking))
        self._start -= max(0, lacking)
        for mine, theirs in (
            (self._keys, None if other is None else other.keys),
            (self._values, None if other is None else other.values),
        ):
            if theirs is not None:
                mine[self._rows : self._rows + rows, :, self._filled - columns : self._filled] = theirs
        self._rows += rows
        self._show()

    def _move(self, rows: int, filled: int, before: int = 0) -> None:
        """Copy the columns up to `filled` into buffers for `rows` rows, with `before` columns of room on their left and
        some on their right."""
        columns = filled - self._start
        needed = before + columns + max(ROOM, columns // 4, self._filled - filled)
        for name in ("_keys", "_values"):
            old = getattr(self, name)
            # Zeros, since padding is masked, not skipped: what is no number there would spread.
            new = old.new_zeros(max(rows, len(old)), old.shape[1], needed, old.shape[3])
            new[: self._rows, :, before : before + columns] = old[: self._rows, :, self._start : filled]
            setattr(self, name, new)
        self._filled += before - self._start
        self._start = before

    def _show(self) -> tuple[torch.Tensor, torch.Tensor]:
        self.keys = self._keys[: self._rows, :, self._start : self._filled]
        self.values = self._values[: self._rows, :, self._start : self._filled]
        return self.keys, self.values


def read(model: PreTrainedModel, beginnings: Sequence[Beginning], pad: int) -> DynamicCache:
    """A cache with the keys and values of `beginnings`, [rows, heads, columns, width] in each layer, where columns is
    the length of the longest.

    Args:
        model: on the device where the cache is to lie.
        beginnings: for each row.
        pad: any token.
    """
    cache = DynamicCache(config=model.config)
    columns = max(map(len, beginnings))
    if not columns:
        return cache
    if any(type(layer) is not DynamicLayer for layer in cache.layers):
        _pass(model, beginnings, pad, cache)
        return cache
    rows: dict[Beginning, list[int]] = {}
    for row, beginning in enumerate(beginnings):
        if beginning.tokens:
            rows.setdefault(beginning, []).append(row)
    buffers: list[tuple[torch.Tensor, torch.Tensor]] = []
    for group in divide(sorted(rows, key=len), PASS.get(model.device.type, PASS["cuda"])):
        part = DynamicCache(config=model.config)
        _pass(model, group, pad, part)
        states = [(layer.keys, layer.values) for layer in part.layers if isinstance(layer, DynamicLayer)]
        to = torch.tensor([row for beginning in group for row in rows[beginning]], device=model.device)
        source = torch.tensor([k for k, one in enumerate(group) for _ in rows[one]], device=model.device)
        for layer, pair in enumerate(states):
            if len(buffers) == layer:
                buffers.append((_buffer(pair[0], len(beginnings), columns), _buffer(pair[1], len(beginnings), columns)))
            for buffer, state in zip(buffers[layer], pair, strict=True):
                assert state is not None
                buffer[to, :, columns - len(group[-1]) : columns] = state[source]
    for layer, (keys, values) in enumerate(buffers):
        cache.layers[layer] = RoomyLayer(keys, values, columns)
    return cache


def divide(beginnings: Sequence[Beginning], cost: int) -> list[Sequence[Beginning]]:
    """`beginnings`, which rise in length, as groups that are padded to their longest: those that cost the least, if a
    group costs its tokens, padding included, and `cost` tokens more."""
    least, start = [0], [0]
    for end in range(1, len(beginnings) + 1):
        width = len(beginnings[end - 1])
        price, first = min((least[k] + cost + (end - k) * width, k) for k in range(end))
        least.append(price)
        start.append(first)
    groups, end = [], len(beginnings)
    while end:
        groups.append(beginnings[start[end] : end])
        end = start[end]
    return groups[::-1]


def _pass(model: PreTrainedModel, beginnings: Sequence[Beginning], pad: int, cache: DynamicCache) -> None:
    width = max(map(len, beginnings))
    device = model.device
    ids = torch.tensor([[pad] * (width - len(one)) + list(one.tokens) for one in beginnings], device=device)
    mask = torch.tensor([[0] * (width - len(one)) + [1] * len(one) for one in beginnings], device=device)
    emphasised = emphasise(model, [one.emphasis for one in beginnings], [len(one) + 1 for one in beginnings])
    if emphasised:
        emphasised.columns = width
    token = READING.set(True)
    try:
        with attending(model, emphasised) if emphasised else nullcontext():
            model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=(mask.cumsum(1) - 1).clamp(min=0),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
    finally:
        READING.reset(token)


def _buffer(like: torch.Tensor | None, rows: int, columns: int) -> torch.Tensor:
    assert like is not None
    # Zeros, since padding is masked, not skipped: what is no number there would spread.
    return like.new_zeros(rows, like.shape[1], columns + ROOM, like.shape[3])
