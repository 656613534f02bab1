"""The five linear models of the paper's appendix, as released: no attention at all, a sum of embeddings and ReLUs.

    alpha   relu(L1 (Ea + Eb))
    beta    relu(L2 relu(L1 (Ea + Eb)))
    gamma   relu(L2 relu(L1 Ea + L1 Eb))      differs from beta in that the bias of L1 enters twice
    delta   relu(L1 [Ea; Eb])                 embeddings of half the width, side by side
    x       as alpha, with an embedding of its own for each side

each followed by an unembedding without bias. Released names: A, B, C, D, X.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from adhere.modular.kernel import Tables

RELEASED = {"A": "alpha", "B": "beta", "C": "gamma", "D": "delta", "X": "x"}
"""The letters in the released files, and the paper's names."""


def shapes(kind: str, modulus: int, width: int) -> dict[str, tuple[int, ...]]:
    """Shape of every weight by its released name."""
    found: dict[str, tuple[int, ...]] = {}
    if kind == "x":
        found |= {"embed1.weight": (modulus, width), "embed2.weight": (modulus, width)}
    else:
        found["embed.weight"] = (modulus, width // 2 if kind == "delta" else width)
    found |= {
        "unembed.weight": (modulus, width),
        "l1.weight": (width, 2 * (width // 2) if kind == "delta" else width),
        "l1.bias": (width,),
    }
    if kind in ("beta", "gamma"):
        found |= {"l2.weight": (width, width), "l2.bias": (width,)}
    return found


def init(shapes: Mapping[str, tuple[int, ...]], generator: torch.Generator) -> dict[str, Tensor]:
    """As released: embeddings over sqrt(width / 2), unembedding over sqrt(width), L1 and L2 torch's default."""
    width = shapes["unembed.weight"][1]
    weights = {}
    for name, shape in shapes.items():
        if name.startswith("embed"):
            weights[name] = torch.randn(shape, generator=generator) / math.sqrt(width // 2)
        elif name.startswith("unembed"):
            weights[name] = torch.randn(shape, generator=generator) / math.sqrt(width)
        else:
            bound = 1 / math.sqrt(shapes[name.split(".")[0] + ".weight"][1])
            weights[name] = (torch.rand(shape, generator=generator) * 2 - 1) * bound
    return weights


def embeddings(kind: str, weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Embedding tables of the left and of the right token, each (n, width)."""
    if kind == "x":
        return weights["embed1.weight"], weights["embed2.weight"]
    return weights["embed.weight"], weights["embed.weight"]


def logits(kind: str, weights: Mapping[str, Tensor], embedded: Tensor) -> Tensor:
    """Logits (batch, n) from token embeddings (batch, 2, width)."""
    into, bias = weights["l1.weight"], weights["l1.bias"]
    if kind == "delta":
        x = embedded.flatten(1) @ into.T + bias
    else:
        x = embedded.sum(1) @ into.T + (2 * bias if kind == "gamma" else bias)
    x = torch.relu(x)
    if kind in ("beta", "gamma"):
        x = torch.relu(x @ weights["l2.weight"].T + weights["l2.bias"])
    return x @ weights["unembed.weight"].T


def tables(kind: str, weights: Mapping[str, Tensor]) -> Tables:
    """The table form: before the first ReLU, a table for each side; beta and gamma have one layer more to go."""
    left, right = embeddings(kind, weights)
    into, bias = weights["l1.weight"], weights["l1.bias"]
    if kind == "delta":
        half = left.shape[1]
        sides = left @ into[:, :half].T, right @ into[:, half:].T
    else:
        sides = left @ into.T, right @ into.T
    out = weights["unembed.weight"].T
    around = out.new_zeros(out.shape[1], out.shape[1])
    base = torch.cat([sides[1] + (2 * bias if kind == "gamma" else bias), around], dim=1)
    sum_left = torch.cat([sides[0], around], dim=1)
    if kind in ("beta", "gamma"):
        return Tables(base=base, out=out, sum_left=sum_left, deep=(weights["l2.weight"], weights["l2.bias"]))
    return Tables(base=base, out=out, sum_left=sum_left)
