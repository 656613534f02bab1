"""What a measurement will take, said before it begins: a few tokens are written to see how fast the model is now.

The estimate is `prompts x TOKENS / speed`. How long answers get is not known before; `TOKENS` is stated with the
estimate.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from adhere.models.engines.sources import POCKET
from adhere.models.serving.inspect_provider import is_ours

if TYPE_CHECKING:
    from inspect_ai.model import Model

TOKENS = 200
"""Tokens of an answer, for the estimate."""
PILOT = 24
"""Tokens that each answer of the trial may have."""
LONG = 120.0
"""Seconds from which a user is told."""
FEWER = 60
"""Prompts of the smaller sample that is offered."""


def estimate(model: Model, prompts: int, *, smaller: str | None = None) -> str | None:
    """A line that says how long `prompts` answers will take; None where that is not long, or the model does not run
    here. It ends with `smaller`, or with what a smaller sample would give if that is None."""
    if not is_ours(model) or model.api.model_name in POCKET:
        return None
    return line(prompts, speed(model), smaller)


def speed(model: Model) -> float:
    """Tokens a second that the model writes with all its places taken, prompts included."""
    from inspect_ai.model import GenerateConfig

    from adhere.models.serving.provider import AdhereAPI  # torch: only for a model on this machine

    assert isinstance(model.api, AdhereAPI)
    places = min(model.api.places, 16)
    config = GenerateConfig(max_tokens=PILOT, temperature=1.0)

    async def write(number: int) -> int:
        output = await model.generate(f"Write a story about the number {number}.", config=config)
        return output.usage.output_tokens if output.usage else 0

    async def all_of_them() -> int:
        return sum(await asyncio.gather(*(write(number) for number in range(places))))

    start = time.monotonic()
    tokens = asyncio.run(all_of_them())
    return max(1, tokens) / (time.monotonic() - start)


def line(prompts: int, speed: float, smaller: str | None = None) -> str | None:
    """The estimate in words; None where it is short."""
    seconds = prompts * TOKENS / speed
    if seconds < LONG:
        return None
    text = f"about {_minutes(seconds)} for {prompts} answers: {speed:.0f} tokens a second, if an answer has {TOKENS}"
    if smaller is not None:
        text += f"; {smaller}"
    elif prompts > 2 * FEWER:
        width = 100 * 1.96 * math.sqrt(0.25 / FEWER)
        text += f"; --limit {FEWER} gives the whole within {width:.0f} points in {_minutes(FEWER * TOKENS / speed)}"
    return text


def _minutes(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 5_400 else f"{max(1, round(seconds / 60))} min"
