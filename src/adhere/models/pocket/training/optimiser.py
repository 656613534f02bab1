"""Muon, the optimiser of the pocket model's matrices.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) takes the momentum of a weight matrix and
replaces it by the nearest (semi-)orthogonal matrix, found by a quintic Newton-Schulz iteration. The step is scaled by
sqrt(max(1, rows / columns)), as in the author's code. torch.optim.Muon iterates in bfloat16, which many CPUs only
emulate; here the iteration runs in the parameters' own precision, and matrices of one shape go through it together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration X <- aX + b(XX')X + c(XX')^2 X; from the author's post."""
ITERATIONS = 5


def orthogonalise(matrices: Tensor) -> Tensor:
    """Each of `matrices` (n, rows, columns) with its singular values brought near 1."""
    a, b, c = QUINTIC
    tall = matrices.size(-2) > matrices.size(-1)
    x: Tensor = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised, for two-dimensional parameters inside the layers."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step from the gradients."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape].append(parameter)
            for shape, parameters in alike.items():
                self._together(group, shape, parameters)

    def _together(self, group: dict[str, Any], shape: torch.Size, parameters: list[Tensor]) -> None:
        directions = []
        for parameter in parameters:
            assert parameter.grad is not None
            state = self.state[parameter]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(parameter)
            momentum = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
            directions.append(parameter.grad.lerp(momentum, group["momentum"]))  # Nesterov
        steps = orthogonalise(torch.stack(directions))
        size = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
        for parameter, step in zip(parameters, steps, strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(step, alpha=-size)
