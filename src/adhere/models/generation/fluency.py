"""Whether an answer that was held to constraints is still one that the model would write: met is not good.

- `logprob`: the mean log-probability of the answer's tokens under the model without masks, in nats. An answer of the
  model's own lies near the negative of its entropy; one that was forced lies far below.
- `repetition`: the share of word 4-grams that stood in the answer before. A loop goes to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from adhere.models.load import OpenModel

GRAM = 4
"""Words of a gram."""


@dataclass(frozen=True)
class Fluency:
    """`logprob` in nats a token, None for an empty answer; `repetition` from 0 to 1; `tokens` that were scored."""

    logprob: float | None
    repetition: float
    tokens: int


@torch.inference_mode()
def fluency(opened: OpenModel, prompt: Sequence[int], text: str) -> Fluency:
    """Read the answer `text` behind the tokens of its prompt once, with no mask."""
    tokens = list(opened.tokenizer(text, add_special_tokens=False)["input_ids"])
    tokens = tokens[: max(0, opened.context - len(prompt))]
    if not tokens or not prompt:
        return Fluency(None, repetition(text), 0)
    ids = torch.tensor([[*prompt, *tokens]], device=opened.device)
    logits = opened.model(input_ids=ids, use_cache=False, logits_to_keep=len(tokens) + 1).logits[0, :-1].float()
    chosen = torch.tensor(tokens, device=logits.device)
    logs = logits.gather(1, chosen[:, None])[:, 0] - logits.logsumexp(dim=-1)
    return Fluency(float(logs.mean()), repetition(text), len(tokens))


def repetition(text: str) -> float:
    """The share of word 4-grams that stood in `text` before; 0 where there is none."""
    words = text.lower().split()
    grams = list(zip(*(words[k:] for k in range(GRAM)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
