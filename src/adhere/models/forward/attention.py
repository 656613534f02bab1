"""Attention mass on chosen tokens, for the query rows that are wanted and no others.

The mass of a part P in the row of query q at layer l is the mean over heads of the sum of the attention weights that q
gives to the tokens of P. A full matrix of weights is never kept: of each layer's queries only the wanted ones are
multiplied with the keys, in pieces of bounded size, so memory grows with rows times length and not with length squared.

The model itself runs scaled-dot-product attention. For families that cannot (Gemma 2's soft cap, GPT-OSS's sinks) its
own kernel computes one layer's weights, of which the rows are taken before the next layer begins.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from adhere.models.forward.attention_hooks import causal

PIECE = 2**23
"""Attention weights computed at once, over all heads: 32 MiB in float32."""


class PartMass:
    """An `Observer` that sums the attention of chosen rows over parts of the text.

    Args:
        rows: query rows wanted of each sequence, [sequences][rows], indices into its tokens. Sequences start at
            column 0: padding is on the right.
        parts: for each sequence and part the tokens of that part, [sequences][parts][tokens].
        length: tokens of the longest sequence.
        layers: how many blocks the model has.
        device: where the model runs.

    Attributes:
        mass: the result, [sequences, blocks, rows, parts], float32; rows beyond a sequence's own are NaN.
    """

    def __init__(
        self,
        rows: Sequence[Sequence[int]],
        parts: Sequence[Sequence[Sequence[int]]],
        length: int,
        layers: int,
        device: torch.device,
    ) -> None:
        most = max((len(one) for one in rows), default=0)
        self._rows = torch.tensor([[*one, *[0] * (most - len(one))] for one in rows], device=device).reshape(-1, most)
        self._absent = torch.tensor([[k >= len(one) for k in range(most)] for one in rows], device=device).reshape(
            -1, most
        )
        members = torch.zeros(len(parts), len(parts[0]) if parts else 0, length)
        for b, sequence in enumerate(parts):
            for p, tokens in enumerate(sequence):
                members[b, p, list(tokens)] = 1.0
        self._members = members.to(device).transpose(1, 2)
        self.mass = torch.full(
            (len(rows), layers, most, self._members.shape[2]), torch.nan, dtype=torch.float32, device=device
        )

    def mask(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor | None:
        del layer, query, key
        return mask

    def see(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        mask: torch.Tensor | None,
        scale: float,
        weights: torch.Tensor | None,
    ) -> None:
        heads, keys = query.shape[1], key.shape[2]
        size = max(1, PIECE // (query.shape[0] * heads * keys))
        for start in range(0, self._rows.shape[1], size):
            rows = self._rows[:, start : start + size]
            if weights is None:
                mean = row_weights(query, key, mask, scale, rows).mean(dim=1)
            else:
                mean = _pick(weights, rows).float().mean(dim=1)
            found = (mean @ self._members).masked_fill(self._absent[:, start : start + size, None], torch.nan)
            self.mass[:, layer - 1, start : start + size] = found


def row_weights(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, scale: float, rows: torch.Tensor
) -> torch.Tensor:
    """Softmax attention weights of the query `rows` [sequences, rows], as [sequences, heads, rows, keys], in float32.

    Grouped key heads are not repeated: the queries that share one are multiplied with it together.
    """
    batch, heads, queries, width = query.shape
    shared, keys, count = key.shape[1], key.shape[2], rows.shape[1]
    chosen = _pick(query, rows).reshape(batch, shared, heads // shared * count, width)
    logits = (chosen.float() @ key.float().transpose(2, 3)) * scale
    logits = logits.reshape(batch, heads, count, keys)
    if mask is None:
        allowed = causal(queries, keys, query.device)[rows][:, None]
        logits = logits.masked_fill(~allowed, -torch.inf)
    else:
        part = _pick(mask.expand(batch, *mask.shape[1:]), rows)
        logits = logits.masked_fill(~part, -torch.inf) if part.dtype == torch.bool else logits + part.float()
    return logits.softmax(dim=-1)


def _pick(tensor: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Of [sequences, heads, queries, x] the query rows [sequences, rows], as [sequences, heads, rows, x]."""
    index = rows[:, None, :, None].expand(-1, tensor.shape[1], -1, tensor.shape[3])
    return tensor.gather(2, index)
