"""What a run is asked for, and what each of its stages is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from adhere.constraints.skills import SKILLS
from adhere.core.errors import UserError
from adhere.explain.probing.probes import Kind
from adhere.explain.workers import Workers
from adhere.models.forward.blocks import blocks
from adhere.models.forward.capture import POSITIONS
from adhere.models.load import OpenModel

Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it was done since the last call, and how much there is in all, if known."""

MOST_LAYERS = 12
"""Layers read of a deep model, spread evenly: states of all layers of a large model would fill the disk."""


@dataclass(frozen=True)
class ExplainPlan:
    """What is asked for.

    Attributes:
        skills: to be explained.
        positions: where states are read.
        samples: cases of each skill, half of them met.
        layers: to be read; spread over the model if None.
        kind: of the probes.
        seed: of everything random.
        logs: a log or a folder of logs; the model is sampled if None.
        other_model: take logs of other weights too.
        limit: most logged responses.
        free: cases of each skill without its instruction.
        again: prompts of each skill that are answered again with its direction erased; 0 leaves that out.
        fluency: free answers on which the loss is measured.
        watched: responses of each skill a monitor is fitted on; 0 leaves monitors out.
        untrained: whether an untrained model of the same shape is read too.
        false_alarms: share of good responses that a monitor may stop.
    """

    skills: tuple[str, ...] = SKILLS
    positions: tuple[str, ...] = POSITIONS
    samples: int = 500
    layers: tuple[int, ...] | None = None
    kind: Kind = "logistic"
    seed: int = 0
    logs: str | None = None
    other_model: bool = False
    limit: int | None = None
    free: int = 160
    again: int = 48
    fluency: int = 40
    watched: int = 400
    untrained: bool = True
    false_alarms: float = 0.05

    def on(self, opened: OpenModel) -> ExplainPlan:
        """The same plan with the layers of this model named.

        Raises:
            UserError: a layer that it does not have.
        """
        count = blocks(opened.model).layers
        if self.layers is not None:
            for layer in self.layers:
                if not 0 <= layer < count:
                    raise UserError(f"there is no layer {layer}: {opened.name} has layers 0 to {count - 1}")
            return replace(self, layers=tuple(sorted(set(self.layers))))
        if count <= MOST_LAYERS + 1:
            return replace(self, layers=tuple(range(count)))
        spread = {round(k * (count - 1) / MOST_LAYERS) for k in range(MOST_LAYERS + 1)}
        return replace(self, layers=tuple(sorted(spread)))


@dataclass(frozen=True)
class Run:
    """A run under way.

    Attributes:
        workers: the model, in as many processes as are worth it.
        name: of the model, as Inspect calls it.
        folder: where everything is kept.
        plan: what is asked for, its layers named.
        tell: told what is being done.
    """

    workers: Workers
    name: str
    folder: Path
    plan: ExplainPlan
    tell: Progress
