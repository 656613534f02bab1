"""Erasing a subspace from the residual stream while a model runs: does it use what a probe can read?

At the layers chosen the stream x of a token becomes x - L R'(x - m). LEACE, INLP and a random subspace are all of this
form (L and R of shape [width, rank], m the mean that stays where it is). The map looks at one token at a time, so with
a cache of keys and values it gives what a full pass over the text would give.

    with Erasing(opened, {4: eraser}):                  # one layer; several: one eraser each
        answers = generate(opened, requests)            # or transformers' own generate
        losses = response_loss(opened, maps)            # fluency: the model's own unconstrained texts, teacher-forced

Where: `all` tokens; `answer`, the last prompt token and every generated one; `prompt`, all the others. Watchers that
begin inside the block read the stream as it is behind the erasure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import torch

from adhere.core.errors import UserError
from adhere.models.forward.blocks import blocks
from adhere.models.forward.capture import batch_limit, in_batches
from adhere.models.forward.prefill import READING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from adhere.models.forward.tokenmap import TokenMap
    from adhere.models.load import OpenModel

Where = Literal["all", "answer", "prompt"]

MOST_LOGITS = 2**26
"""Logits held at once when losses are computed: 256 MiB in float32, and as much again for their logarithms."""


class AffineEraser(Protocol):
    """x - left right'(x - mean)."""

    @property
    def left(self) -> NDArray[Any]: ...
    @property
    def right(self) -> NDArray[Any]: ...
    @property
    def mean(self) -> NDArray[Any]: ...


class Erasing:
    """A `with` block in which `opened` runs with its stream erased.

    Args:
        opened: the model.
        erasers: for each layer (0 before the first block) what to erase there.
        where: at which tokens.

    Raises:
        UserError: there is no such layer, or an eraser was fitted to another width.
    """

    def __init__(self, opened: OpenModel, erasers: Mapping[int, AffineEraser], where: Where = "all") -> None:
        width = int(opened.model.config.get_text_config().hidden_size)
        self._opened, self._where = opened, where
        self._maps: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}
        self._starts: torch.Tensor | None = None
        self._handles: list[torch.utils.hooks.RemovableHandle] = []
        if where not in ("all", "answer", "prompt"):
            raise UserError(f"nothing is erased at {where!r}: wanted all, answer or prompt")
        for layer, eraser in erasers.items():
            if (
                eraser.left.shape != eraser.right.shape
                or eraser.left.shape[0] != width
                or eraser.mean.shape != (width,)
            ):
                raise UserError(f"the eraser of layer {layer} is not one for this model's width of {width}")
            if not 0 <= layer < blocks(opened.model).layers:
                raise UserError(f"there is no layer {layer} in {opened.name}")
            self._maps[layer] = tuple(  # type: ignore[assignment]
                torch.as_tensor(np.asarray(part), dtype=torch.float32, device=opened.device)
                for part in (eraser.left, eraser.right, eraser.mean)
            )

    def __enter__(self) -> Erasing:
        stack = blocks(self._opened.model)
        for layer in self._maps:
            self._handles.append(stack.tap(layer, lambda stream, layer=layer: self._change(layer, stream)))
        return self

    def __exit__(self, *_: object) -> None:
        while self._handles:
            self._handles.pop().remove()

    @contextmanager
    def answers_from(self, starts: Sequence[int]) -> Iterator[None]:
        """For passes over whole texts, padded on the right: the column of each row's last prompt token. Without it a
        pass over several tokens is taken for a prompt, padded on the left, whose last column writes; while our own
        generation reads prompts none does."""
        self._starts = torch.tensor(list(starts), device=self._opened.device)
        try:
            yield
        finally:
            self._starts = None

    def _change(self, layer: int, stream: torch.Tensor) -> torch.Tensor:
        if self._where == "all":
            return self._erased(layer, stream)
        columns = torch.arange(stream.shape[1], device=stream.device)
        start = columns[-1:] if self._starts is None else self._starts
        if READING.get():
            start = columns[-1:] + 1
        answer = (columns >= start[:, None])[..., None]
        return torch.where(answer == (self._where == "answer"), self._erased(layer, stream), stream)

    def _erased(self, layer: int, stream: torch.Tensor) -> torch.Tensor:
        left, right, mean = self._maps[layer]
        exact = stream.float()  # in the eight bits of bfloat16 the difference would be lost
        return (exact - ((exact - mean) @ right) @ left.T).to(stream.dtype)


@dataclass(frozen=True)
class Loss:
    """What responses cost a model that reads them: sums over each response's generated tokens, the end token included.

    Attributes:
        nats: negative log-likelihood of each response, shape (n,).
        tokens: how many tokens it is the sum of, shape (n,).
    """

    nats: NDArray[np.float64]
    tokens: NDArray[np.int64]

    @property
    def per_token(self) -> float:
        """Nats a token, over all responses."""
        return float(self.nats.sum() / self.tokens.sum()) if self.tokens.sum() else float("nan")


def response_loss(opened: OpenModel, maps: Sequence[TokenMap], erasing: Erasing | None = None) -> Loss:
    """The loss of the responses of `maps` behind their prompts, in one pass each.

    Args:
        opened: the model.
        maps: prompts and responses.
        erasing: the block one is in, if any: it has to know where answers begin.
    """
    nats, tokens = np.zeros(len(maps)), np.zeros(len(maps), np.int64)
    vocabulary = int(opened.model.config.get_text_config().vocab_size)
    limit = min(batch_limit(opened), max(1, MOST_LOGITS // vocabulary))

    def read(group: list[int]) -> None:
        nats[group], tokens[group] = _read(opened, [maps[k] for k in group], erasing)

    for _ in in_batches(opened, maps, limit, read):
        pass
    return Loss(nats, tokens)


def _read(
    opened: OpenModel, maps: Sequence[TokenMap], erasing: Erasing | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Nats and tokens of each response of one batch."""
    length = max(len(one.tokens) for one in maps)
    pad = opened.tokenizer.pad_token_id or 0
    ids = torch.tensor([[*one.tokens, *[pad] * (length - len(one.tokens))] for one in maps], device=opened.device)
    starts = [one.prompt - 1 for one in maps]
    first = min(starts)  # what all rows read as prompt needs no logits
    kept = torch.arange(first, length - 1, device=opened.device)
    with torch.inference_mode(), erasing.answers_from(starts) if erasing else nullcontext():
        logits = opened.model(input_ids=ids, use_cache=False, logits_to_keep=kept).logits
        logs = torch.log_softmax(logits.float(), dim=-1)
        found = logs.gather(2, ids[:, first + 1 :, None])[..., 0]
    counted = torch.tensor([[one.prompt - 1, len(one.tokens) - 1] for one in maps], device=opened.device)
    inside = (kept >= counted[:, :1]) & (kept < counted[:, 1:])
    return -found.masked_fill(~inside, 0).double().sum(1).cpu().numpy(), inside.sum(1).cpu().numpy()
