"""Generating answers in batches: one prefill, one token for every row at a time, rows that are done leave the batch.

Rules:

- A row's answer depends on its own request: prompt, sampling and seed. Its random numbers come from a generator of its
  own, so that neither the batch it happened to be in nor the order of requests changes them (beyond rounding).
- Prompts are padded on the left and positions counted from each row's first token.
- A request may bring a `Guide`: it says which tokens may come next and when to stop. Most guides cannot look at every
  token of a vocabulary, so a guide is asked about the token chosen: one that it refuses is struck out and another is
  chosen. For a sampled answer that is exact sampling from the distribution without the refused tokens.
- A request may bring a `Listener`, which is told of every token as it is chosen and may end the answer.
- A request may bring an `Emphasis`: attention to some tokens of its prompt is scaled while its answer is written.
- A `Watcher` reads the residual stream of one layer at every new token of every row, and may stop a row: this is how
  saved probes work at run time.
- Running out of memory halves the batch and goes on; only a single row that does not fit is an error.
"""

from __future__ import annotations

import enum
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch

from adhere.core.errors import UserError
from adhere.models.forward.attention_hooks import attending
from adhere.models.forward.attention_scaling import Emphasis, emphasise
from adhere.models.forward.blocks import blocks
from adhere.models.forward.prefill import Beginning, read

if TYPE_CHECKING:
    from adhere.models.load import OpenModel

Reason = Literal["end", "length", "stop", "guide", "watcher", "cancelled"]
"""Why an answer ended: the model's end token, the limit, a stop string, the guide (it said so, or refused every token),
a watcher, the listener."""

MOST_REFUSED = 400
"""Tokens that a guide may refuse at one place before the answer ends there: what it wants is not to be had."""
HEAD = 64
"""Likeliest tokens among which a draw is looked for before all are sorted."""


class Opinion(enum.Enum):
    """What a guide says of a token."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    """Another is to be chosen."""
    END = "end"
    """The answer is to end here, without it."""


class Guide(Protocol):
    """Steers one answer from outside: constrained generation.

    When memory runs out a batch is begun again: a guide that keeps state starts over where `tokens` got shorter.
    """

    def allowed(self, tokens: Sequence[int], logits: torch.Tensor) -> torch.Tensor | None:
        """Which tokens may follow the answer's `tokens`, as a bool tensor [vocabulary]; None for all of them.
        `logits` [vocabulary] are what the model itself gives them."""

    def judge(self, tokens: Sequence[int], token: int) -> Opinion:
        """What is to become of `token`, which was chosen to follow."""

    def done(self, tokens: Sequence[int]) -> bool:
        """Whether the answer is to end here."""


Listener = Callable[[int, int], bool]
"""Told of each token, as (place in the answer, token), also of the end token; False ends the answer. A place may be
told of more than once, if a batch had to be begun again."""


class Watcher(Protocol):
    """Reads the residual stream while answers are written."""

    layer: int
    """The block after which it reads; 0 is before the first."""

    def begin(self, rows: Sequence[int]) -> None:
        """These answers begin now: what was read of them earlier is void, a batch had to be begun again."""

    def read(self, states: torch.Tensor, rows: Sequence[int]) -> Sequence[int]:
        """`states` [rows, width] at the newest token of each row (numbered as the requests); the rows to stop."""


@dataclass(frozen=True)
class Sampling:
    """How to choose tokens. Temperature 0 takes the likeliest."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int | None = None
    seed: int = 0
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    """How many alternatives to report beside each token chosen; None reports nothing."""


@dataclass(frozen=True)
class Request:
    tokens: tuple[int, ...]
    sampling: Sampling = Sampling()
    guide: Guide | None = None
    emphasis: Emphasis | None = None
    listener: Listener | None = None


@dataclass(frozen=True)
class TokenLogprob:
    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Generation:
    """An answer. `tokens` holds the end token if one was written; `text` does not, nor the stop string."""

    tokens: tuple[int, ...]
    text: str
    reason: Reason
    prompt_tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass
