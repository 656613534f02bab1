"""Finding a model's stack of blocks, and reading or changing the residual stream between them.

Layer 0 is the stream before the first block (the embeddings as the first block receives them), layer k the stream after
block k. The last layer is read before the final norm. transformers 5 returns a tensor from a block, older versions a
tuple: both are understood, and anything else is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from adhere.core.errors import UserError

PLACES = ("model.layers", "model.language_model.layers", "language_model.layers", "gpt_neox.layers", "transformer.h")
"""Where the families that are tested keep their blocks (Llama, Qwen, Gemma, Mistral, Phi, OLMo; NeoX; GPT-2)."""

Change = Callable[[torch.Tensor], torch.Tensor | None]
"""Takes the stream [rows, tokens, width] after a layer; returns what to put in its place, or None to leave it."""


@dataclass(frozen=True)
class Blocks:
    """A model's blocks in order."""

    modules: tuple[nn.Module, ...]
    place: str

    @property
    def layers(self) -> int:
        """How many layers can be read: one more than there are blocks."""
        return len(self.modules) + 1

    def tap(self, layer: int, change: Change | Callable[[torch.Tensor], None]) -> torch.utils.hooks.RemovableHandle:
        """Call `change` with the stream at `layer` on every forward pass; remove the handle to end it."""
        if not 0 <= layer < self.layers:
            raise UserError(f"there is no layer {layer}: this model has layers 0 to {self.layers - 1}")
        if layer == 0:

            def before(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
                new = change(inputs[0])
                return None if new is None else (new, *inputs[1:])

            return self.modules[0].register_forward_pre_hook(before)

        def after(_module: nn.Module, _inputs: object, output: object) -> object:
            new = change(stream_of(output))
            if new is None:
                return None
            return new if isinstance(output, torch.Tensor) else (new, *output[1:])  # type: ignore[index]

        return self.modules[layer - 1].register_forward_hook(after)


def stream_of(output: object) -> torch.Tensor:
    """The residual stream in what a block returned.

    Raises:
        UserError: it is neither a tensor nor a tuple that begins with one.
    """
    first = output[0] if isinstance(output, tuple) and output else output
    if isinstance(first, torch.Tensor) and first.dim() == 3:
        return first
    raise UserError(f"a block returned {type(output).__name__}, not the residual stream: this model is not supported")


def blocks(model: nn.Module) -> Blocks:
    """The stack of blocks of `model`.

    Raises:
        UserError: none was found; names the places that were tried.
    """
    for place in PLACES:
        try:
            found = model.get_submodule(place)
        except AttributeError:
            continue
        if isinstance(found, nn.ModuleList) and len(found):
            return Blocks(tuple(found), place)
    raise UserError(f"{type(model).__name__}: no stack of blocks at {', '.join(PLACES)}")
