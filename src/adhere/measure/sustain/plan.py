"""What a sustain run asks: the arguments of the task and of the command, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from adhere.measure.sustain.arms import LADDER


@dataclass(frozen=True)
class SustainPlan:
    """What to ask.

    Attributes:
        domain: math, multihop, code, several with commas; None for all of the pocket world's, or that of the data.
        data: a path or a Hub name; None for the pocket world.
        arms: names out of `arms.NAMES` with commas, or all.
        constraints: how many, rising.
        problems: how many of each domain at the most.
        seed: which problems, which constraints, what is sampled.
        temperature, max_tokens: of the answers; None for the provider's own.
        extractor, rewriter: Inspect models that propose constraints and write longer wordings; None for rules alone.
        kinds: in place of the arms, one constraint of each of these kinds; `practice` for those of the pocket study.
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
    enforce: bool = False
