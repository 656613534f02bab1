"""One training run, fully specified: what to learn, with what, and how.

Rules:
- The recipe's defaults are the paper's: AdamW at 1e-3 with weight decay 2, betas (0.9, 0.98), ten steps of warm-up
  (the first has rate zero), full batch, 20,000 steps, 80 % of the pairs. The linear models were trained with betas
  (0.9, 0.999) and no warm-up.
- A seed draws the split and the weights; the same job gives the same network to the last bit on the same machine.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from adhere.core.errors import UserError
from adhere.modular.network import Architecture
from adhere.modular.task import Task

STEPS = 20_000


@dataclass(frozen=True)
class Recipe:
    """How to train. `half`: large products in bfloat16. `until_stable`: stop when the metrics have settled.

    Raises:
        UserError: a value that cannot be trained with.
    """

    seed: int = 0
    share: float = 0.8
    steps: int = STEPS
    learning_rate: float = 1e-3
    weight_decay: float = 2.0
    half: bool = False
    until_stable: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UserError(f"a training needs at least one step, not {self.steps}")
        if not 0 < self.share < 1:
            raise UserError(f"the training share must lie strictly between 0 and 1, not {self.share:g}")
        if not self.learning_rate > 0 or not self.weight_decay >= 0:
            raise UserError("the learning rate must be positive and the weight decay not negative")


@dataclass(frozen=True)
class Job:
    """A training run."""

    task: Task = field(default_factory=Task)
    architecture: Architecture = field(default_factory=Architecture)
    recipe: Recipe = field(default_factory=Recipe)

    @property
    def name(self) -> str:
        """A relative path that tells jobs of one grid apart."""
        model = self.architecture
        kind = f"alpha-{model.rate:.3f}" if model.kind == "transformer" else f"linear-{model.kind}"
        return f"{self.task.name}/{kind}/share-{self.recipe.share:.2f}/seed-{self.recipe.seed}"

    @property
    def betas(self) -> tuple[float, float]:
        return (0.9, 0.98) if self.architecture.kind == "transformer" else (0.9, 0.999)

    def rate_at(self, step: int) -> float:
        """The learning rate of step `step`, counted from 0."""
        warm = min(step / 10, 1.0) if self.architecture.kind == "transformer" else 1.0
        return self.recipe.learning_rate * warm

    def labels(self) -> Tensor:
        return torch.from_numpy(self.task.labels())

    def train(self) -> Tensor:
        """Which pairs are trained on, boolean, shape (n^2,)."""
        return torch.from_numpy(self.task.split(self.recipe.share, self.recipe.seed))

    def weights(self) -> dict[str, Tensor]:
        """The weights that training starts from."""
        return self.architecture.init(self.recipe.seed)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of(cls, record: dict[str, Any]) -> Job:
        """From `record`'s JSON.

        Raises:
            UserError: it is not a job's record.
        """
        try:
            return cls(Task(**record["task"]), Architecture(**record["architecture"]), Recipe(**record["recipe"]))
        except (KeyError, TypeError) as error:
            raise UserError(f"not the record of a training run ({error})") from error
