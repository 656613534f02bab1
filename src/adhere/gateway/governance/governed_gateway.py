"""A gateway under a policy and a charter: who asks, what holds, what is held, what is on the record.

Rules
- *Admit*: stop, caller, route, budget, sources, monitors, in this order; the first that says no is the answer, and is
  in the ledger (but for a spent budget). A monitor that asks holds the request: the caller is told which request waits
  for a person, and asks again.
- *Decide*: see `tool_decisions`.
- *Record*: every exchange has one entry, with the digest of the bytes, what was checked and with which verdict, and the
  acts handed over; it is on the disk before the end is delivered (`journal`).
- *Stopped* is an attribute that a thread keeps true (`stop_signal`).
- A policy can be replaced: what was admitted goes on under the rules that admitted it (`rules_in_force`).
- Without a charter there is no ledger and no person to ask: constraints, monitors and clients still hold, tool
  calls are denied unless the route leaves them open, and the posture says so.
- Whatever the warden does blocks, so it is done in threads; nothing here blocks the event loop.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from adhere.core.errors import UserError
from adhere.gateway.exchange import Message, Request, Text, ToolCall
from adhere.gateway.governance import posture
from adhere.gateway.governance.authentication import UnknownKeys, Who
from adhere.gateway.governance.drift_canary import DriftCanaries
from adhere.gateway.governance.journal import Journal, Line
from adhere.gateway.governance.pending_approvals import PendingApprovals
from adhere.gateway.governance.record import decided, entry
from adhere.gateway.governance.rules_in_force import RulesInForce
from adhere.gateway.governance.stop_signal import StopSignal
from adhere.gateway.governance.tool_decisions import GATEWAY, Note, ToolDecisions
from adhere.gateway.hooks import Admission, Caller, Exchange, ExchangeOutcome
from adhere.gateway.monitors import authority
from adhere.gateway.monitors.panel import Looked, Panel
from adhere.gateway.policy.policy import Policy, Route
from adhere.gateway.telemetry.event_feed import EventFeed
from adhere.gateway.telemetry.metrics import Metrics
from adhere.gateway.telemetry.tracing import Tracing
from adhere.warden.acts.acts import Act, Decision, Verdict, broke
from adhere.warden.canonical import Refused
from adhere.warden.engine.warden import Warden
from adhere.warden.orders.orders import State

ADMITTED = Decision(Verdict.ALLOW, "admitted")
DELIVERS = frozenset({"met", "flagged"})
_WILD = re.compile(r"[*?\[]")


class GovernedGateway:
    """Implements `hooks.GatewayHooks`. Open it with `async with GovernedGateway.open(policy, charter)`."""

    def __init__(self, policy: Policy, warden: Warden | None) -> None:
        self.warden = warden
        self.live, self.tracing = EventFeed(), Tracing()
        self.metrics = Metrics(
            lambda: self.stopped() is not None,
            lambda: self.holds.waiting if self.holds else 0,
            (model for route in policy.routes for model in route.models if not _WILD.search(model)),
        )
        self._unknown_keys = UnknownKeys()
        self.switch: StopSignal | None = None
        self.journal: Journal | None = None
        self.holds: PendingApprovals | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rules = self._rules_of(policy)
        self._retiring: dict[asyncio.Task[None], RulesInForce] = {}
        self._decisions = ToolDecisions(warden, None, self._held)

    @classmethod
    def open(cls, policy: Policy, charter: Path | None) -> Self:
        """The gateway of `policy`, and of the charter in the folder `charter`.

        Raises:
            UserError: nothing would be enforced, or the charter cannot be opened.
        """
        policy.check(charter=charter is not None)
        instance = GATEWAY + secrets.token_hex(4)
        warden = Warden.open(charter, instance=instance) if charter is not None else None
        try:
            return cls(policy, warden)
        except BaseException:
            if warden is not None:
                warden.close()
            raise

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        if self.warden is not None:
            await asyncio.to_thread(_overtaken, self.warden)
            self.switch = await asyncio.to_thread(StopSignal, self.warden, self._changed)
            self.journal = Journal(self.warden, self._written)
            self.holds = PendingApprovals(self.warden, self.stopped)
            self._decisions = ToolDecisions(self.warden, self.holds, self._held)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for task, rules in list(self._retiring.items()):
            task.cancel()
            await rules.close()
        await self._rules.close()
        if self.warden is not None:
            if self.journal is not None:
                await asyncio.to_thread(self.journal.close)
            if self.switch is not None:
                await asyncio.to_thread(self.switch.close)
            await asyncio.to_thread(self.warden.close)

    # the policy in force

    @property
    def policy(self) -> Policy:
        """The policy under which requests are admitted now."""
        return self._rules.policy

    @property
    def panel(self) -> Panel:
        """Its monitors."""
        return self._rules.panel

    @property
    def drifting(self) -> DriftCanaries:
        """Its canaries."""
        return self._rules.canaries

    def _rules_of(self, policy: Policy) -> RulesInForce:
        return RulesInForce(
            policy,
            self.warden,
            lambda: self.switch.state if self.switch else None,
            self.metrics.reading,
            self._drifted,
        )

    def replace(self, policy: Policy) -> None:
        """Admit under `policy` from now on; what was admitted before goes on under its own. From the event loop only.

        Raises:
            UserError: it would enforce nothing, or changes what is read at the start only; the old one stays in force.
        """
        policy.check(charter=self.warden is not None)
        if (policy.console, policy.metrics) != (self.policy.console, self.policy.metrics):
            raise UserError("console and metrics are read when the gateway starts: restart it to change them")
        old, self._rules = self._rules, self._rules_of(policy)
        task = asyncio.get_running_loop().create_task(old.retire())
        self._retiring[task] = old
        task.add_done_callback(lambda done: self._retiring.pop(done, None))
        self.live.tell("policy", {"routes": len(policy.routes)})

    # what is told

    def _written(self, seq: int, line: Line) -> None:
        self.live.tell(line.kind, {**line.body, "seq": seq})

    def _changed(self, state: State) -> None:
        if self._loop is not None and not self._loop.is_closed():
            body = {"mode": state.mode.value, "epoch": state.epoch}
            self._loop.call_soon_threadsafe(self.live.tell, "state", body)

    def _held(self, request: str, tool: str) -> None:
        self.live.tell("held", {"request": request, "tool": tool})

    async def _drifted(self, client: str, evidence: dict[str, Any]) -> None:
        self.metrics.drift(client)
        await self._note("drift", {"client": client, **evidence})

    # the hooks

    def stopped(self) -> str | None:
        """See `hooks.GatewayHooks`."""
        return self.switch.stopped() if self.switch is not None else None

    async def knows(self, caller: Caller) -> Decision:
        """See `hooks.GatewayHooks`."""
        try:
            await _recognised(self._rules, caller)
        except Refused as error:
            decision = Decision(Verdict.DENY, error.reason, str(error))
            self.metrics.refused(decision)
            return decision
        return ADMITTED

    async def admit(self, caller: Caller, request: Request) -> Admission:
        """See `hooks.GatewayHooks`."""
        rules = self._rules
        why = self.stopped()
        if why is not None:
            return await self._refuse(request, "", Decision(Verdict.STOP, "stopped", why))
        try:
            who = await _recognised(rules, caller)
        except Refused as error:
            return await self._stranger(caller, request, Decision(Verdict.DENY, error.reason, str(error)))
        match = rules.policy.route(request.model, who.name)
        if match is None:
            line = f"no route is about the model {request.model[:80]!r} for {who.name}"
            return await self._refuse(request, who.name, Decision(Verdict.DENY, "no-route", line))
        over = await rules.budgets.admit(who.client)
        if over is not None:
            self.metrics.refused(over)  # a client over its limit does not fill the ledger
            return Admission(over, request, client=who.name)
        try:
            admission = await self._admitted(rules, who, *match, caller, request)
        except BaseException:
            await rules.budgets.ended(who.client, 0)
            raise
        if not admission.decision.allowed:
            await rules.budgets.ended(who.client, 0)
        return admission

    async def _admitted(
        self, rules: RulesInForce, who: Who, place: int, route: Route, caller: Caller, request: Request
    ) -> Admission:
        """The caller is known and within its budget: monitors, standing orders, probes."""
        passages = authority.passages(
            request, user=who.source, operator=who.operator, external=route.external, signed=who.signed
        )
        looked = await rules.panel.look(route, authority.judged(passages))
        suspicion = looked.decision
        if suspicion is not None:
            decision = await self._decisions.suspected(suspicion, passages, who)
            if not decision.allowed:
                looked.drop()
                return await self._refuse(request, who.name, decision, looked)
        span = self.tracing.begin(request, who.name, _name(route, place), caller.headers)
        note = Note(rules, who, route, place, passages, looked, span)
        sent, decision = request, ADMITTED
        if probes := rules.panel.parameters(route, request):
            sent = dataclasses.replace(request, parameters={**request.parameters, **probes})
            decision = Decision(Verdict.TRANSFORM, "probes", "the model's saved monitors are asked")
        if route.orders and self.warden is not None:
            text = await asyncio.to_thread(self.warden.orders_text)
            sent = sent.with_messages((Message("system", (Text(text),)), *request.messages))
            decision = Decision(Verdict.TRANSFORM, "standing-orders", "the standing orders go before it")
        return Admission(
            decision,
            sent,
            route.asked,
            route.handling.handling,
            rules.panel.watches(route, request),
            who.name,
            _name(route, place),
            note,
        )

    async def _stranger(self, caller: Caller, request: Request, decision: Decision) -> Admission:
        if decision.reason != "unknown-key":
            return await self._refuse(request, "", decision)
        before = self._unknown_keys.heard(caller.address)
        if before is None:
            self.metrics.refused(decision)
            return Admission(decision, request)
        return await self._refuse(request, "", decision.at(evidence={"before": before}))

    async def _refuse(
        self, request: Request, client: str, decision: Decision, looked: Looked | None = None
    ) -> Admission:
        readings = [reading.to_dict() for reading, _ in looked.readings] if looked else []
        self.metrics.refused(decision)
        body = {
            "client": client,
            "model": request.model[:200],
            "verdict": decision.verdict.name.lower(),
            "reason": decision.reason,
            "text": decision.text[:500],
            "request": decision.approval,
            "readings": readings,
            "evidence": dict(decision.evidence),
        }
        try:
            await self._note("refused-request", body)
        except Refused as error:
            decision = broke(error.reason, str(error), retry=True)
        return Admission(decision, request, client=client)

    async def decide(self, exchange: Exchange, call: ToolCall, doubt: Decision | None) -> Decision:
        """See `hooks.GatewayHooks`."""
        decision = await self._decisions.decide(exchange, call, doubt)
        self.metrics.decided(decision)
        if self.warden is None or decision.seq < 0:
            await self._note("decision", decided(call, decision))
        else:
            self.live.tell("decision", {**decided(call, decision), "seq": decision.seq})
        return decision

    async def hand_over(self, exchange: Exchange, text: str, outcome: ExchangeOutcome) -> Decision:
        """See `hooks.GatewayHooks`."""
        decision = await self._decisions.hand_over(exchange, text, outcome)
        if decision.reason != "no-charter":
            self.metrics.decided(decision)
        return decision

    async def record(self, exchange: Exchange, outcome: ExchangeOutcome) -> None:
        """See `hooks.GatewayHooks`."""
        note: Note | None = exchange.admission.note
        acts: tuple[str, ...] = ()
        if note is None:
            body = entry(exchange, outcome)
        else:
            body = entry(exchange, outcome, note.who.persons, [reading for reading, _ in note.looked.readings])
            delivered = {self._decisions.act_id(exchange, call) for call in outcome.calls}
            acts = tuple(name for name in note.acts if name in delivered)
            note.looked.drop()
            await note.rules.budgets.ended(note.who.client, outcome.usage.input + outcome.usage.output)
        try:
            await self._note("answer", body, acts, delivers=outcome.ending in DELIVERS or bool(acts))
        except Refused:
            self.metrics.ended(exchange, dataclasses.replace(outcome, ending="stopped"))
            raise
        self.metrics.ended(exchange, outcome)
        if note is not None:
            self.tracing.end(note.span, body)
            note.rules.canaries.seen(note.who.name, note.route.monitors, exchange.request)

    async def forget(self, admission: Admission) -> None:
        """See `hooks.GatewayHooks`."""
        note: Note | None = admission.note
        if note is not None:
            note.looked.drop()
            await note.rules.budgets.ended(note.who.client, 0)

    async def _note(
        self, kind: str, body: dict[str, Any], acts: tuple[str, ...] = (), *, delivers: bool = False
    ) -> None:
        if self.journal is not None:
            await self.journal.add(Line(kind, body, acts, delivers))
        else:
            self.live.tell(kind, body)

    def posture(self) -> Iterator[posture.Line]:
        """What is protected here: printed at start."""
        return posture.posture(self.policy, self.panel, self.warden)


async def _recognised(rules: RulesInForce, caller: Caller) -> Who:
    known = rules.callers.at_once(caller)
    return known if known is not None else await asyncio.to_thread(rules.callers.recognise, caller)


def _overtaken(warden: Warden) -> None:
    """Acts that a gateway had let through when it was killed: whether they were handed over is unknown."""
    alive = warden.ledger.alive()
    for name in sorted(warden.state().flight):
        if name.startswith(GATEWAY) and "/".join(name.split("/")[:2]) not in alive:
            warden.finished(Decision(Verdict.ALLOW, "", act=Act("overtaken", id=name)), "unknown")


def _name(route: Route, place: int) -> str:
    return route.name or f"route {place}"
