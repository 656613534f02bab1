"""Several servers of one model as one upstream: shared out by weight, and one for another when it fails.

Rules
- A server that refuses, is silent, or overloaded is left alone for a pause that doubles with each failure, up to
  `LONGEST_PAUSE`; then the next request tries it. When all are left alone, all are tried.
- Before the first piece of an answer the next server is asked instead: nothing waits for a server that failed. After it
  the answer has broken off, which is for the loop of repairs to say.
- What another server would answer just the same (a request that is wrong, a key that is refused) is no failure of the
  server.
- A server of weight 0 is asked only when those with a weight fail.
- All speak the same API. Together they can do what every one of them can.
"""

from __future__ import annotations

import dataclasses
import logging
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from adhere.gateway.exchange import Event
from adhere.gateway.upstream.client import Budget, Client, Upstream
from adhere.gateway.upstream.dialect import Question, UpstreamError

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0

log = logging.getLogger("adhere.gateway")


class NoRetries(Budget):
    """Asking the same server again gives way to asking another one."""

    def retry(self) -> bool:
        return False


@dataclass
class Member:
    """One server. It is left alone until `again` (in seconds of the monotonic clock)."""

    client: Client
    weight: float
    failures: int = 0
    again: float = 0.0

    def failed(self, now: float) -> None:
        """It gave no answer."""
        pause = min(FIRST_PAUSE * 2.0**self.failures, LONGEST_PAUSE)
        self.failures = min(self.failures + 1, 10)
        self.again = now + pause
        log.warning("the upstream %s failed; it is left alone for %g s", self.client.upstream.url, pause)

    def answered(self) -> None:
        """It gave an answer."""
        self.failures, self.again = 0, 0.0


@dataclass
class Pool(Client):
    """Asks the servers of `members`. Use as an asynchronous context manager; make it with `of`."""

    members: Sequence[Member] = ()
    clock: Callable[[], float] = time.monotonic
    chance: random.Random = field(default_factory=random.Random)

    @classmethod
    def of(cls, upstreams: Sequence[tuple[Upstream, float]]) -> Self:
        """The pool of these servers with their weights."""
        members = [Member(Client(upstream, NoRetries()), weight) for upstream, weight in upstreams]
        able = dataclasses.replace(
            upstreams[0][0],
            prefill=all(upstream.prefill for upstream, _ in upstreams),
            constrained=all(upstream.constrained for upstream, _ in upstreams),
        )
        return cls(able, members=members)

    async def __aenter__(self) -> Self:
        self._open = AsyncExitStack()
        for member in self.members:
            await self._open.enter_async_context(member.client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._open.aclose()

    def order(self) -> Iterator[Member]:
        """The servers in the order in which one request asks them."""
        now = self.clock()
        well = [member for member in self.members if member.again <= now]
        ill = sorted((member for member in self.members if member.again > now), key=lambda member: member.again)
        shared = [member for member in well if member.weight > 0]
        while shared:
            (chosen,) = self.chance.choices(shared, [member.weight for member in shared])
            shared.remove(chosen)
            yield chosen
        yield from (member for member in well if member.weight <= 0)
        yield from ill

    async def ask(self, question: Question, seconds: float) -> AsyncGenerator[Event, None]:
        """See `Client.ask`."""
        until = self.clock() + seconds
        fault: UpstreamError | None = None
        for member in self.order():
            begun = False
            try:
                async with aclosing(member.client.ask(question, until - self.clock())) as events:
                    async for event in events:
                        begun = True
                        yield event
            except UpstreamError as error:
                if not error.retry:
                    raise
                member.failed(self.clock())
                if begun or self.clock() >= until:
                    raise
                fault = error
            else:
                member.answered()
                return
        assert fault is not None, "a pool has members"
        raise fault

    async def post(self, path: str, body: Mapping[str, object], seconds: float) -> dict[str, object]:
        """See `Client.post`."""
        fault: UpstreamError | None = None
        for member in self.order():
            try:
                return await member.client.post(path, body, seconds)
            except UpstreamError as error:
                if not error.retry:
                    raise
                member.failed(self.clock())
                fault = error
        assert fault is not None, "a pool has members"
        raise fault

    async def models(self) -> list[str]:
        """See `Client.models`; of the first server that says."""
        fault: UpstreamError | None = None
        for member in self.order():
            try:
                return await member.client.models()
            except UpstreamError as error:
                fault = error
        assert fault is not None, "a pool has members"
        raise fault
