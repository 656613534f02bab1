"""The plan of a sustain run: the arguments that the task and the command share."""

from __future__ import annotations

from dataclasses import dataclass

from adhere.measure.sustain.arms import LADDER

EASY_SAMPLES = 3
"""Samples of each easy problem: a small model solves one by luck as often as not, so one sample selects luck."""


@dataclass(frozen=True)
class SustainPlan:
    """What to ask.

    Attributes:
        domain: math, multihop, code, several with commas; None for all of the pocket world's, or that of the data.
        data: a path, a Hub name, `easy` or `pocket`; None for that of the two which fits the model.
        arms: names out of `arms.NAMES` with commas, or all.
        constraints: how many, rising.
        problems: how many of each domain at the most.
        seed: which problems, which constraints, what is sampled.
        temperature, max_tokens: of the answers; None for the provider's own.
        extractor, rewriter: Inspect models that propose constraints and write longer wordings; None for rules alone.
        kinds: in place of the arms, one constraint of each of these kinds; `practice` for those of the pocket study.
        samples: how often each problem is asked; None for once, and `EASY_SAMPLES` times of easy problems.
        enforce: whether the constraints are sent beside the prompt, for a gateway to make them hold.
    """

    domain: str | None = None
    data: str | None = None
    arms: str = "all"
    constraints: tuple[int, ...] = LADDER
    problems: int | None = None
    seed: int = 0
    temperature: float | None = None
    max_tokens: int | None = None
    extractor: str | None = None
    rewriter: str | None = None
    kinds: str | None = None
    samples: int | None = None
    enforce: bool = False
