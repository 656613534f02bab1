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
from typing import Protocol

from adhere.gateway.policy.thresholds import Effect, Reading, Thresholds
from adhere.warden.acts.acts import Decision, Verdict, broke
from adhere.warden.acts.sources import Source


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that is judged, and whose it is."""

    text: str
    source: Source
    where: str
    """For people and the ledger: "message 3 (tool result)"."""


class Monitor(Protocol):
    """An eye on texts. `name` stands in every reading."""

    @property
    def name(self) -> str: ...

    async def read(self, passages: Sequence[Passage]) -> Reading:
        """The worst of `passages`. May raise: that is a reading which did not parse."""
        ...


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
