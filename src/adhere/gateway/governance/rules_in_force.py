"""One policy at work: its callers, monitors, canaries and budgets.

An exchange keeps the rules that admitted it until it ends, so that a policy can be replaced while streams run.
Replaced rules are closed once the longest exchange they could have admitted is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from adhere.gateway.governance.authentication import Callers
from adhere.gateway.governance.budgets import Budgets
from adhere.gateway.governance.drift_canary import DriftCanaries
from adhere.gateway.monitors.panel import Panel
from adhere.gateway.policy.policy import Policy
from adhere.gateway.policy.thresholds import Effect, Reading
from adhere.warden.engine.warden import Warden
from adhere.warden.orders.orders import State

Alert = Callable[[str, dict[str, Any]], Awaitable[None]]


class RulesInForce:
    """What `policy` asks for. `read` is told of every monitor's reading, `alert` of a client that drifts.

    Raises:
        UserError: a monitor's file cannot be read.
    """

    def __init__(
        self,
        policy: Policy,
        warden: Warden | None,
        state: Callable[[], State | None],
        read: Callable[[Reading, Effect], None],
        alert: Alert,
    ) -> None:
        self.policy = policy
        self.callers = Callers(policy, warden, state)
        self.panel = Panel(policy, read)
        self.canaries = DriftCanaries(policy, alert)
        self.budgets = Budgets(policy, warden.ledger if warden is not None else None)

    @property
    def longest_seconds(self) -> float:
        """Of an exchange that these rules admit, with its wait for a person."""
        return max(route.handling.seconds + route.wait for route in self.policy.routes)

    async def retire(self) -> None:
        """Close, once no exchange can be left."""
        await asyncio.sleep(self.longest_seconds)
        await self.close()

    async def close(self) -> None:
        """Hang up."""
        await self.canaries.close()
        await self.panel.close()
        await asyncio.to_thread(self.budgets.close)
