"""The stop as every chunk of every stream asks about it: an attribute, kept true by a thread that looks at the disk.

Rules
- The thread looks every `LOOK` seconds at the latch and at the ledger's state through a connection of its own, so that
  neither a writer that holds the lock nor a full disk keeps a stop from being seen. Whoever stops (this console,
  another process, the command line) is seen within that time.
- A look that fails counts as a stop until one succeeds. When the thread is gone, so is the permission to go on.
- Lease and scope timers are looked at every second; they stop through the ledger as everything else does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from adhere.warden.canonical import Refused
from adhere.warden.engine.core import read_state
from adhere.warden.engine.warden import Warden
from adhere.warden.ledger.latch import Latch
from adhere.warden.ledger.ledger import Ledger
from adhere.warden.orders.orders import Mode, State

LOOK = 0.02
TICK = 1.0
STALE = 5.0
"""Seconds without a look after which the switch counts as thrown: a look takes a millisecond."""


class StopSignal:
    """Looks at one warden's charter until it is closed. `changed` is called (in the thread) when the state changes."""

    def __init__(self, warden: Warden, changed: Callable[[State], None] = lambda _: None) -> None:
        self._warden, self._changed = warden, changed
        self._ledger = Ledger(warden.ledger.path)
        self._latch = Latch(warden.folder)
        self._end = threading.Event()
        self._looked = 0.0
        self._why: str | None = "the stop switch was not looked at yet"
        self._text: str | None = None
        self.state: State | None = None
        self.look()
        self._thread = threading.Thread(target=self._run, daemon=True, name="adhere stop switch")
        self._thread.start()

    def stopped(self) -> str | None:
        """Why everything is to stop; None while it may go on."""
        if self._why is None and time.monotonic() - self._looked > STALE:
            return "the stop switch is not being looked at"
        return self._why

    def close(self) -> None:
        """Look no more: from now on it is thrown."""
        self._end.set()
        self._thread.join(5.0)
        self._why = "the gateway is closing"
        self._ledger.close()

    def _run(self) -> None:
        ticked = 0.0
        while not self._end.wait(LOOK):
            self.look()
            if time.monotonic() - ticked > TICK:
                ticked = time.monotonic()
                try:
                    self._warden.tick()
                except Refused as error:
                    self._why = f"the clock cannot be looked at: {error}"

    def look(self) -> None:
        """Look now."""
        try:
            text = self._ledger.get("state")
            state = self.state if text == self._text and self.state is not None else read_state(text)
            self._text = text
            if state.mode in (Mode.STOPPING, Mode.STOPPED):
                why: str | None = f"a stop is in force ({state.cause or 'by a principal'}, epoch {state.epoch})"
            elif self._latch.read() > state.epoch:
                why = "a stop is latched"
            else:
                why = None
        except Refused as error:
            self._why = f"the ledger cannot be read: {error}"
            return
        before, self.state = self.state, state
        self._why, self._looked = why, time.monotonic()
        if before != state:
            self._changed(state)
