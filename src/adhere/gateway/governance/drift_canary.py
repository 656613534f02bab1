"""Canaries at work: after every so many requests of a client, its session is tried beside the traffic.

Rules
- A trial runs in the background and delays no answer; one trial a client at a time.
- The session's memory is the request itself: every message but the system and developer ones, which are what stands.
- One canary a trial, in their order, so that the cost is two questions in `every` requests.
- The evidence is kept for each client and monitor, and an alert goes into the ledger (`drift`).
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from adhere.gateway.exchange import Request
from adhere.gateway.monitors.drift import Drift, ask_both
from adhere.gateway.policy.policy import Canary, DriftTerms, Policy
from adhere.gateway.upstream.model_client import Endpoint

CLIENTS = 10_000


class DriftCanaries:
    """The canaries of a policy. `alert` is told of a client whose memory has changed something."""

    def __init__(self, policy: Policy, alert: Callable[[str, dict[str, Any]], Awaitable[None]]) -> None:
        self._terms = {name: terms for name, terms in policy.monitors.items() if isinstance(terms, DriftTerms)}
        self._alert = alert
        self._endpoints = {
            name: Endpoint(terms.url, "", key=os.environ.get(terms.key, ""), seconds=terms.seconds)
            for name, terms in self._terms.items()
        }
        self._turns: dict[str, Iterator[Canary]] = {n: itertools.cycle(t.canaries) for n, t in self._terms.items()}
        self._count: dict[tuple[str, str], int] = {}
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self.evidence: dict[tuple[str, str], Drift] = {}

    def seen(self, client: str, monitors: Sequence[str], request: Request) -> None:
        """A request of `client` was answered."""
        for name in monitors:
            terms = self._terms.get(name)
            if terms is None:
                continue
            key = client, name
            if key not in self._count and len(self._count) >= CLIENTS:
                continue
            self._count[key] = self._count.get(key, 0) + 1
            if self._count[key] % terms.every == 0 and key not in self._running:
                task = asyncio.create_task(self._try(key, terms, request))
                self._running[key] = task
                task.add_done_callback(lambda _, key=key: self._running.pop(key, None))  # type: ignore[misc]

    async def _try(self, key: tuple[str, str], terms: DriftTerms, request: Request) -> None:
        client, name = key
        canary = next(self._turns[name])
        plain = [(message.role, message.text) for message in request.messages if message.text]
        standing = [{"role": "system", "content": text} for role, text in plain if role in ("system", "developer")]
        memory = [
            {"role": "assistant" if role == "assistant" else "user", "content": text}
            for role, text in plain
            if role not in ("system", "developer")
        ]
        drift = self.evidence.setdefault(key, Drift(terms.alpha))
        pair = await ask_both(self._endpoints[name], canary.ask, canary.expect, standing, memory, model=request.model)
        if pair is None:
            drift.failed += 1
        elif drift.add(*pair):
            await self._alert(client, {"monitor": name, **drift.to_dict()})

    async def close(self) -> None:
        """End what runs, and hang up."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        for endpoint in self._endpoints.values():
            await endpoint.close()
