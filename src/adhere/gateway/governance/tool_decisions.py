"""Deciding about tool calls, answers and requests that something doubts: monitors narrow, the warden decides, people
are asked.

Rules
- A tool call is an act. Judges and doubts narrow, the warden decides; what it asks is held for as long as the route
  waits. Its sources are the lowest of everything that the model read, and the model's own.
- The id of an act names the gateway instance that let it through, so that another instance can tell what was in flight
  when that one was killed.
- What the warden does blocks, so it is done in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from adhere.gateway.exchange import ToolCall
from adhere.gateway.governance import pending_approvals as held
from adhere.gateway.governance.authentication import Who
from adhere.gateway.governance.pending_approvals import PendingApprovals
from adhere.gateway.governance.rules_in_force import RulesInForce
from adhere.gateway.hooks import Exchange, ExchangeOutcome
from adhere.gateway.monitors import authority
from adhere.gateway.monitors.monitor import Passage
from adhere.gateway.monitors.panel import Looked
from adhere.gateway.policy.policy import Route
from adhere.warden.acts.acts import Act, Decision, Verdict, broke
from adhere.warden.canonical import Refused
from adhere.warden.engine.warden import Warden

LONGEST_ID = 200
GATEWAY = "gateway/"
"""What the ids of acts and instances of gateways begin with."""


@dataclass
class Note:
    """What is remembered of an exchange between its admission and its end."""

    rules: RulesInForce
    who: Who
    route: Route
    place: int
    passages: list[Passage]
    looked: Looked
    span: Any = None
    acts: list[str] = field(default_factory=list)


class ToolDecisions:
    """Decides for one gateway. `waiting` is told of a call that is held: the request's id and the tool."""

    def __init__(
        self, warden: Warden | None, approvals: PendingApprovals | None, waiting: Callable[[str, str], None]
    ) -> None:
        self._warden, self._approvals, self._waiting = warden, approvals, waiting

    def act_id(self, exchange: Exchange, call: ToolCall) -> str:
        """The name of the act that `call` is."""
        instance = self._warden.instance if self._warden is not None else GATEWAY
        return f"{instance}/{exchange.id}/{call.id}"[:LONGEST_ID]

    async def decide(self, exchange: Exchange, call: ToolCall, doubt: Decision | None) -> Decision:
        """See `hooks.GatewayHooks`."""
        note: Note = exchange.admission.note
        if note.route.tools == "deny":
            return Decision(Verdict.DENY, "policy", "the policy lets no tool be called here")
        if not note.route.lets(call.name):
            return Decision(Verdict.DENY, "policy", f"the policy does not list the tool {call.name[:80]} here")
        doubt = await self._narrowed(note, call, doubt)
        if doubt is not None and doubt.verdict >= Verdict.DENY:
            await self.observe(doubt)
            return doubt
        arguments = held.arguments_of(call.arguments)
        approval = ""
        if doubt is not None:
            if self._approvals is None:
                return doubt
            line = f"{doubt.text}; the call is {call.name} {call.arguments[:2000]}"
            answer = await self._approvals.own(f"call {call.name}", arguments, line, note.route.wait)
            if not answer.allowed:
                return answer
            approval = answer.approval
        if note.route.tools == "open" or (self._warden is None and note.route.allow):
            return Decision(Verdict.ALLOW, "open", "the policy leaves this tool open", approval=approval)
        if self._warden is None or self._approvals is None:
            return Decision(Verdict.DENY, "no-charter", "no charter decides about tool calls here")
        sources = authority.context(note.passages)
        act = Act(call.name, arguments, sources=sources, id=self.act_id(exchange, call))
        decision = await self._by_warden(self._warden, self._approvals, act, note.route.wait)
        if decision.allowed and decision.act is not None:
            note.acts.append(decision.act.id)
        return decision.at(approval=decision.approval or approval)

    async def _narrowed(self, note: Note, call: ToolCall, doubt: Decision | None) -> Decision | None:
        """`doubt` with what judges say about the request and about the call."""
        for opinion in (
            await note.looked.settled(),
            await note.rules.panel.look_at_call(note.route, call, note.passages),
        ):
            if opinion is not None:
                doubt = opinion if doubt is None else doubt.safer(opinion)
        return doubt

    async def _by_warden(self, warden: Warden, approvals: PendingApprovals, act: Act, seconds: float) -> Decision:
        decision = await asyncio.to_thread(warden.decide, act)
        if decision.verdict is Verdict.ASK and decision.approval and seconds > 0:
            self._waiting(decision.approval, act.tool)
            if await approvals.status(decision.approval, seconds) == "approved":
                decision = await asyncio.to_thread(warden.decide, act)
        return decision

    async def hand_over(self, exchange: Exchange, text: str, outcome: ExchangeOutcome) -> Decision:
        """See `hooks.GatewayHooks`."""
        note: Note = exchange.admission.note
        if self._approvals is None:
            return Decision(Verdict.DENY, "no-charter", "no charter says who may be asked")
        checks = [(c.asked.constraint, c.check) for c in outcome.checked if c.check is not None and not c.check.met]
        broken = [f"{constraint.describe()} {check.reason}" for constraint, check in checks]
        shown = {"client": note.who.name, "model": exchange.request.model, "broken": broken, **held.readable(text)}
        why = outcome.text or "; ".join(broken)
        return await self._approvals.own(held.ANSWER, shown, why, note.route.wait)

    async def suspected(self, suspicion: Decision, passages: list[Passage], who: Who) -> Decision:
        """What a monitor's suspicion of a request comes to: a stop is the charter's, an ask a person's."""
        await self.observe(suspicion)
        if suspicion.verdict is not Verdict.ASK:
            return suspicion
        if self._approvals is None:
            return suspicion.at(verdict=Verdict.DENY)
        texts = [
            {"from": p.source.name.lower(), "where": p.where, **held.readable(p.text)}
            for p in authority.judged(passages)
        ]
        try:
            return await self._approvals.own(held.ADMISSION, {"client": who.name, "texts": texts}, suspicion.text, 0.0)
        except Refused as error:
            return broke(error.reason, str(error))

    async def observe(self, suspicion: Decision) -> None:
        """A monitor that wants a stop tells the charter, whose thresholds pause or stop."""
        if suspicion.verdict is Verdict.STOP and self._warden is not None:
            score = suspicion.evidence["reading"]["score"]
            await asyncio.to_thread(self._warden.observe, score, dict(suspicion.evidence))
