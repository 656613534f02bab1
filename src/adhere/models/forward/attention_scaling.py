"""Attending more or less to chosen tokens of the prompt while an answer is written.

Definition. Let a(q, j) be the attention weights of query q in one head, and T the tokens chosen. Scaled by a factor f
they are

    a'(q, j) = f a(q, j) / Z  for j in T,    a(q, j) / Z  for the rest,    Z = f a(q, T) + a(q, not T):

the weights after the softmax, those of T times f, renormalised to sum to one. That is the same as log f added to the
logits of T before the softmax, which is how it is computed here: no weight is ever formed, and every kernel that takes
an additive mask serves. The other definition in use, weights times f and not renormalised, also makes the head's output
smaller or larger; what it shows is attention and loss of signal together, so it is not offered. f = 0 hides T, f = 1
changes nothing. Scaling T up by f is PASTA's scaling of all the rest down by 1/f (arXiv 2311.02262), but in every head.
With attention sinks the sink is one of the rest; a soft cap on the logits comes first, then log f.

Whose attention is scaled is a second choice:

    answer   the last prompt token's, which writes the first token, and every generated token's: the prompt is read as
             ever, and only what writing takes from the chosen tokens directly is scaled (the default)
    behind   every token's that stands behind the last of T, prompt included: what other prompt tokens took from T and
             hand on is scaled too; with f = 0 nothing behind T can know of it
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from adhere.core.errors import UserError
from adhere.models.forward.attention_hooks import causal
from adhere.models.forward.blocks import blocks

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Since = Literal["answer", "behind"]


@dataclass(frozen=True)
class Emphasis:
    """Attention to some tokens of a prompt, times a factor.

    Attributes:
        tokens: indices into the prompt.
        factor: 0 or more.
        since: whose attention is scaled.
        blocks: in which blocks, counted from 1; None for all.
    """

    tokens: tuple[int, ...]
    factor: float
    since: Since = "answer"
    blocks: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.factor) and self.factor >= 0):
            raise UserError(f"attention cannot be scaled by {self.factor}: wanted 0 or more")
        if self.since not in ("answer", "behind"):
            raise UserError(f"no attention since {self.since!r}: wanted answer or behind")
        if not self.tokens:
            raise UserError("no tokens whose attention is to be scaled")

    def require_rest(self, prompt: int) -> None:
        """Refuse to hide all of a prompt of `prompt` tokens: attention would have nothing to go to."""
        if max(self.tokens) >= prompt or min(self.tokens) < 0:
            raise UserError(f"token {max(self.tokens)} is not one of the prompt's {prompt}")
        if self.factor == 0 and len(set(self.tokens)) == prompt:
            raise UserError("attention cannot be taken from the whole prompt: there is nothing else to attend to")


def emphasise(
    model: PreTrainedModel,
    wanted: Sequence[Emphasis | None],
    prompts: Sequence[int],
    starts: Sequence[int] | None = None,
) -> Emphasised | None:
    """The observer for a batch: what each row asks for, the tokens of its prompt, and the column where it starts (that
    of a prompt padded on the left, if None). None if no row asks for anything.

    Raises:
        UserError: a row's emphasis does not fit its prompt or the model.
    """
    if all(one is None or one.factor == 1 for one in wanted):
        return None
    if starts is None:
        starts = [max(prompts) - prompt for prompt in prompts]
    return Emphasised(wanted, prompts, starts, len(blocks(model).modules), model.device)


class Emphasised:
    """An `Observer` that scales attention, row by row of a batch whose rows end in the same column.

    Args:
        wanted: what each row asks for, or None.
        prompts: tokens of each row's prompt.
        starts: the column where each row's prompt starts.
        blocks: how many blocks the model has.
        device: where the model runs.

    Attributes:
        columns: how many columns the batch has, the newest included; to be set before every forward pass.
    """

    def __init__(
        self,
        wanted: Sequence[Emphasis | None],
        prompts: Sequence[int],
        starts: Sequence[int],
        blocks: int,
        device: torch.device,
    ) -> None:
        width = max(start + prompt for start, prompt in zip(starts, prompts, strict=True))
        self.columns = width
        bias = torch.zeros(len(wanted), width)
        first = torch.zeros(len(wanted), dtype=torch.long)
        active = torch.zeros(len(wanted), blocks, dtype=torch.bool)
        for k, (one, prompt, start) in enumerate(zip(wanted, prompts, starts, strict=True)):
            if one is None or one.factor == 1:
                continue
            one.require_rest(prompt)
            bias[k, [start + t for t in one.tokens]] = math.log(one.factor) if one.factor else -math.inf
            last = start + prompt - 1
            first[k] = last if one.since == "answer" else min(start + max(one.tokens) + 1, last)
            chosen = range(1, blocks + 1) if one.blocks is None else one.blocks
            if any(not 1 <= block <= blocks for block in chosen):
                raise UserError(f"no blocks {list(chosen)}: this model has blocks 1 to {blocks}")
            active[k, [block - 1 for block in chosen]] = True
        self._bias, self._first, self._active = bias.to(device), first.to(device), active.to(device)
        self._somewhere = active.any(dim=0).tolist()

    def mask(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor | None:
        if not self._somewhere[layer - 1]:
            return mask
        queries, keys = query.shape[2], key.shape[2]
        lowest = torch.finfo(query.dtype).min
        columns = torch.arange(self.columns - queries, self.columns, device=query.device)
        scaled = (columns >= self._first[:, None]) & self._active[:, layer - 1, None]  # [rows, queries]
        # A sliding window hands over the last keys only.
        grown = torch.nn.functional.pad(self._bias, (0, self.columns - self._bias.shape[1]))[:, self.columns - keys :]
        added = torch.where(scaled[:, :, None], grown[:, None, :], 0.0)[:, None].clamp(min=lowest).to(query.dtype)
        if mask is None:
            mask = causal(queries, keys, query.device)[None, None]
        if mask.dtype == torch.bool:
            return added.masked_fill(~mask, lowest)
        return (mask + added).clamp(min=lowest)

    def see(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        mask: torch.Tensor | None,
        scale: float,
        weights: torch.Tensor | None,
    ) -> None:
        """What came of it is not looked at."""
