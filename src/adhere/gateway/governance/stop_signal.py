"""The stop as every chunk of every stream reads it: an attribute that a thread keeps true.

Rules
- The thread reads the latch and the ledger's state through a connection of its own, at least every `LOOK` seconds and
  at once when a database announces a change. So neither a writer that holds the lock nor a full disk keeps a stop from
  being seen, and one that is given elsewhere (another process or machine, the command line) is seen within that time.
- A look that fails counts as a stop until one succeeds: a gateway that lost its database stops. When the thread is
  gone, or hangs for `STALE` seconds, so is the permission to go on.
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
from adhere.warden.orders.orders import Mode, State

LOOK = 0.02
LOOK_SHARED = 0.05
"""Seconds between two looks at a database that others share."""
TICK = 1.0
STALE = 2.0
"""Seconds without a look after which everything stops: a look takes a millisecond."""


class StopSignal:
    """Looks at one warden's charter until it is closed. `changed` is called (in the thread) when the state changes."""

    def __init__(self, warden: Warden, changed: Callable[[State], None] = lambda _: None) -> None:
        self._warden, self._changed = warden, changed
        self._ledger = warden.ledger.again()
        self._latch = Latch(warden.folder)
        self._pause = LOOK if warden.ledger.path is not None else LOOK_SHARED
        self._end = threading.Event()
        self._ticking: threading.Thread | None = None
        self._clock_fault: str | None = None
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
        while not self._end.is_set():
            self._ledger.store.wait(self._pause)
            self.look()
            if time.monotonic() - ticked > TICK and self._ticking is None:
                ticked = time.monotonic()
                self._ticking = threading.Thread(target=self._tick, daemon=True, name="adhere lease")
                self._ticking.start()

    def _tick(self) -> None:
        """In a thread of its own: it may have to wait for a writer, and a stop is seen meanwhile."""
        try:
            self._warden.tick()
            self._clock_fault = None
        except Refused as error:
            self._clock_fault = f"the clock cannot be looked at: {error}"
        finally:
            self._ticking = None

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
                why = self._clock_fault
        except Refused as error:
            self._why = f"the ledger cannot be read: {error}"
            return
        before, self.state = self.state, state
        self._why, self._looked = why, time.monotonic()
        if before != state:
            self._changed(state)
