"""The plan of a run, and what each of its stages is given.

Two parts of a run are handed in from outside, as protocols: where prompts come from (`PromptSource`), and the engine
that answers them (`Answering`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from adhere.constraints.skills import SKILLS
from adhere.core.errors import UserError
from adhere.explain.cases.labels import Prompt, Response
from adhere.explain.probing.probes import Kind
from adhere.explain.workers import Workers
from adhere.models.forward.blocks import blocks
from adhere.models.forward.capture import POSITIONS
from adhere.models.load import OpenModel

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how much of it was done since the last call, and how much there is in all, if
known."""

MOST_LAYERS = 12
"""Layers read of a deep model, spread evenly: states of all layers of a large model would fill the disk."""

Arm = tuple[str, ...]
"""A kind of prompt. Within one, prompts differ in content alone."""


class PromptSource(Protocol):
    """Where prompts come from.

    Attributes:
        name: of the source; part of the plan.
        description: of the prompts, for the report.
    """

    name: str
    description: str

    def streams(self, skills: Sequence[str], seed: int) -> Mapping[Arm, Iterator[Prompt]]:
        """For each arm that asks for one of `skills` an endless stream of prompts, which depends on the seed alone."""

    def unseen(self, skill: str, seed: int) -> Iterator[Prompt]:
        """Prompts that ask for `skill` and that `streams` seldom or never gives."""

    def without(self, prompt: Prompt, skill: str) -> Prompt | None:
        """The prompt with the instructions of `skill` taken out and its constraints left, or None where that cannot be
        done."""


class Answering(Protocol):
    """An engine that answers prompts."""

    def __call__(
        self, prompts: Sequence[Prompt], seeds: Sequence[int], *, progress: Callable[[int], None] | None = None
    ) -> list[Response]:
        """Answers in the order of the prompts, each drawn with its own seed; `progress` is called with the number of
        answers that have ended since the last call."""


@dataclass(frozen=True)
class ExplainPlan:
    """The plan of a run.

    Attributes:
        skills: to be explained.
        positions: where states are read.
        prompts: name of the `PromptSource`.
        samples: cases of each skill, half of them met.
        budget: answers sampled at most, for each case wanted of a skill.
        max_tokens: of an answer.
        layers: to be read; spread over the model if None.
        most_layers: how many they are spread over.
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
    prompts: str = "pocket"
    samples: int = 500
    budget: int = 18
    max_tokens: int = 256
    layers: tuple[int, ...] | None = None
    most_layers: int = MOST_LAYERS
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

    def counts(self, response: Response) -> bool:
        """Whether states of `response` can be read at all positions: the end is there only if it ended by itself."""
        return response.ended or "eos" not in self.positions

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
        if count <= self.most_layers + 1:
            return replace(self, layers=tuple(range(count)))
        spread = {round(k * (count - 1) / self.most_layers) for k in range(self.most_layers + 1)}
        return replace(self, layers=tuple(sorted(spread)))


@dataclass(frozen=True)
class Run:
    """A run under way.

    Attributes:
        workers: the model, in as many processes as are worth it.
        name: of the model, as Inspect calls it.
        folder: where everything is kept.
        plan: of the run, its layers named.
        tell: called with what is being done.
        source: of prompts.
        answering: the engine that answers them.
    """

    workers: Workers
    name: str
    folder: Path
    plan: ExplainPlan
    tell: Progress
    source: PromptSource
    answering: Answering
