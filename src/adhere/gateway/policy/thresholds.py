"""What a traffic monitor's reading leads to: nothing, `ask`, `deny` or `stop`.

Rules
- There is no effect "allow": a monitor can only make a request stricter.
- A reading that did not parse counts as the gravest effect below `stop` that the thresholds know; without one it asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator


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