class _Row:
    index: int
    request: Request
    limit: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    reason: Reason | None = None
    cut: int | None = None
    """Characters of the text to keep, where a stop string cut it."""
    random: np.random.Generator | None = None

    def uniform(self) -> float:
        if self.random is None:
            self.random = np.random.Generator(np.random.Philox(key=self.request.sampling.seed % 2**64))
        return float(self.random.random())


def generate(
    opened: OpenModel,
    requests: Sequence[Request],
    *,
    batch: int = 64,
    watchers: Sequence[Watcher] = (),
    progress: Callable[[int], None] | None = None,
) -> list[Generation]:
    """Answers to `requests`, in their order.

    Args:
        opened: the model.
        requests: any number; they are sorted by length and taken `batch` at a time.
        batch: rows at once.
        watchers: readers of the residual stream, over all requests.
        progress: called with the number of answers finished, as they finish.

    Raises:
        UserError: a prompt leaves no room for an answer, or one row alone runs out of memory.
    """
    for number, request in enumerate(requests):
        if len(request.tokens) >= opened.context:
            raise UserError(
                f"prompt {number + 1} has {len(request.tokens)} tokens and {opened.name} reads {opened.context} at most"
            )
    order = sorted(range(len(requests)), key=lambda i: len(requests[i].tokens))
    answers: dict[int, Generation] = {}
    waiting = [order[start : start + batch] for start in range(0, len(order), batch)]
    while waiting:
        group = waiting.pop(0)
        try:
            done = _run(opened, [(i, requests[i]) for i in group], watchers)
        except torch.OutOfMemoryError:
            if len(group) == 1:
                raise UserError(f"{opened.name} runs out of memory on a single prompt; shorten it") from None
            half = len(group) // 2
            batch = max(1, half)
            warnings.warn(f"out of memory with {len(group)} rows: going on with {half}", stacklevel=2)
            waiting[:0] = [group[:half], group[half:]]
            continue
        answers.update(done)
        if progress:
            progress(len(done))
    return [answers[i] for i in range(len(requests))]


@torch.inference_mode()
def _run(opened: OpenModel, requests: list[tuple[int, Request]], watchers: Sequence[Watcher]) -> dict[int, Generation]:
    model, device = opened.model, opened.device
    rows = [
        _Row(i, request, min(request.sampling.max_tokens, opened.context - len(request.tokens)))
        for i, request in requests
    ]
    width = max(len(row.request.tokens) for row in rows)
    beginnings = [Beginning(row.request.tokens[:-1], _while_reading(row.request.emphasis)) for row in rows]
    cache = read(model, beginnings, opened.tokenizer.pad_token_id or 0)
    ids = torch.tensor([[row.request.tokens[-1]] for row in rows], device=device)
    mask = torch.tensor(
        [[0] * (width - len(r.request.tokens)) + [1] * len(r.request.tokens) for r in rows], device=device
    )
    positions = torch.tensor([[len(row.request.tokens) - 1] for row in rows], device=device)
    alive = rows
    emphasised = emphasise(model, [r.request.emphasis for r in rows], [len(r.request.tokens) for r in rows])
    with _Taps(model, watchers) as taps, attending(model, emphasised) if emphasised else nullcontext():
        taps.begin([row.index for row in rows])
        while True:
            if emphasised:
                emphasised.columns = mask.shape[1]
            output = model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            logits = output.logits[:, -1].float()
            for row in taps.stopped(alive):
                row.reason = "watcher"
            chosen = _choose(logits, alive)
            for row, token in zip(alive, chosen, strict=True):
                if row.reason is None:
                    _append(opened, row, token)
            stay = _places([row.reason is None for row in alive])
            if not stay:
                break
            if len(stay) < len(alive):
                keep = torch.tensor(stay, device=device)
                cache.batch_select_indices(keep)
                if emphasised:
                    emphasised.keep(keep)
                mask, positions = mask[keep], positions[keep]
                alive = [alive[k] for k in stay]
            ids = torch.tensor([[row.tokens[-1]] for row in alive], device=device)
            mask = torch.cat([mask, mask.new_ones(len(alive), 1)], dim=1)
            positions = positions + 1
    return {row.index: _finish(opened, row) for row in rows}


