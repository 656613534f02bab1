"""What happens right now, for the console: the last events, and everybody who wants the next ones.

Rules
- Events are told from the event loop only, and are small: they say that something happened and what to look at.
- A listener that does not keep up loses events, never holds anybody up. The ledger has them all.
- The first event of a listener is `listening`: what happened before is not sent, so the listener looks once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

KEPT = 200
BEHIND = 100
LISTENERS = 64


@dataclass(frozen=True, slots=True)
class Event:
    """`at` is seconds since 1970."""

    kind: str
    body: dict[str, Any]
    at: float = field(default_factory=time.time)


class EventFeed:
    """The last `KEPT` events, and the listeners."""

    def __init__(self) -> None:
        self.last: deque[Event] = deque(maxlen=KEPT)
        self._listeners: set[asyncio.Queue[Event]] = set()

    def tell(self, kind: str, body: dict[str, Any]) -> None:
        """Something happened."""
        event = Event(kind, body)
        self.last.appendleft(event)
        for listener in self._listeners:
            if listener.qsize() < BEHIND:
                listener.put_nowait(event)

    @property
    def full(self) -> bool:
        """Whether there is room for no further listener."""
        return len(self._listeners) >= LISTENERS

    async def listen(self, beat: float = 15.0) -> AsyncIterator[Event | None]:
        """Every event from now on, beginning with one that says so; None after `beat` seconds without one."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        queue.put_nowait(Event("listening", {}))
        self._listeners.add(queue)
        try:
            while True:
                try:
                    async with asyncio.timeout(beat):
                        event: Event | None = await queue.get()
                except TimeoutError:
                    event = None
                yield event
        finally:
            self._listeners.discard(queue)
