"""What one client may use: requests a minute, tokens a day, exchanges at once.

Rules
- A request over a limit is refused with 429 and the seconds after which it may be asked again. It is counted before
  anything reaches the upstream; tokens are counted when the exchange ends, so the last one may go over.
- Minutes and days are those of the clock (UTC): a minute's budget is whole again when the next minute begins.
- Replicas that share a ledger share the counts of requests and tokens; where these cannot be counted nothing is
  admitted. `concurrent` is for each replica.
- The minute and the day that begin at midnight share one row: one counts requests, the other tokens.
- Without a shared ledger the counts are this process's, and begin at zero when it starts.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable

from adhere.gateway.answering.admission import RATE_LIMITED
from adhere.gateway.policy.policy import Client, Policy
from adhere.warden.acts.acts import Decision, Verdict
from adhere.warden.canonical import Refused
from adhere.warden.ledger.ledger import Ledger

MINUTE, DAY = 60, 86_400
_COUNT = (
    "INSERT INTO spent VALUES (?, ?, ?, ?) ON CONFLICT (client, span) DO UPDATE"
    " SET requests = spent.requests + excluded.requests, tokens = spent.tokens + excluded.tokens"
    " RETURNING requests, tokens"
)
_SPENT = "SELECT tokens FROM spent WHERE client = ? AND span = ?"


class Budgets:
    """The budgets of a policy's clients; `ledger` counts for all replicas where they share one."""

    def __init__(self, policy: Policy, ledger: Ledger | None, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        limited = any(client.limits.counted for client in policy.clients)
        self._ledger = ledger.again() if ledger is not None and ledger.path is None and limited else None
        self._here: dict[tuple[str, int], list[int]] = {}
        self._at_once: defaultdict[str, int] = defaultdict(int)

    async def admit(self, client: Client | None) -> Decision | None:
        """Count one request of `client`; a denial where it is over a limit. `ended` has to follow an admission."""
        if client is None or not client.limits.any:
            return None
        limits, name = client.limits, client.name
        if limits.concurrent is not None and self._at_once[name] >= limits.concurrent:
            return _over(f"{name} has {limits.concurrent} exchanges at once already", 1.0)
        self._at_once[name] += 1
        try:
            denied = await self._counted(client)
        except Refused as error:
            denied = Decision(Verdict.DENY, error.reason, str(error), failed=True, retry=True)
        except BaseException:
            self._at_once[name] -= 1
            raise
        if denied is not None:
            self._at_once[name] -= 1
        return denied

    async def _counted(self, client: Client) -> Decision | None:
        limits, now = client.limits, self._clock()
        day = int(now // DAY) * DAY
        if limits.tokens_per_day is not None and await self._tokens(client.name, day) >= limits.tokens_per_day:
            return _over(f"{client.name} has used its {limits.tokens_per_day:,} tokens of today", day + DAY - now)
        if limits.requests_per_minute is not None:
            minute = int(now // MINUTE) * MINUTE
            requests, _ = await self._add(client.name, minute, 1, 0)
            if requests > limits.requests_per_minute:
                left = minute + MINUTE - now
                return _over(f"{client.name} has made its {limits.requests_per_minute} requests of this minute", left)
        return None

    async def ended(self, client: Client | None, tokens: int) -> None:
        """An admitted exchange of `client` is over and has used so many tokens.

        Raises:
            Refused: they cannot be counted.
        """
        if client is None or not client.limits.any:
            return
        self._at_once[client.name] = max(0, self._at_once[client.name] - 1)
        if client.limits.tokens_per_day is not None and tokens:
            await self._add(client.name, int(self._clock() // DAY) * DAY, 0, tokens)

    async def _add(self, name: str, began: int, requests: int, tokens: int) -> tuple[int, int]:
        if self._ledger is not None:
            rows = await asyncio.to_thread(self._ledger.query, _COUNT, (name, began, requests, tokens))
            return int(rows[0][0]), int(rows[0][1])
        for old in [key for key in self._here if key[0] == name and key[1] < began - DAY]:
            del self._here[old]
        row = self._here.setdefault((name, began), [0, 0])
        row[0] += requests
        row[1] += tokens
        return row[0], row[1]

    async def _tokens(self, name: str, day: int) -> int:
        if self._ledger is not None:
            rows = await asyncio.to_thread(self._ledger.query, _SPENT, (name, day))
            return int(rows[0][0]) if rows else 0
        return self._here.get((name, day), [0, 0])[1]

    def close(self) -> None:
        """Hang up."""
        if self._ledger is not None:
            self._ledger.close()


def _over(text: str, after: float) -> Decision:
    return Decision(Verdict.DENY, RATE_LIMITED, text, retry=True, evidence={"after": round(max(after, 1.0), 1)})
