"""The loss of a batch, and its means by family for the log."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from adhere.models.pocket.training.data import ANSWER, PROMPT, Batch

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


class Scored(NamedTuple):
    """The scored tokens of a batch, each of shape (tokens,): loss in nats, weight, row and part."""

    losses: Tensor
    weights: Tensor
    rows: Tensor
    parts: Tensor


def weights_of_parts(prompt_weight: float, device: torch.device) -> Tensor:
    """The weight of each part: padding nothing, prompts `prompt_weight`, answers in full."""
    return torch.tensor([0.0, prompt_weight, 1.0], device=device)


def weight(batch: Batch, prompt_weight: float) -> float:
    """The weight of all the batch's tokens together."""
    return float((batch.parts == ANSWER).sum() + prompt_weight * (batch.parts == PROMPT).sum())


def scored(model: LlamaForCausalLM, batch: Batch, weight_of: Tensor) -> Scored:
    """The losses of the batch's tokens. Rows are padded on the right, so the causal mask is all the mask there is."""
    device = weight_of.device
    ids = torch.from_numpy(batch.ids).to(device)
    parts = torch.from_numpy(batch.parts).to(device)[:, 1:].long()
    states = model.model(input_ids=ids[:, :-1].contiguous(), use_cache=False).last_hidden_state
    rows, columns = (weight_of[parts] > 0).nonzero(as_tuple=True)
    logits = model.lm_head(states[rows, columns])
    losses = functional.cross_entropy(logits.float(), ids[:, 1:][rows, columns], reduction="none")
    part = parts[rows, columns]
    return Scored(losses, weight_of[part], rows, part)


class FamilyMeans:
    """Mean loss of answered tokens by family, since the last `take`."""

    def __init__(self) -> None:
        self._sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def add(self, batch: Batch, of: Scored) -> None:
        """Add the losses of a batch's answered tokens."""
        answered = of.parts == ANSWER
        n = len(batch.ids)
        rows = of.rows[answered]
        losses = of.losses.detach()[answered]
        sums = torch.zeros(n, device=losses.device).index_add_(0, rows, losses).tolist()
        counts = torch.bincount(rows, minlength=n).tolist()
        for family, loss, number in zip(batch.families, sums, counts, strict=True):
            self._sums[family][0] += loss
            self._sums[family][1] += number

    def take(self) -> tuple[float, dict[str, float]]:
        """The mean over all families and that of each; starts anew."""
        sums, self._sums = self._sums, defaultdict(lambda: [0.0, 0.0])
        overall = sum(s for s, _ in sums.values()) / max(1.0, sum(n for _, n in sums.values()))
        return overall, {family: s / n for family, (s, n) in sorted(sums.items()) if n}
