"""The course of a training: losses and accuracies every few steps, the metrics now and then, and when it settled.

Rules:
- `Record` is taken before the step it names: step 0 is the untrained network.
- *Settled*: over the last `SPAN` steps every measurement has 100 % on the held-out pairs, and gradient symmetricity,
  distance irrelevance and circularity have each moved by less than `MOVES`. Accuracy settles long before the metrics
  do, and the metrics go on drifting slowly for as long as weights decay; this says when they stopped moving fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

EVERY = 10
"""Steps between records of loss and accuracy."""

MEASURE_EVERY = 200
"""Steps between measurements of the metrics."""

SPAN = 1000
MOVES = 0.03


@dataclass(frozen=True)
class Record:
    """What a network was at a step; metrics are None where they were not taken or are not defined."""

    step: int
    train_loss: float
    held_out_loss: float
    train_accuracy: float
    held_out_accuracy: float
    measured: bool = False
    gradient_symmetricity: float | None = None
    distance_irrelevance: float | None = None
    circularity: float | None = None
    clock: float | None = None
    """FVE of the Clock on the strongest circle; `pizza` likewise."""
    pizza: float | None = None
    verdict: str = ""


@dataclass(frozen=True)
class History:
    """The records of one training."""

    records: tuple[Record, ...]

    @property
    def measured(self) -> tuple[Record, ...]:
        return tuple(record for record in self.records if record.measured)

    @property
    def perfect_at(self) -> int | None:
        """The first recorded step with every held-out pair right."""
        return next((record.step for record in self.records if record.held_out_accuracy == 1.0), None)

    @property
    def settled_at(self) -> int | None:
        """The first measured step by which the network had settled."""
        taken = self.measured
        return next((taken[k].step for k in range(len(taken)) if settled(taken[: k + 1])), None)

    def json(self) -> list[dict[str, Any]]:
        return [asdict(record) for record in self.records]

    @classmethod
    def of(cls, records: Sequence[dict[str, Any]]) -> History:
        return cls(tuple(Record(**record) for record in records))


def settled(measured: Sequence[Record]) -> bool:
    """Whether the last measurements, `SPAN` steps of them, hardly differ."""
    if not measured:
        return False
    last = [record for record in measured if record.step >= measured[-1].step - SPAN]
    if measured[-1].step - measured[0].step < SPAN or measured[0].step > last[0].step or len(last) < 3:
        return False
    if any(record.held_out_accuracy < 1.0 for record in last):
        return False
    for name in ("gradient_symmetricity", "distance_irrelevance", "circularity"):
        values = [value for record in last if (value := getattr(record, name)) is not None]
        if values and max(values) - min(values) >= MOVES:
            return False
    return True
