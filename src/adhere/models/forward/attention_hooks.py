"""Stepping into a model's attention while it runs: once to look on, once to change what may be attended to.

transformers lets a program register an attention function by name (`AttentionInterface`). Ours computes the output with
the very kernel the model would have used and passes what went in to an `Observer`. Rules:

- Families that scaled-dot-product attention serves stay on it. Those it cannot serve (a soft cap on the logits, sinks)
  keep the kernel of their own modelling file; the observer is then given the weights which that kernel made.
- The model's setting is put back when the `with` block ends, whatever ended it.
- The observer belongs to the thread that opened the block. It lives in a context variable, not in the model.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

import torch

from adhere.core.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FUSED, PLAIN = "adhere_fused", "adhere_plain"
"""Names of our two functions: over scaled-dot-product attention, and over the modelling file's own kernel."""


class Observer(Protocol):
    """Looks on at, or changes, every attention of a forward pass."""

    def mask(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor | None:
        """The mask to attend with in place of `mask`, which is bool (True attends), additive, or None (causal).

        `query` [rows, heads, queries, head width] and `key` [rows, key heads, keys, head width] are as they meet,
        rotary embedding included. Blocks count from 1: block k lies between layers k - 1 and k of the stream.
        """

    def see(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        mask: torch.Tensor | None,
        scale: float,
        weights: torch.Tensor | None,
    ) -> None:
        """Called behind every attention. `weights` [rows, heads, queries, keys] where the kernel made them."""


_OBSERVER: ContextVar[Observer | None] = ContextVar("adhere_observer", default=None)


@contextmanager
def attending(model: PreTrainedModel, observer: Observer) -> Iterator[None]:
    """Run `model`'s attention under `observer` within the block.

    Raises:
        UserError: the model does not take its attention from transformers' interface.
    """
    _register()
    name = FUSED if _fused(model) else PLAIN
    before = model.config._attn_implementation
    _switch(model, name)
    token = _OBSERVER.set(observer)
    try:
        yield
    finally:
        _OBSERVER.reset(token)
        _switch(model, before)


@contextmanager
def eager(model: PreTrainedModel) -> Iterator[None]:
    """Run `model` with the modelling file's own kernel within the block: what we are checked against."""
    before = model.config._attn_implementation
    _switch(model, "eager")
    try:
        yield
    finally:
        _switch(model, before)


def causal(queries: int, keys: int, device: torch.device) -> torch.Tensor:
    """Which keys each of the last `queries` positions may see, [queries, keys] bool: what a missing mask stands for."""
    last = torch.arange(keys - queries, keys, device=device)
    return torch.arange(keys, device=device)[None, :] <= last[:, None]


def _fused(model: PreTrainedModel) -> bool:
    return bool(getattr(model, "_supports_sdpa", False)) and model.config._attn_implementation != "eager"


def _switch(model: PreTrainedModel, name: str) -> None:
    if model.config._attn_implementation == name:
        return
    model.set_attn_implementation(name)
    if model.config._attn_implementation != name:
        raise UserError(
            f"{type(model).__name__} does not take its attention from transformers' interface: "
            "attention to a constraint can be neither read nor scaled in this model"
        )


def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask, sdpa_mask

    AttentionInterface.register(FUSED, _attend_fused)
    AttentionInterface.register(PLAIN, _attend_plain)
    AttentionMaskInterface.register(FUSED, sdpa_mask)
    AttentionMaskInterface.register(PLAIN, eager_mask)


Output = tuple[torch.Tensor, torch.Tensor | None]


def _attend_fused(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> Output:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    return _observed(sdpa_attention_forward, module, query, key, value, attention_mask, options)


def _attend_plain(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> Output:
    own = getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)
    if own is None:
        raise UserError(f"{type(module).__name__} has no eager kernel that could be observed: it is not supported")
    output, weights = _observed(own, module, query, key, value, attention_mask, options)
    return output, weights


def _observed(
    kernel: Callable[..., Output],
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    options: dict[str, Any],
) -> Output:
    observer = _OBSERVER.get()
    if observer is None:
        return kernel(module, query, key, value, mask, **options)
    layer = int(module.layer_idx) + 1  # type: ignore[arg-type]
    mask = observer.mask(layer, query, key, mask)
    output, weights = kernel(module, query, key, value, mask, **options)
    scaling = options.get("scaling")
    scale = float(query.shape[-1] ** -0.5 if scaling is None else scaling)
    observer.see(layer, query, key, mask, scale, weights)
    return output, weights
