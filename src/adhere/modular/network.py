"""The models: the paper's transformer and its five linear models, as frozen records of weights.

Rules:
- A network is an `Architecture` and a dictionary of weights under the names of the released files, so a released
  state dict is a network without translation. What a model computes is a function of the two; nothing is hidden in
  module objects.
- `init` draws weights as the released scripts do. `logits_from` is the paper's computation, read top to bottom, from
  token embeddings (before the position is added) to logits: gradients to the embeddings are taken through it.
- `transformer` and `linear` also give the *table form* of the same function for training (see `kernel`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch

from adhere.core.errors import UserError
from adhere.modular import linear, transformer
from adhere.modular.task import Task

if TYPE_CHECKING:
    from torch import Tensor

    from adhere.modular.kernel import Tables

Kind = Literal["transformer", "alpha", "beta", "gamma", "delta", "x"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Architecture:
    """Which model, how wide, and for the transformer its attention rate.

    `rate` is the paper's attention rate: the mix is rate * softmax + (1 - rate) * ones, so 1 is standard attention
    and 0 lets both tokens through unweighed. Widths of the paper: transformer 128 with 4 heads and 4 * 128 hidden;
    linear models 256. `layers`, `activation` and `vocabularies` (2: the right token has rows of its own) are the
    transformer's; the paper's main setting is one layer, ReLU, one vocabulary, and only that is trained here.

    Raises:
        UserError: the rate lies outside [0, 1], sizes do not fit together, or there is no such activation.
    """

    kind: Kind = "transformer"
    modulus: int = 59
    rate: float = 0.0
    width: int = 128
    heads: int = 4
    layers: int = 1
    activation: str = "relu"
    vocabularies: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"no model {self.kind!r}; there are: {', '.join(KINDS)}")
        if not 0 <= self.rate <= 1:
            raise UserError(f"the attention rate alpha must lie between 0 and 1, not {self.rate:g}")
        if self.width < 2 or self.heads < 1:
            raise UserError("a model needs a width of at least 2 and at least one head")
        if self.kind == "transformer" and self.width < self.heads:
            raise UserError(f"a width of {self.width} cannot be shared by {self.heads} heads")
        if self.layers < 1 or self.vocabularies not in (1, 2):
            raise UserError("a model needs at least one layer, and one vocabulary or two")
        if self.activation not in transformer.ACTIVATIONS:
            raise UserError(f"no activation {self.activation!r}; there are: {', '.join(transformer.ACTIVATIONS)}")

    @property
    def hidden(self) -> int:
        return 4 * self.width if self.kind == "transformer" else self.width

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every weight, under the names of the released files."""
        if self.kind == "transformer":
            return transformer.shapes(self.modulus, self.width, self.heads, self.layers, self.vocabularies)
        return linear.shapes(self.kind, self.modulus, self.width)

    def init(self, seed: int) -> dict[str, Tensor]:
        """Fresh float32 weights, drawn as the released scripts draw them."""
        generator = torch.Generator().manual_seed(seed)
        if self.kind == "transformer":
            return transformer.init(self.shapes(), generator)
        return linear.init(self.shapes(), generator)

    def tables(self, weights: Mapping[str, Tensor]) -> Tables:
        """The table form of the function that `weights` compute; differentiable.

        Raises:
            UserError: several layers, GeLU or two vocabularies, which have none.
        """
        if self.kind == "transformer":
            if (self.layers, self.activation, self.vocabularies) != (1, "relu", 1):
                raise UserError("only one layer with ReLU and one vocabulary is trained here")
            return transformer.tables(weights, self.rate)
        return linear.tables(self.kind, weights)


@dataclass(frozen=True)
class Network:
    """Weights with what they are, and what they were trained for."""

    architecture: Architecture
    weights: Mapping[str, Tensor]
    task: Task
    origin: str = ""
    """Where it came from, for people: a file, a seed."""

    def embeddings(self) -> Tensor:
        """Token embeddings, shape (n, width); the left side's where each side has a table of its own."""
        return self._embeddings()[0]

    def _embeddings(self) -> tuple[Tensor, Tensor]:
        if self.architecture.kind == "transformer":
            return transformer.embeddings(self.weights, self.architecture.modulus)
        return linear.embeddings(self.architecture.kind, self.weights)

    def look_up(self, pairs: Tensor) -> Tensor:
        """Embeddings of pairs of tokens: (batch, 2) integers to (batch, 2, width)."""
        left, right = self._embeddings()
        return torch.stack([left[pairs[:, 0]], right[pairs[:, 1]]], dim=1)

    def logits_from(self, embedded: Tensor) -> Tensor:
        """Logits (batch, n) from token embeddings (batch, 2, width)."""
        if self.architecture.kind == "transformer":
            of = self.architecture
            return transformer.logits(self.weights, of.rate, embedded, of.layers, of.activation)[:, : of.modulus]
        return linear.logits(self.architecture.kind, self.weights, embedded)

    def all_logits(self, left: Tensor | None = None, right: Tensor | None = None) -> Tensor:
        """Logits of all pairs, shape (n^2, n), without gradients; with other embedding tables where given."""
        own_left, own_right = self._embeddings()
        pairs = torch.from_numpy(self.task.pairs())
        with torch.inference_mode():
            embedded = torch.stack(
                [
                    (own_left if left is None else left)[pairs[:, 0]],
                    (own_right if right is None else right)[pairs[:, 1]],
                ],
                dim=1,
            )
            return self.logits_from(embedded)
