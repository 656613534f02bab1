"""The transformer of arXiv 2306.17844, as released: what it computes, how it starts, its table form.

Rules, from the released training script:
- Two tokens, learned positions, one vocabulary or one for each side (the right token's rows follow the left's); no
  LayerNorm, no mask, no bias but in the MLP; ReLU or GeLU; one layer or more; unembedding not tied; the answer is
  read at the last position, among the first `modulus` outputs.
- Attention mixes softmax with *ones*, not with a mean: A = rate * softmax(QK / sqrt(d_head)) + (1 - rate).

Table form, of one layer with ReLU and one vocabulary. The last position sees its own token b and, through attention,
a and b. Each token stands at a position, so there are only 2n distinct inputs, and everything up to the ReLU and on
the path around it is linear in what they
bring. With two keys the softmax is a sigmoid, and the two weights of a head add up to 2 - rate:

    s[a, b] = base[b] + sum_h  w[h, a, b] * left[h, a] - w[h, a, b] * right[h, b]

where s holds at once what enters the ReLU and what reaches the logits around it. Folding W_out and W_U into one
matrix, the logits follow from one product of width n. It is the same function of the same weights; only the order
of the sums differs, and with it the last digits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from adhere.modular.kernel import Tables

_ATTENTION, _MLP = "blocks.0.attn.", "blocks.0.mlp."

ACTIVATIONS = {"relu": torch.relu, "gelu": torch.nn.functional.gelu}


def shapes(modulus: int, width: int, heads: int, layers: int = 1, vocabularies: int = 1) -> dict[str, tuple[int, ...]]:
    """Shape of every weight by its released name."""
    head, hidden, tokens = width // heads, 4 * width, modulus * vocabularies
    named: dict[str, tuple[int, ...]] = {"embed.W_E": (width, tokens), "pos_embed.W_pos": (2, width)}
    for layer in range(layers):
        attention, mlp = f"blocks.{layer}.attn.", f"blocks.{layer}.mlp."
        named |= {
            f"{attention}W_K": (heads, head, width),
            f"{attention}W_Q": (heads, head, width),
            f"{attention}W_V": (heads, head, width),
            f"{attention}W_O": (width, heads * head),
            f"{mlp}W_in": (hidden, width),
            f"{mlp}b_in": (hidden,),
            f"{mlp}W_out": (width, hidden),
            f"{mlp}b_out": (width,),
        }
    return named | {"unembed.W_U": (width, tokens)}


def init(shapes: Mapping[str, tuple[int, ...]], generator: torch.Generator) -> dict[str, Tensor]:
    """Gaussian weights, biases zero. W_in is scaled by the hidden width and W_U by the vocabulary, as released."""
    width, tokens = shapes["embed.W_E"]
    hidden = shapes[f"{_MLP}b_in"][0]

    def scale(name: str) -> int:
        return hidden if name.endswith("mlp.W_in") else tokens if name == "unembed.W_U" else width

    return {
        name: torch.zeros(shape)
        if len(shape) == 1
        else torch.randn(shape, generator=generator) / math.sqrt(scale(name))
        for name, shape in shapes.items()
    }


def embeddings(weights: Mapping[str, Tensor], modulus: int) -> tuple[Tensor, Tensor]:
    """Embedding tables of the left and of the right token, each (modulus, width)."""
    table = weights["embed.W_E"].T
    return table[:modulus], table[-modulus:]


def logits(weights: Mapping[str, Tensor], rate: float, embedded: Tensor, layers: int, activation: str) -> Tensor:
    """Logits at the last position, (batch, vocabulary), from token embeddings (batch, 2, width)."""
    x = embedded + weights["pos_embed.W_pos"]
    for layer in range(layers):
        attention, mlp = f"blocks.{layer}.attn.", f"blocks.{layer}.mlp."
        key, query, value = (torch.einsum("ihd,bpd->biph", weights[f"{attention}W_{w}"], x) for w in "KQV")
        scores = torch.einsum("biph,biqh->biqp", key, query) / math.sqrt(key.shape[-1])
        mix = torch.softmax(scores, dim=-1) * rate + (1 - rate)
        mixed = torch.einsum("biph,biqp->bqih", value, mix).flatten(2)
        x = x + mixed @ weights[f"{attention}W_O"].T
        hidden = ACTIVATIONS[activation](x @ weights[f"{mlp}W_in"].T + weights[f"{mlp}b_in"])
        x = x + hidden @ weights[f"{mlp}W_out"].T + weights[f"{mlp}b_out"]
    return x[:, -1] @ weights["unembed.W_U"]


def tables(weights: Mapping[str, Tensor], rate: float | Tensor) -> Tables:
    """The table form. `rate` may be a scalar tensor when several networks are run as one program."""
    embed, position = weights["embed.W_E"].T, weights["pos_embed.W_pos"]
    w_o, w_u, w_in = weights[f"{_ATTENTION}W_O"], weights["unembed.W_U"], weights[f"{_MLP}W_in"]
    n = embed.shape[0]
    heads, head, width = weights[f"{_ATTENTION}W_V"].shape

    x = torch.cat([embed + position[0], embed + position[1]])  # the 2n inputs: first position, then last
    last = x[n:]
    onward = torch.cat([w_in, w_u.T])  # (hidden + n, width): into the ReLU, and around it
    offset = torch.cat([weights[f"{_MLP}b_in"], weights[f"{_MLP}b_out"] @ w_u])
    base = last @ onward.T + offset
    out = weights[f"{_MLP}W_out"].T @ w_u
    value = x @ weights[f"{_ATTENTION}W_V"].reshape(heads * head, width).T

    if isinstance(rate, (int, float)) and rate == 0:  # every weight is one: a sum of two tables
        carried = (value @ w_o.T) @ onward.T
        return Tables(base=base + carried[n:], out=out, sum_left=carried[:n])

    through = (onward @ w_o).reshape(-1, heads, head)
    carried = torch.einsum("thk,nhk->htn", value.reshape(2 * n, heads, head), through)
    query = (last @ weights[f"{_ATTENTION}W_Q"].reshape(heads * head, width).T).reshape(n, heads, head)
    key = (x @ weights[f"{_ATTENTION}W_K"].reshape(heads * head, width).T).reshape(2 * n, heads, head)
    key_left, key_right = torch.split(key, n)  # split, not slices: its gradient is one concatenation
    other = torch.einsum("ahk,bhk->hab", key_left, query)
    own = (query * key_right).sum(-1).T
    mix = torch.sigmoid((other - own[:, None, :]) / math.sqrt(head)) * rate + (1 - rate)
    left, right = torch.split(carried, n, dim=1)
    return Tables(base=base + (2 - rate) * right.sum(0), out=out, mix=mix, left=left, right=right)
