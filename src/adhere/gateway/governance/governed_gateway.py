"""The gateway's points as a policy and a charter make them: who asks, what holds, what is held, what is on the record.

Rules
- *Admit*: stop, caller, route, sources, monitors, in this order; the first that says no is the answer, and is in the
  ledger. A monitor that asks holds the request: the caller is told which request waits for a person, and asks again.
- *Decide*: a tool call is an act. Judges and doubts narrow, the warden decides; what it asks is held for as long as the
  route waits. Its sources are the lowest of everything that the model read, and the model's own.
- *Record*: every exchange has one entry, with the digest of the bytes, what was checked and with which verdict, and the
  acts handed over; it is on the disk before the end is delivered (`journal`).
- *Stopped* is an attribute that a thread keeps true (`switch`).
- Without a charter there is no ledger and nobody to ask: constraints, monitors and clients still hold, tool calls are
  denied unless the route leaves them open, and the posture says so.
- Whatever the warden does blocks, so it is done in threads; nothing here blocks the event loop.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from adhere.gateway.exchange import Message, Request, Text, ToolCall
from adhere.gateway.governance import pending_approvals as held
from adhere.gateway.governance.authentication import Callers, UnknownKeys, Who
from adhere.gateway.governance.drift_canary import DriftCanaries
from adhere.gateway.governance.journal import Journal, Line
from adhere.gateway.governance.pending_approvals import PendingApprovals
from adhere.gateway.governance.record import decided, entry
from adhere.gateway.governance.stop_signal import StopSignal
from adhere.gateway.hooks import Admission, Caller, Exchange, ExchangeOutcome
from adhere.gateway.monitors import authority
from adhere.gateway.monitors.monitor import Passage
from adhere.gateway.monitors.panel import Looked, Panel
from adhere.gateway.policy.policy import Policy, Route
from adhere.gateway.policy.thresholds import Effect, Reading
from adhere.gateway.telemetry.event_feed import EventFeed
from adhere.gateway.telemetry.metrics import Metrics
from adhere.gateway.telemetry.tracing import Tracing
from adhere.warden.acts.acts import Act, Decision, Verdict, broke
from adhere.warden.canonical import Refused
from adhere.warden.engine.warden import Warden
from adhere.warden.orders.orders import State

ADMITTED = Decision(Verdict.ALLOW, "admitted")
DELIVERS = frozenset({"met", "flagged"})


@dataclass
class Note:
    """What is remembered of an exchange between its admission and its end."""

    who: Who
    route: Route
    place: int
    passages: list[Passage]
    looked: Looked
    span: Any = None
    acts: list[str] = field(default_factory=list)


class GovernedGateway:
    """Implements `hooks.GatewayHooks`. Open it with `async with GovernedGateway.open(policy, charter)`."""

    def __init__(self, policy: Policy, warden: Warden | None) -> None:
        self.policy, self.warden = policy, warden
        self.live, self.tracing = EventFeed(), Tracing()
        self.metrics = Metrics(lambda: self.stopped() is not None, lambda: self.holds.waiting if self.holds else 0)
        self._unknown_keys = UnknownKeys()
        self._callers = Callers(policy, warden, lambda: self.switch.state if self.switch else None)
        self.panel = Panel(policy, self._read)
        self.drifting = DriftCanaries(policy, self._drifted)
        self.switch: StopSignal | None = None
        self.journal: Journal | None = None
        self.holds: PendingApprovals | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def open(cls, policy: Policy, charter: Path | None) -> Self:
        """The house of `policy`, and of the charter in the folder `charter`.

        Raises:
            UserError: nothing would be enforced, or the charter cannot be opened.
        """
        policy.check(charter=charter is not None)
        warden = Warden.open(charter, instance="gateway") if charter is not None else None
        try:
            return cls(policy, warden)
        except BaseException:
            if warden is not None:
                warden.close()
            raise

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        if self.warden is not None:
            await asyncio.to_thread(self._overtaken, self.warden)
            self.switch = StopSignal(self.warden, self._changed)
            self.journal = Journal(self.warden, self._written)
            self.holds = PendingApprovals(self.warden, self.stopped)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.drifting.close()
        await self.panel.close()
        if self.warden is not None:
            if self.journal is not None:
                await asyncio.to_thread(self.journal.close)
            if self.switch is not None:
                await asyncio.to_thread(self.switch.close)
            await asyncio.to_thread(self.warden.close)

    @staticmethod
    def _overtaken(warden: Warden) -> None:
        """Acts that this gateway had let through when it was killed: whether they were handed over nobody knows."""
        for name in sorted(warden.state().flight):
            if name.startswith("gateway/"):
                warden.finished(Decision(Verdict.ALLOW, "", act=Act("overtaken", id=name)), "unknown")

    # what is told

    def _written(self, seq: int, line: Line) -> None:
        self.live.tell(line.kind, {**line.body, "seq": seq})

    def _changed(self, state: State) -> None:
        self._in_loop(lambda: self.live.tell("state", {"mode": state.mode.value, "epoch": state.epoch}))

    def _in_loop(self, what: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what)

    def _read(self, reading: Reading, effect: Effect) -> None:
        self.metrics.reading(reading, effect)

    async def _drifted(self, client: str, evidence: dict[str, Any]) -> None:
        self.metrics.drift(client)
        await self._note("drift", {"client": client, **evidence})

    # the points

    def stopped(self) -> str | None:
        """See `hooks.GatewayHooks`."""
        return self.switch.stopped() if self.switch is not None else None

    async def knows(self, caller: Caller) -> Decision:
        """See `hooks.GatewayHooks`."""
        try:
            await self._recognised(caller)
        except Refused as error:
            decision = Decision(Verdict.DENY, error.reason, str(error))
            self.metrics.refused(decision)
            return decision
        return ADMITTED

    async def admit(self, caller: Caller, request: Request) -> Admission:
        """See `hooks.GatewayHooks`."""
        why = self.stopped()
        if why is not None:
            return await self._refuse(request, "", Decision(Verdict.STOP, "stopped", why))
        try:
            who = await self._recognised(caller)
        except Refused as error:
            return await self._stranger(caller, request, Decision(Verdict.DENY, error.reason, str(error)))
        found = self.policy.route(request.model, who.name)
        if found is None:
            line = f"no route is about the model {request.model[:80]!r} for {who.name}"
            return await self._refuse(request, who.name, Decision(Verdict.DENY, "no-route", line))
        place, route = found
        passages = authority.passages(
            request, user=who.source, operator=who.operator, external=route.external, signed=who.signed
        )
        looked = await self.panel.look(route, authority.judged(passages))
        suspicion = looked.decision
        if suspicion is not None:
            decision = await self._suspected(suspicion, passages, who)
            if not decision.allowed:
                looked.drop()
                return await self._refuse(request, who.name, decision, looked)
        note = Note(who, route, place, passages, looked, self.tracing.begin(request, who.name, _name(route, place)))
        sent, decision = request, ADMITTED
        if probes := self.panel.parameters(route, request):
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
            self.panel.watches(route, request),
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

    async def _recognised(self, caller: Caller) -> Who:
        known = self._callers.at_once(caller)
        return known if known is not None else await asyncio.to_thread(self._callers.recognise, caller)

    async def _suspected(self, suspicion: Decision, passages: list[Passage], who: Who) -> Decision:
        """What a monitor's word about a request comes to: a stop is the charter's, an ask a person's."""
        await self._observed(suspicion)
        if suspicion.verdict is not Verdict.ASK:
            return suspicion
        if self.holds is None:
            return suspicion.at(verdict=Verdict.DENY)
        shown = {
            "client": who.name,
            "texts": [
                {"from": p.source.name.lower(), "where": p.where, **held.readable(p.text)}
                for p in authority.judged(passages)
            ],
        }
        try:
            return await self.holds.own(held.ADMISSION, shown, suspicion.text, 0.0)
        except Refused as error:
            return broke(error.reason, str(error))

    async def _observed(self, suspicion: Decision) -> None:
        """A monitor that wants a stop tells the charter, whose thresholds pause or stop."""
        if suspicion.verdict is Verdict.STOP and self.warden is not None:
            score = suspicion.evidence["reading"]["score"]
            await asyncio.to_thread(self.warden.observe, score, dict(suspicion.evidence))

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
        decision = await self._decide(exchange, call, doubt)
        self.metrics.decided(decision)
        if self.warden is None or decision.seq < 0:
            await self._note("decision", decided(call, decision))
        else:
            self.live.tell("decision", {**decided(call, decision), "seq": decision.seq})
        return decision

    async def _decide(self, exchange: Exchange, call: ToolCall, doubt: Decision | None) -> Decision:
        note: Note = exchange.admission.note
        if note.route.tools == "deny":
            return Decision(Verdict.DENY, "policy", "the policy lets no tool be called here")
        narrower = [
            await note.looked.settled(),
            await self.panel.look_at_call(note.route, call, note.passages),
        ]
        for opinion in narrower:
            if opinion is not None:
                doubt = opinion if doubt is None else doubt.safer(opinion)
        if doubt is not None and doubt.verdict >= Verdict.DENY:
            await self._observed(doubt)
            return doubt
        given = held.arguments_of(call.arguments)
        approval = ""
        if doubt is not None:
            if self.holds is None:
                return doubt
            line = f"{doubt.text}; the call is {call.name} {call.arguments[:2000]}"
            asked = await self.holds.own(f"call {call.name}", given, line, note.route.wait)
            if not asked.allowed:
                return asked
            approval = asked.approval
        if note.route.tools == "open":
            return Decision(Verdict.ALLOW, "open", "the policy leaves tools open", approval=approval)
        if self.warden is None or self.holds is None:
            return Decision(Verdict.DENY, "no-charter", "no charter decides about tool calls here")
        act = Act(
            call.name,
            given,
            sources=authority.context(note.passages),
            id=f"gateway/{exchange.id}/{call.id}"[:200],
        )
        decision = await asyncio.to_thread(self.warden.decide, act)
        if decision.verdict is Verdict.ASK and decision.approval and note.route.wait > 0:
            self.live.tell("held", {"request": decision.approval, "tool": call.name})
            if await self.holds.status(decision.approval, note.route.wait) == "approved":
                decision = await asyncio.to_thread(self.warden.decide, act)
        if decision.allowed and decision.act is not None:
            note.acts.append(decision.act.id)
        return decision.at(approval=decision.approval or approval)

    async def hand_over(self, exchange: Exchange, text: str, outcome: ExchangeOutcome) -> Decision:
        """See `hooks.GatewayHooks`."""
        note: Note = exchange.admission.note
        if self.holds is None:
            return Decision(Verdict.DENY, "no-charter", "no charter says who may be asked")
        checks = [(c.asked.constraint, c.check) for c in outcome.checked if c.check is not None and not c.check.met]
        broken = [f"{constraint.describe()} {check.reason}" for constraint, check in checks]
        shown = {"client": note.who.name, "model": exchange.request.model, "broken": broken, **held.readable(text)}
        decision = await self.holds.own(held.ANSWER, shown, outcome.text or "; ".join(broken), note.route.wait)
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
            delivered = {f"gateway/{exchange.id}/{call.id}"[:200] for call in outcome.calls}
            acts = tuple(name for name in note.acts if name in delivered)
            note.looked.drop()
        try:
            await self._note("answer", body, acts, delivers=outcome.ending in DELIVERS or bool(acts))
        except Refused:
            self.metrics.ended(exchange, dataclasses.replace(outcome, ending="stopped"))
            raise
        self.metrics.ended(exchange, outcome)
        if note is not None:
            self.tracing.end(note.span, body)
            self.drifting.seen(note.who.name, note.route.monitors, exchange.request)

    async def _note(
        self, kind: str, body: dict[str, Any], acts: tuple[str, ...] = (), *, delivers: bool = False
    ) -> None:
        if self.journal is not None:
            await self.journal.add(Line(kind, body, acts, delivers))
        else:
            self.live.tell(kind, body)

    # what is protected here

    def posture(self) -> Iterator[tuple[str, str, str]]:
        """Status (yes, partly, no), what, and how: printed at start."""
        policy = self.policy
        count = sum(len(route.constraints) for route in policy.routes)
        how = f"{count} by the policy's routes, and what requests bring"
        yield "yes" if count else "partly", "constraints", how
        if policy.clients:
            names = ", ".join(client.name for client in policy.clients)
            yield "yes", "callers", f"known by key: {names}; others are refused"
        else:
            yield "no", "callers", "anybody who reaches this port may ask"
        for name, line in self.panel.posture():
            yield "partly", f"monitor {name}", line
        if not policy.monitors:
            yield "no", "monitors", "none"
        if policy.console is None:
            yield "no", "console", "none: held acts are confirmed by `adhere warden approve`"
        if self.warden is None:
            yield (
                "no",
                "charter",
                "none: no ledger, nobody to ask, no signed stop; tool calls are denied unless left open",
            )
            return
        from adhere.warden.supervision.posture import posture

        for guarantee in posture(self.warden):
            if guarantee.what != "monitors":
                yield guarantee.status, guarantee.what, guarantee.how


def _name(route: Route, place: int) -> str:
    return route.name or f"route {place}"
