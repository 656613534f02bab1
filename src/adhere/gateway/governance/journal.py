"""The gateway's writer to the ledger: many answers in one transaction, each on the disk before it is delivered.

Rules
- `add` returns when the entry is committed and synced (`ledger`: full sync). What waits while a transaction is being
  written goes into the next one together, so under load one sync serves many.
- The state is looked at under the lock of that very transaction: an answer whose entry meets a stop is written down as
  stopped, and `add` raises, so that its end is not delivered.
- Acts that the answer's delivery hands over are finished in the same transaction.
- One thread writes. When it dies every waiting and later `add` raises: nothing is delivered without its entry.
"""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adhere.warden.canonical import Refused
from adhere.warden.engine.warden import Warden
from adhere.warden.ledger.ledger import Transaction
from adhere.warden.orders import orders
from adhere.warden.orders.orders import Mode, State

BATCH = 256
"""Entries in one transaction at the most."""
BUSY, GATHER = 8, 0.005
"""After so many entries at once the writer waits so many seconds for more: a transaction costs the same for all of
them, and the loop, which needs the interpreter too, is disturbed less often."""
HALTED = (Mode.STOPPING, Mode.STOPPED)


@dataclass(frozen=True, slots=True)
class Line:
    """What is to be written. `finish`: acts that are done with it. `delivers`: whether an answer's end waits for it."""

    kind: str
    body: dict[str, Any]
    finish: tuple[str, ...] = ()
    delivers: bool = False


@dataclass(frozen=True, slots=True)
class _Waiting:
    line: Line
    future: asyncio.Future[int]
    loop: asyncio.AbstractEventLoop


Answer = int | Exception
"""The place of a line in the ledger, or why it has none."""


class Journal:
    """Writes for one warden. `written` is told of every line, in the loop that waited for it. Close it: what waits is
    written first."""

    def __init__(self, warden: Warden, written: Callable[[int, Line], None] = lambda _seq, _line: None) -> None:
        self._warden, self._written = warden, written
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True, name="adhere journal")
        self._fault: BaseException | None = None
        self._thread.start()

    async def add(self, line: Line) -> int:
        """Write `line`; its place in the ledger, when it is on the disk.

        Raises:
            Refused: the ledger cannot be written, or a stop is in force and the line was to deliver something.
        """
        if self._fault is not None or not self._thread.is_alive():
            raise Refused("ledger-closed", f"the ledger's writer is gone ({self._fault})")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self._queue.put(_Waiting(line, future, loop))
        return await future

    def close(self) -> None:
        """Write what waits, and end."""
        self._queue.put(None)
        self._thread.join(30.0)

    def _run(self) -> None:
        ended, batch = False, list[_Waiting]()
        while not ended:
            busy = len(batch) >= BUSY
            batch = []
            word = self._queue.get()
            if busy:
                time.sleep(GATHER)
            while True:
                if word is None:
                    ended = True
                    break
                batch.append(word)
                if len(batch) >= BATCH:
                    break
                try:
                    word = self._queue.get_nowait()
                except queue.Empty:
                    break
            if batch:
                self._write(batch)

    def _write(self, batch: Sequence[_Waiting]) -> None:
        answers: list[Answer] = []
        try:
            with self._warden.ledger.transaction(self._warden.clock()) as transaction:
                state = self._warden.current(transaction)
                answers = [self._one(transaction, state, each.line) for each in batch]
                finished = [name for each in batch for name in each.line.finish]
                self._finish(transaction, state, finished)
        except Exception as error:  # a full disk, a charter exchanged under us: no answer is on the record
            fault = (
                error if isinstance(error, Refused) else Refused("ledger-closed", f"{type(error).__name__}: {error}")
            )
            answers = [fault] * len(batch)
        settled = list(zip(batch, answers, strict=True))
        for loop in {each.loop for each in batch}:
            of_loop = [(each, answer) for each, answer in settled if each.loop is loop]
            loop.call_soon_threadsafe(self._settle, of_loop)

    def _settle(self, settled: Sequence[tuple[_Waiting, Answer]]) -> None:
        for each, answer in settled:
            if isinstance(answer, int):
                self._written(answer, each.line)
            if each.future.done():
                continue
            if isinstance(answer, int):
                each.future.set_result(answer)
            else:
                each.future.set_exception(answer)

    def _one(self, transaction: Transaction, state: State, line: Line) -> Answer:
        if line.delivers and state.mode in HALTED:
            transaction.append(line.kind, {**line.body, "ending": "stopped", "epoch": state.epoch})
            return Refused("stopped", "a stop came before the answer's end: it is not delivered")
        return transaction.append(line.kind, {**line.body, "epoch": state.epoch})

    def _finish(self, transaction: Transaction, state: State, names: Sequence[str]) -> None:
        after = state
        for name in names:
            step = orders.step(after, orders.Finish(name))
            if not step.accepted:
                continue
            after = step.state
            transaction.db.execute("UPDATE act SET status = 'done' WHERE id = ?", (name,))
            transaction.append("outcome", {"act": name, "outcome": "done", "evidence": {"handed over": True}})
        if after is not state:
            transaction.put("state", json.dumps(orders.to_dict(after)))
