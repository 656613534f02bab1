"""What a training step runs: one network in cache-sized blocks, or many networks as one program.

Rules:
- On a CPU one network at a time is fastest, by the fused pass: several at once fall out of the cache. On a GPU one
  network leaves most of it idle, so networks that differ in seed, split and attention rate are stacked along a leading
  dimension and run by vmap through the table form. Both compute the same gradients (tested against each other).
- Optimiser and schedule work element by element, so stacking does not change what any network learns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from adhere.modular import linear, transformer
from adhere.modular.kernel import Fused, negative_log_likelihood, plain_logits

if TYPE_CHECKING:
    from adhere.modular.run_spec import Job


class Program(Protocol):
    """A set of networks in training; `parameters` are leaves with gradients, by weight name."""

    parameters: dict[str, Tensor]

    def run(self) -> None:
        """One pass: set the gradients of `parameters`, keep losses and logits of every pair."""

    def seen(self, index: int) -> tuple[Tensor, Tensor]:
        """Losses (n^2, float64) and logits (n^2, n) of network `index` in the last pass, on the CPU."""

    def slice(self, name: str, tensor: Tensor, index: int) -> Tensor:
        """Network `index`'s part of a tensor that is shaped like parameter `name`, as a view."""


class Single:
    """One network on the CPU."""

    def __init__(self, job: Job, weights: dict[str, Tensor]) -> None:
        self.parameters = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
        self.architecture = job.architecture
        self.fused = Fused(job.labels(), job.train(), half=job.recipe.half)

    def run(self) -> None:
        for parameter in self.parameters.values():
            parameter.grad = None
        self.fused(self.architecture.tables(self.parameters)).backward()  # type: ignore[no-untyped-call]
        for parameter in self.parameters.values():
            if parameter.grad is None:  # keys and queries at rate 0: no gradient, but they decay all the same
                parameter.grad = torch.zeros_like(parameter)

    def seen(self, index: int) -> tuple[Tensor, Tensor]:
        del index
        return self.fused.losses, self.fused.logits

    def slice(self, name: str, tensor: Tensor, index: int) -> Tensor:
        del name, index
        return tensor


class Stacked:
    """Networks of one shape and one task, as one program on any device."""

    def __init__(self, jobs: Sequence[Job], weights: Sequence[dict[str, Tensor]], device: str) -> None:
        first = jobs[0]
        self.parameters = {
            name: torch.stack([each[name] for each in weights]).to(device).requires_grad_() for name in weights[0]
        }
        labels = first.labels().to(device)
        train = torch.stack([job.train() for job in jobs]).to(device)
        rates = torch.tensor([job.architecture.rate for job in jobs], dtype=torch.float32, device=device)
        kind, half = first.architecture.kind, first.recipe.half

        def loss(parameters: dict[str, Tensor], mask: Tensor, rate: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            tables = transformer.tables(parameters, rate) if kind == "transformer" else linear.tables(kind, parameters)
            logits = plain_logits(tables, half=half)
            losses = negative_log_likelihood(logits, labels)
            return (losses * mask).sum() / mask.sum(), (losses, logits)

        self._step = torch.func.vmap(torch.func.grad(loss, has_aux=True))
        self._fixed = (train, rates)
        self._losses = self._logits = torch.empty(0)

    def run(self) -> None:
        gradients, (self._losses, self._logits) = self._step(
            {name: tensor.detach() for name, tensor in self.parameters.items()}, *self._fixed
        )
        for name, parameter in self.parameters.items():
            parameter.grad = gradients[name].contiguous()  # fused AdamW reads gradients in the order of the weights

    def seen(self, index: int) -> tuple[Tensor, Tensor]:
        return self._losses[index].cpu(), self._logits[index].cpu()

    def slice(self, name: str, tensor: Tensor, index: int) -> Tensor:
        del name
        return tensor[index]
