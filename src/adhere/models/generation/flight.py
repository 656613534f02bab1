"""A batch in motion: rows join when others leave (continuous batching; Yu et al., Orca, OSDI 2022).

    flight = Flight(opened, capacity=64)
    flight.admit([(0, request), (1, other)])
    while flight.rows:
        for row in flight.step():
            ...

Rules:

- A row's answer depends on its own request: prompt, sampling and seed. Its random numbers come from a generator of its
  own, so that neither its neighbours nor their order change them (beyond rounding).
- All rows end in the same column of the cache. A row that joins is put before that column; columns that no row needs
  any longer are dropped from the left. Positions are counted from each row's first token.
- Where a cache keeps more than keys and values of every token (sliding windows, recurrent states), and while watchers
  read along in lockstep, rows join only an empty flight (`joins`).
- After an error, out of memory included, the flight is no longer usable: whoever flies it begins its rows again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from transformers import DynamicCache

from adhere.models.forward.attention_hooks import attending
from adhere.models.forward.attention_scaling import Emphasis, Emphasised, emphasise
from adhere.models.forward.blocks import blocks
from adhere.models.forward.prefill import Beginning, RoomyLayer, read
from adhere.models.generation.choosing import choose
from adhere.models.generation.requests import Generation, Request, Watcher
from adhere.models.generation.rows import Row, append, decoded

if TYPE_CHECKING:
    from adhere.models.load import OpenModel


class Flight:
    """The rows under way, their cache, and the hooks of those who watch them.

    Args:
        opened: the model; no other code may run it at the same time.
        capacity: rows at once, at the most.
        watchers: readers of the residual stream. With them the flight is a context manager.

    Attributes:
        rows: those under way, in no order.
    """

    def __init__(self, opened: OpenModel, capacity: int, watchers: Sequence[Watcher] = ()) -> None:
        self.opened = opened
        self.capacity = capacity
        self.rows: list[Row] = []
        self._taps = _Taps(opened.model, watchers)
        self._cache = DynamicCache(config=opened.model.config)
        self._mask = torch.empty(0)
        self._emphasised: Emphasised | None = None

    def __enter__(self) -> Flight:
        self._taps.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._taps.close()

    @property
    def joins(self) -> bool:
        """Whether rows can join those that are under way."""
        return not self._taps.watchers and all(isinstance(layer, RoomyLayer) for layer in self._cache.layers)

    @property
    def room(self) -> int:
        """Rows that may be admitted now."""
        if self.rows and not self.joins:
            return 0
        return self.capacity - len(self.rows)

    @torch.inference_mode()
    def admit(self, requests: Sequence[tuple[int, Request]]) -> None:
        """Read the prompts of these requests, given with the caller's numbers, and let them join.

        Raises:
            UserError: an emphasis fits neither its prompt nor the model.
            torch.OutOfMemoryError: there is no room for them.
        """
        opened = self.opened
        rows = [
            Row(index, request, min(request.sampling.max_tokens, opened.context - len(request.tokens)))
            for index, request in requests
        ]
        beginnings = [Beginning(row.request.tokens[:-1], _while_reading(row.request.emphasis)) for row in rows]
        cache = read(opened.model, beginnings, opened.tokenizer.pad_token_id or 0)
        if not self.rows:
            self._cache = cache
        else:
            for mine, joining in zip(self._cache.layers, cache.layers, strict=True):
                assert isinstance(mine, RoomyLayer)
                mine.join(joining if isinstance(joining, RoomyLayer) else None, len(rows))
        self.rows += rows
        self._align()
        self._taps.begin([row.index for row in rows])

    @torch.inference_mode()
    def step(self) -> list[Row]:
        """Write one token of every row; the rows that ended with it, which have left."""
        opened, rows = self.opened, self.rows
        device = opened.device
        ids = torch.tensor([[row.tokens[-1] if row.tokens else row.request.tokens[-1]] for row in rows], device=device)
        positions = torch.tensor([[len(row) - 1] for row in rows], device=device)
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(rows), 1)], dim=1)
        if self._emphasised:
            self._emphasised.columns = self._mask.shape[1]
        with attending(opened.model, self._emphasised) if self._emphasised else nullcontext():
            output = opened.model(
                input_ids=ids,
                attention_mask=self._mask,
                position_ids=positions,
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
        for row in self._taps.stopped(rows):
            row.reason = "watcher"
        for row, token in zip(rows, choose(output.logits[:, -1].float(), rows), strict=True):
            if row.reason is None:
                append(opened, row, token)
        ended = [row for row in rows if row.reason is not None]
        if ended:
            self._leave()
        return ended

    def _leave(self) -> None:
        """Take the rows that ended out of the cache."""
        places = _places([row.reason is None for row in self.rows])
        self.rows = [self.rows[k] for k in places]
        if not places:
            self._cache = DynamicCache(config=self.opened.model.config)
            return
        self._cache.batch_select_indices(torch.tensor(places, device=self.opened.device))
        if self.joins:
            width = max(len(row) for row in self.rows) - 1
            for layer in self._cache.layers:
                assert isinstance(layer, RoomyLayer)
                layer.trim(width)
        self._align()

    def _align(self) -> None:
        """Mask and emphasis for the rows as they stand in the cache now."""
        device, rows = self.opened.device, self.rows
        columns = self._cache.get_seq_length() if self._cache.layers else 0
        lengths = torch.tensor([len(row) - 1 for row in rows], device=device)
        self._mask = (torch.arange(columns, device=device)[None, :] >= columns - lengths[:, None]).long()
        self._emphasised = emphasise(
            self.opened.model,
            [row.request.emphasis for row in rows],
            [len(row.request.tokens) for row in rows],
            [columns + 1 - len(row) for row in rows],
        )

    def finish(self, row: Row) -> Generation:
        """The answer of a row that ended."""
        text = decoded(self.opened, row.tokens)
        return Generation(
            tokens=tuple(row.tokens),
            text=text if row.cut is None else text[: row.cut],
            reason=row.reason or "length",
            prompt_tokens=len(row.request.tokens),
            logprobs=tuple(row.logprobs),
        )


def _while_reading(emphasis: Emphasis | None) -> Emphasis | None:
    """What of `emphasis` changes how the prompt is read."""
    return emphasis if emphasis is not None and emphasis.since == "behind" and emphasis.factor != 1 else None


def _places(alive: Sequence[bool]) -> list[int]:
    """Which row is to stand in each place when only those `alive` go on: the last ones fill the gaps, so that few
    move."""
    left = sum(alive)
    late = [k for k in range(left, len(alive)) if alive[k]]
    return [k if alive[k] else late.pop() for k in range(left)]


class _Taps:
    """Hooks that keep the residual stream at the newest token for the watchers."""

    def __init__(self, model: torch.nn.Module, watchers: Sequence[Watcher]) -> None:
        self.watchers = tuple(watchers)
        self._model = model
        self._states: dict[int, torch.Tensor] = {}
        self._handles: list[torch.utils.hooks.RemovableHandle] = []

    def begin(self, rows: Sequence[int]) -> None:
        for watcher in self.watchers:
            watcher.begin(rows)

    def open(self) -> None:
        if self.watchers:
            stack = blocks(self._model)
            for layer in {watcher.layer for watcher in self.watchers}:
                self._handles.append(stack.tap(layer, lambda state, layer=layer: self._keep(layer, state)))

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _keep(self, layer: int, state: torch.Tensor) -> None:
        self._states[layer] = state[:, -1]

    def stopped(self, rows: Sequence[Row]) -> list[Row]:
        """The rows that a watcher stops, now that the newest token has been read."""
        halted: set[int] = set()
        for watcher in self.watchers:
            halted.update(watcher.read(self._states[watcher.layer], [row.index for row in rows]))
        return [row for row in rows if row.index in halted]
