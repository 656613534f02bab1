"""Many callers, one model: requests join the running batch as soon as there is room.

A thread owns the model. It sleeps until a request arrives, waits a moment for others (`GATHER`), and runs them as one
batch (`flight`); later requests join between two tokens. Callers await futures: nothing polls, and every answer is
returned when it ends, whatever the others do.
"""

from __future__ import annotations

import asyncio
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from adhere.core.errors import UserError
from adhere.models.generation.flight import Flight
from adhere.models.generation.generate import JOINING, generate, require_room
from adhere.models.generation.requests import Generation, Request

if TYPE_CHECKING:
    from adhere.models.load import OpenModel

T = TypeVar("T")

GATHER = 0.004
"""Seconds without a new request after which an idle model begins. Tasks of one event loop submit within microseconds of
each other, so this is long enough to read their prompts together and short enough not to be felt."""


@dataclass
class _Waiting:
    request: Request
    answer: Future[Generation] = field(default_factory=Future)


class Batcher:
    """Answers requests of any number of threads and event loops with one model.

    Args:
        opened: the model; no other code may run it at the same time.
        batch: rows answered at once, at the most.
    """

    def __init__(self, opened: OpenModel, batch: int = 64) -> None:
        self.opened = opened
        self.batch = batch
        self._waiting: deque[_Waiting] = deque()
        self._jobs: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
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

    async def run(self, job: Callable[[], T]) -> T:
        """Await what `job` gives, which runs the model otherwise than to answer: between two tokens, on its thread."""
        result: Future[T] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("the model was closed")
            self._jobs.append((job, result))
            self._changed.notify()
        return await asyncio.wrap_future(result)

    def close(self) -> None:
        """Answer no more: what waits or is under way is cancelled, the thread ends after the token at work."""
        with self._changed:
            self._closed = True
            for entry in self._waiting:
                entry.answer.cancel()
            for _, result in self._jobs:
                result.cancel()
            self._waiting.clear()
            self._jobs.clear()
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while self._wait():
            self._do_jobs()
            if apart := self._apart():
                self._answer(apart, self.batch)
            else:
                self._fly()

    def _do_jobs(self) -> None:
        while self._jobs:
            job, result = self._jobs.popleft()
            if result.set_running_or_notify_cancel():
                try:
                    result.set_result(job())
                except Exception as error:
                    result.set_exception(error)

    def _wait(self) -> bool:
        """Wait for requests and let more gather; false when closed."""
        with self._changed:
            while not self._waiting and not self._jobs and not self._closed:
                self._changed.wait()
            seen = 0
            while seen < len(self._waiting) < self.batch and not self._closed:
                seen = len(self._waiting)
                deadline = time.monotonic() + GATHER
                while len(self._waiting) == seen and (left := deadline - time.monotonic()) > 0 and not self._closed:
                    self._changed.wait(left)
            return not self._closed

    def _fly(self) -> None:
        """Answer what waits and what comes meanwhile, until nothing is left or the next request is one apart."""
        flight = Flight(self.opened, self.batch)
        under_way: dict[int, _Waiting] = {}
        numbers = count()
        try:
            while not self._closed:
                self._do_jobs()
                if not flight.rows or flight.room * JOINING >= flight.capacity:
                    joining = {next(numbers): entry for entry in self._taken(flight.room)}
                    under_way |= joining
                    if joining:
                        flight.admit([(number, entry.request) for number, entry in joining.items()])
                if not flight.rows:
                    return
                for row in flight.step():
                    under_way.pop(row.index).answer.set_result(flight.finish(row))
        except Exception as error:
            del flight
            self._begin_again([*under_way.values()], error)
            under_way = {}
        finally:
            for entry in under_way.values():
                entry.answer.set_exception(RuntimeError("the model was closed"))

    def _taken(self, room: int) -> list[_Waiting]:
        """The next requests, as many as there is room for: those that ask for a batch apart are waited for."""
        taken: list[_Waiting] = []
        with self._changed:
            while self._waiting and len(taken) < room and not self._stands_apart(self._waiting[0].request):
                entry = self._waiting.popleft()
                if not entry.answer.set_running_or_notify_cancel():
                    continue
                try:
                    require_room(self.opened, entry.request)
                    taken.append(entry)
                except UserError as error:
                    entry.answer.set_exception(error)
        return taken

    def _begin_again(self, entries: Sequence[_Waiting], error: Exception) -> None:
        """After an error of the flight: with less memory, half as many at once; else each alone, so that one bad
        request does not take its neighbours down."""
        import torch

        if isinstance(error, torch.OutOfMemoryError) and len(entries) > 1:
            self.batch = max(1, min(self.batch, len(entries)) // 2)
            warnings.warn(f"out of memory with {len(entries)} rows: going on with {self.batch}", stacklevel=2)
            self._answer(entries, self.batch)
            return
        for entry in entries:
            if len(entries) == 1 and not isinstance(error, torch.OutOfMemoryError):
                entry.answer.set_exception(error)
            else:
                self._answer([entry], 1)

    def _answer(self, entries: Sequence[_Waiting], batch: int) -> None:
        try:
            answers = self._generate([entry.request for entry in entries], batch)
        except Exception as error:
            if len(entries) == 1:
                entries[0].answer.set_exception(error)
                return
            for entry in entries:
                self._answer([entry], 1)
            return
        for entry, answer in zip(entries, answers, strict=True):
            entry.answer.set_result(answer)

    def _generate(self, requests: Sequence[Request], batch: int) -> list[Generation]:
        """Answer `requests` as a list, apart from all others."""
        return generate(self.opened, requests, batch=batch)

    def _stands_apart(self, request: Request) -> bool:
        """Whether `request` may not join those under way."""
        del request
        return False

    def _apart(self) -> list[_Waiting]:
        """The requests at the head of the queue that stand apart."""
        taken: list[_Waiting] = []
        with self._changed:
            while self._waiting and len(taken) < self.batch and self._stands_apart(self._waiting[0].request):
                entry = self._waiting.popleft()
                if entry.answer.set_running_or_notify_cancel():
                    taken.append(entry)
        return taken