def _while_reading(emphasis: Emphasis | None) -> Emphasis | None:
    """What of `emphasis` changes how the prompt is read."""
    return emphasis if emphasis is not None and emphasis.since == "behind" and emphasis.factor != 1 else None


def _places(alive: Sequence[bool]) -> list[int]:
    """Which row is to stand in each place when only those `alive` go on: the last ones fill the gaps, so that few
    move."""
    left = sum(alive)
    late = [k for k in range(left, len(alive)) if alive[k]]
    return [k if alive[k] else late.pop() for k in range(left)]


def _choose(logits: torch.Tensor, rows: Sequence[_Row]) -> list[int | None]:
    """The next token of each row, by its own sampling; None where the row's guide refuses all or ends it."""
    for k, row in enumerate(rows):
        if row.reason is None and row.request.guide is not None:
            allowed = row.request.guide.allowed(row.tokens, logits[k])
            if allowed is not None:
                logits[k, ~allowed.to(logits.device)] = -torch.inf
    chosen: list[int | None] = [*_draw(logits, rows)]
    for k, row in enumerate(rows):
        if row.reason is None and row.request.guide is not None:
            chosen[k] = _accepted(logits[k : k + 1], row, chosen[k])
    if any(row.request.sampling.logprobs is not None for row in rows):
        logs = logits.log_softmax(dim=-1)
        for k, row in enumerate(rows):
            token = chosen[k]
            if (most := row.request.sampling.logprobs) is not None and row.reason is None and token is not None:
                best = logs[k].topk(most) if most else None
                top = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True)) if best else ()
                row.logprobs.append(TokenLogprob(token, float(logs[k, token]), top))
    return chosen


def _draw(logits: torch.Tensor, rows: Sequence[_Row]) -> list[int]:
    """A token for each row from `logits` [rows, vocabulary]."""
    chosen: list[int] = logits.argmax(dim=-1).tolist()
    sampled = [k for k, row in enumerate(rows) if row.request.sampling.temperature > 0]
    if sampled:
        heat = torch.tensor([rows[k].request.sampling.temperature for k in sampled], device=logits.device)
        drawn = _sampled(logits[sampled] / heat[:, None], [rows[k] for k in sampled])
        for k, token in zip(sampled, drawn, strict=True):
            chosen[k] = token
    return chosen


def _sampled(logits: torch.Tensor, rows: Sequence[_Row]) -> list[int]:
    """A token for each row, the likeliest of `logits` [rows, vocabulary] standing first along the line from which one
    is drawn. Most draws fall among the first few: only the rest need all of it sorted."""
    draws = torch.tensor([row.uniform() for row in rows], device=logits.device, dtype=torch.float64)
    shares = logits.softmax(dim=-1)
    head, order = shares.topk(min(HEAD, shares.shape[1]))
    aims = draws * shares.double().sum(dim=-1)
    at = torch.searchsorted(head.double().cumsum(dim=-1), aims[:, None], right=True)[:, 0]
    within = (at < head.shape[1]).tolist()
    tokens: list[int] = order.gather(1, at.clamp(max=head.shape[1] - 1)[:, None])[:, 0].tolist()
    wanted = [row.request.sampling for row in rows]
    rest = [k for k, one in enumerate(wanted) if not within[k] or one.top_p < 1 or one.top_k is not None]
    if rest:
        for k, token in zip(rest, _from_all(logits[rest], draws[rest], [wanted[k] for k in rest]), strict=True):
            tokens[k] = token
    return tokens


