"""Many callers, one model: requests that wait together are answered together.

A thread owns the model. It sleeps until a request comes, lets those that come with it gather for a moment (`GATHER`),
takes the one that has waited longest and those nearest to it in length, and answers them as one batch. Callers await
futures: nothing polls.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adhere.models.generation.generate import Generation, Request, generate

if TYPE_CHECKING:
    from adhere.models.load import OpenModel

GATHER = 0.004
"""Seconds without a new request after which a batch goes. Tasks of one event loop submit within microseconds of each
other, so this is long enough to fill a batch and short enough not to be felt."""


@dataclass
class _Waiting:
    request: Request
    answer: Future[Generation] = field(default_factory=Future)


class Batcher:
    """Answers requests of any number of threads and event loops with one model.

    Args:
        opened: the model; nobody else may run it meanwhile.
        batch: rows answered at once, at the most.
    """

    def __init__(self, opened: OpenModel, batch: int = 64) -> None:
        self.opened = opened
        self.batch = batch
        self._waiting: list[_Waiting] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"adhere-{opened.name}", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> Future[Generation]:
        """Queue `request`; the future holds its answer, or the error that answering raised."""
        entry = _Waiting(request)
        with self._changed:
            if self._closed:
                raise RuntimeError("the model was closed")
            self._waiting.append(entry)
            self._changed.notify()
        return entry.answer

    async def answer(self, request: Request) -> Generation:
        """Await the answer to `request`. A caller that is cancelled while waiting costs the model nothing."""
        return await asyncio.wrap_future(self.submit(request))

    def close(self) -> None:
        """Answer no more: what waits is cancelled, the thread ends after the batch at work."""
        with self._changed:
            self._closed = True
            for entry in self._waiting:
                entry.answer.cancel()
            self._waiting.clear()
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            group = self._next()
            if group is None:
                return
            try:
                answers = self._generate([entry.request for entry in group])
            except Exception as error:
                if len(group) == 1:
                    group[0].answer.set_exception(error)
                else:  # one bad request must not take its neighbours down
                    for entry in group:
                        self._alone(entry)
                continue
            for entry, answer in zip(group, answers, strict=True):
                entry.answer.set_result(answer)

    def _generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Answer `requests` as one batch."""
        return generate(self.opened, requests, batch=self.batch)

    def _alone(self, entry: _Waiting) -> None:
        try:
            entry.answer.set_result(self._generate([entry.request])[0])
        except Exception as error:
            entry.answer.set_exception(error)

    def _next(self) -> list[_Waiting] | None:
        """The next batch, or None when closed. Every entry given is running: it can no longer be cancelled."""
        with self._changed:
            while True:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return None
                self._gather()
                oldest = self._waiting[0]
                length = len(oldest.request.tokens)
                nearest = sorted(self._waiting, key=lambda entry: abs(len(entry.request.tokens) - length))
                taken = {id(entry) for entry in (oldest, *nearest[: self.batch])}
                group = [entry for entry in self._waiting if id(entry) in taken][: self.batch]
                chosen = {id(entry) for entry in group}
                self._waiting = [entry for entry in self._waiting if id(entry) not in chosen]
                if running := [entry for entry in group if entry.answer.set_running_or_notify_cancel()]:
                    return running

    def _gather(self) -> None:
        """Let more requests arrive, until none comes for a moment or a batch is full. Holds the lock on return."""
        seen = 0
        while seen < len(self._waiting) < self.batch and not self._closed:
            seen = len(self._waiting)
            deadline = time.monotonic() + GATHER
            while len(self._waiting) == seen and (left := deadline - time.monotonic()) > 0 and not self._closed:
                self._changed.wait(left)
