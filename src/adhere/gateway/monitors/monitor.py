"""What a monitor is: an opinion with a price, about one text, that can ask or stop and never grant.

Rules
- A reading has a score from 0 (harmless) to 1, a reason, what it cost, and `parsed`: whether there is a score at all. A
  monitor that raised, came too late or answered unreadably has `parsed` false.
- `Thresholds` turn a reading into an effect: nothing, `ask`, `deny` or `stop`. There is no effect "allow".
- A reading that did not parse counts as the gravest effect below `stop` that the thresholds know; with none it asks.
  So an error, a time-out and an unparsable judge are never an allow, and none of them stops the house.
- Of several readings the gravest effect holds.
- Judged are all texts of a request below the operator's, every turn, tool arguments and tool results too; not only the
  last message.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from adhere.warden.acts import Decision, Verdict, broke
from adhere.warden.sources import Source


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that is judged, and whose it is."""

    text: str
    source: Source
    where: str
    """For people and the ledger: "message 3 (tool result)"."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one monitor made of what it was shown."""

    monitor: str
    score: float
    reason: str
    parsed: bool = True
    seconds: float = 0.0
    tokens: int = 0

    def to_dict(self) -> dict[str, object]:
        """As JSON values, for the ledger."""
        return {
            "monitor": self.monitor,
            "score": round(self.score, 6) if self.parsed else None,
            "reason": self.reason[:300],
            "parsed": self.parsed,
            "seconds": round(self.seconds, 4),
            "tokens": self.tokens,
        }


class Monitor(Protocol):
    """An eye on texts. `name` stands in every reading."""

    @property
    def name(self) -> str: ...

    async def read(self, passages: Sequence[Passage]) -> Reading:
        """The worst of `passages`. May raise: that is a reading which did not parse."""
        ...


class Effect(IntEnum):
    """What a reading leads to; the larger, the safer."""

    NOTHING = 0
    ASK = 1
    DENY = 2
    STOP = 3


class Thresholds(BaseModel):
    """Scores from which a monitor asks, denies or stops; None: never. Scores lie between 0 and 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ask: float | None = Field(default=None, gt=0, le=1)
    deny: float | None = Field(default=None, gt=0, le=1)
    stop: float | None = Field(default=None, gt=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> Thresholds:
        set_ = [value for value in (self.ask, self.deny, self.stop) if value is not None]
        if set_ != sorted(set_):
            raise ValueError("the thresholds rise from ask over deny to stop")
        if not set_:
            raise ValueError("a monitor without a threshold watches nothing: set ask, deny or stop")
        return self

    def effect(self, reading: Reading) -> Effect:
        """What `reading` leads to."""
        if not reading.parsed or reading.score != reading.score:
            return Effect.DENY if self.deny is not None else Effect.ASK
        for effect, threshold in ((Effect.STOP, self.stop), (Effect.DENY, self.deny), (Effect.ASK, self.ask)):
            if threshold is not None and reading.score >= threshold:
                return effect
        return Effect.NOTHING


async def watched(monitor: Monitor, passages: Sequence[Passage], seconds: float) -> Reading:
    """The reading of `monitor` within `seconds`, whatever it does."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            reading = await monitor.read(passages)
    except TimeoutError:
        reading = Reading(monitor.name, 1.0, f"no answer within {seconds:g} s", parsed=False)
    except Exception as error:  # a stranger's code: whatever it raises is a failed reading
        reading = Reading(monitor.name, 1.0, f"{type(error).__name__}: {error}"[:300], parsed=False)
    if not 0.0 <= reading.score <= 1.0:
        reading = replace(reading, score=1.0, parsed=False, reason=f"no score between 0 and 1 ({reading.score})")
    return replace(reading, seconds=time.monotonic() - began)


def decision(readings: Iterable[tuple[Reading, Thresholds]]) -> Decision | None:
    """The decision that the gravest reading leads to; None where none leads to any."""
    worst: tuple[Effect, Reading] | None = None
    for reading, thresholds in readings:
        effect = thresholds.effect(reading)
        if effect and (worst is None or effect > worst[0]):
            worst = effect, reading
    if worst is None:
        return None
    effect, reading = worst
    if not reading.parsed and effect is Effect.DENY:
        return broke("monitor", f"the monitor {reading.monitor} failed: {reading.reason}", reading=reading.to_dict())
    verdict = {Effect.ASK: Verdict.ASK, Effect.DENY: Verdict.DENY, Effect.STOP: Verdict.STOP}[effect]
    line = f"{reading.monitor}: {reading.reason}"
    return Decision(verdict, "monitor", line, failed=not reading.parsed, evidence={"reading": reading.to_dict()})