def _from_all(logits: torch.Tensor, draws: torch.Tensor, wanted: Sequence[Sampling]) -> list[int]:
    """As `_sampled`, with all of the vocabulary sorted, and what `wanted` leaves out left out."""
    ordered, order = torch.sort(logits, dim=-1, descending=True)
    shares = ordered.softmax(dim=-1)
    for j, one in enumerate(wanted):
        if one.top_k is not None:
            shares[j, one.top_k :] = 0
    before = shares.cumsum(dim=-1) - shares
    kept = torch.tensor([one.top_p for one in wanted], device=logits.device)
    shares = shares.masked_fill(before > kept[:, None], 0)
    cumulative = shares.double().cumsum(dim=-1)
    at = torch.searchsorted(cumulative, (draws * cumulative[:, -1])[:, None], right=True)
    tokens: list[int] = order.gather(1, at.clamp(max=logits.shape[1] - 1))[:, 0].tolist()
    return tokens


def _accepted(logits: torch.Tensor, row: _Row, token: int | None) -> int | None:
    """`token`, or the next choice from `logits` [1, vocabulary] that the row's guide accepts; None if there is none."""
    guide = row.request.guide
    assert guide is not None
    for _ in range(MOST_REFUSED):
        if token is None or not torch.isfinite(logits[0, token]):
            return None
        opinion = guide.judge(row.tokens, token)
        if opinion is not Opinion.REFUSE:
            return token if opinion is Opinion.ACCEPT else None
        logits[0, token] = -torch.inf
        token = _draw(logits, [row])[0]
    return None


def _append(opened: OpenModel, row: _Row, token: int | None) -> None:
    if token is None:
        row.reason = "guide"
        return
    row.tokens.append(token)
    heard = row.request.listener is None or row.request.listener(len(row.tokens) - 1, token)
    if token in opened.end_ids:
        row.reason = "end"
        return
    if row.request.sampling.stop:
        text = _decode(opened, row.tokens)
        found = [at for stop in row.request.sampling.stop if (at := text.find(stop)) >= 0]
        if found:
            row.reason, row.cut = "stop", min(found)
            return
    if not heard:
        row.reason = "cancelled"
    elif row.request.guide is not None and row.request.guide.done(row.tokens):
        row.reason = "guide"
    elif len(row.tokens) >= row.limit:
        row.reason = "length"


def _decode(opened: OpenModel, tokens: Sequence[int]) -> str:
    return str(opened.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _finish(opened: OpenModel, row: _Row) -> Generation:
    text = _decode(opened, row.tokens)
    return Generation(
        tokens=tuple(row.tokens),
        text=text if row.cut is None else text[: row.cut],
        reason=row.reason or "length",
        prompt_tokens=len(row.request.tokens),
        logprobs=tuple(row.logprobs),
    )


class _Taps:
    """Hooks that keep the residual stream at the newest token for the watchers."""

    def __init__(self, model: torch.nn.Module, watchers: Sequence[Watcher]) -> None:
        self._watchers = watchers
        self._model = model
        self._states: dict[int, torch.Tensor] = {}
        self._handles: list[torch.utils.hooks.RemovableHandle] = []

    def begin(self, rows: Sequence[int]) -> None:
        for watcher in self._watchers:
            watcher.begin(rows)

    def __enter__(self) -> _Taps:
        if self._watchers:
            stack = blocks(self._model)
            for layer in {watcher.layer for watcher in self._watchers}:
                self._handles.append(stack.tap(layer, lambda state, layer=layer: self._keep(layer, state)))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _keep(self, layer: int, state: torch.Tensor) -> None:
        self._states[layer] = state[:, -1]

    def stopped(self, rows: Sequence[_Row]) -> list[_Row]:
        """The rows that a watcher stops, now that the newest token has been read."""
        halted: set[int] = set()
        for watcher in self._watchers:
            halted.update(watcher.read(self._states[watcher.layer], [row.index for row in rows]))
        return [row for row in rows if row.index in halted]
