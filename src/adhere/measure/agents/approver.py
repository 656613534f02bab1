"""The warden as an approver of Inspect: it gates every tool call of any Inspect agent.

    # approval.yaml                            inspect eval task.py --approval approval.yaml
    approvers:
      - name: adhere/warden
        tools: "*"
        charter: charter

Rules

- allow -> approve, transform -> modify, deny -> reject, stop -> terminate. *Ask* rejects and names the request: a
  person signs it (`adhere warden approve`), and the agent may call again; with `wait` seconds the approver waits for
  the signature first. It never escalates: an approval by another approver would not be in the ledger.
- The sources of a call are those that are declared (`lineage`). Where none are, they are read from the conversation and
  from everything the sample's agents have read before.
- Every act has its outcome in the ledger, from Inspect's event when the call ends or from the conversation when the
  next call comes: `done`, `failed` where the tool says that nothing changed (an error that begins with `Not done:`),
  and `unknown` where it ended in another error, where its effect is not to be seen, or where the sample ended first.
- A call has an identity (the message that made it and its own id), so that one which is executed again is not done
  again.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from inspect_ai.approval import Approval, Approver, approver
from inspect_ai.hooks import Hooks, SampleEnd, SampleEvent, hooks
from inspect_ai.model import ChatMessage, ChatMessageTool
from inspect_ai.solver._task_state import sample_state
from inspect_ai.tool import ToolCall, ToolCallView

from adhere.measure.agents import lineage
from adhere.warden.acts.acts import Act, Decision, Verdict, refusal
from adhere.warden.acts.sources import Source
from adhere.warden.canonical import Refused

if TYPE_CHECKING:
    from adhere.warden.engine.warden import Warden

POLL = 0.25
"""Seconds between two looks for a signature."""
NOT_DONE = "Not done:"
"""How a tool's error begins that changed nothing."""

Outcome = Literal["done", "failed", "unknown"]


def identity(call: ToolCall, history: list[ChatMessage]) -> str:
    """The name of this one execution: the message that asked for it and the call's own id."""
    message = next((m.id for m in reversed(history) if m.role == "assistant" and m.id), "")
    return f"{message}/{call.id}"


def outcome_of(error: str | None) -> Outcome:
    """The outcome of a call that ended with `error`."""
    if error is None:
        return "done"
    return "failed" if error.startswith(NOT_DONE) else "unknown"


@dataclass(frozen=True)
class Flight:
    """An act that was allowed and whose outcome is not in the ledger yet. `seen`: whether its effect can be seen."""

    decision: Decision
    call: str
    sample: str
    seen: Callable[[], bool] | None = None


class Gate:
    """One warden for all samples of a run.

    Args:
        charter: its folder; or `warden`, where one is open already.
        wait: seconds to wait for a signature where the warden asks.
        receipts: patterns of tools whose answers only confirm what was done.
    """

    def __init__(
        self, charter: str = "", wait: float = 0.0, *, receipts: tuple[str, ...] = (), warden: Warden | None = None
    ) -> None:
        self.charter, self.wait, self.receipts = charter, wait, receipts
        self._warden = warden
        self._flying: dict[str, Flight] = {}
        self._expected: dict[str, Callable[[], bool]] = {}
        self._read: dict[str, Source] = {}
        self.decisions: dict[str, Decision] = {}
        """The last decision on a call, by the call's id, for whoever made the call; `forget` drops it."""
        _watch(self)

    @property
    def warden(self) -> Warden:
        """Opened with the first call, so that a configuration can be read where no charter is."""
        if self._warden is None:
            try:
                from adhere.warden.engine.warden import Warden
            except ImportError:
                raise Refused("enforce", "the warden is not installed: pip install adhere[enforce]") from None

            self._warden = Warden.open(self.charter, instance="inspect")
        return self._warden

    @property
    def flying(self) -> list[str]:
        """The acts without an outcome, by their names in the ledger."""
        return sorted(self._flying)

    def expect(self, call: str, seen: Callable[[], bool]) -> None:
        """Look with `seen` whether the call `call` had its effect: a tool's word is not enough."""
        self._expected[call] = seen

    def forget(self, call: str) -> None:
        """Drop what is kept about a call whose outcome is in the ledger."""
        self.decisions.pop(call, None)
        self._expected.pop(call, None)

    def settle(self, call: str, outcome: Outcome, sample: str | None = None) -> Outcome | None:
        """Write the outcome of the call `call`; what was written, None where it is not in flight."""
        for name, flight in list(self._flying.items()):
            if flight.call != call or (sample is not None and flight.sample != sample):
                continue
            del self._flying[name]
            if outcome == "done" and flight.seen is not None and not flight.seen():
                outcome = "unknown"
            try:
                self.warden.finished(flight.decision, outcome)
            except Refused:
                return "unknown"  # a stop has listed it as unknown already
            return outcome
        return None

    def read_history(self, history: list[ChatMessage]) -> None:
        """Write the outcomes of earlier calls of a conversation."""
        for message in history:
            if isinstance(message, ChatMessageTool) and message.tool_call_id:
                self.settle(message.tool_call_id, outcome_of(message.error.message if message.error else None))

    def end_sample(self, sample: str) -> None:
        """The sample is over: what is still in flight has an unknown outcome."""
        for flight in list(self._flying.values()):
            if flight.sample == sample:
                self.settle(flight.call, "unknown", sample)
        self._read.pop(sample, None)

    def sources(self, history: list[ChatMessage], sample: str) -> tuple[Source, ...]:
        """Where a call's content comes from."""
        explicit = lineage.declared()
        if explicit is not None:
            return explicit
        own = lineage.sources_of(history, self.receipts)
        before = self._read.get(sample, Source.MODEL)
        self._read[sample] = lineage.lowest((*own, before))
        return own if before >= lineage.lowest(own) else (*own, before)

    def tool_ended(self, sample: str, tool: str, call: str, error: str | None) -> None:
        """A tool has answered: note its outcome, and that it was read."""
        self.settle(call, outcome_of(error), sample)
        if not lineage.matches(tool, self.receipts):
            self._read[sample] = min(self._read.get(sample, Source.MODEL), Source.TOOL)

    def decide(self, call: ToolCall, history: list[ChatMessage]) -> Decision:
        """The warden's decision on a call."""
        from adhere.warden.orders import approvals

        state = sample_state()
        sample = state.uuid if state is not None else ""
        self.read_history(history)
        act = Act(call.function, call.arguments, sources=self.sources(history, sample), id=identity(call, history))
        decision = self.warden.decide(act)
        deadline = time.monotonic() + self.wait
        while decision.verdict is Verdict.ASK and decision.approval and time.monotonic() < deadline:
            time.sleep(POLL)
            status = approvals.find(self.warden.ledger, decision.approval).status
            if status != "open":
                decision = self.warden.decide(act)
        if decision.allowed and decision.act is not None:
            self._flying[decision.act.id] = Flight(decision, call.id, sample, self._expected.pop(call.id, None))
        self.decisions[call.id] = decision
        return decision


_gates: weakref.WeakSet[Gate] = weakref.WeakSet()


class _Outcomes(Hooks):
    """Told by Inspect when a tool call or a sample has ended."""

    def enabled(self) -> bool:
        return bool(_gates)

    async def on_sample_event(self, data: SampleEvent) -> None:
        event = data.event
        if event.event == "tool":
            error = event.error.message if event.error else None
            for gate in list(_gates):
                await asyncio.to_thread(gate.tool_ended, data.sample_id, event.function, event.id, error)

    async def on_sample_end(self, data: SampleEnd) -> None:
        for gate in list(_gates):
            await asyncio.to_thread(gate.end_sample, data.sample_id)


def _watch(gate: Gate) -> None:
    """Have the gate told of ends. Registered with the first gate: Inspect announces registered hooks in every run."""
    if not _gates:
        hooks(name="adhere_outcomes", description="Writes the outcome of every act into the warden's ledger.")(
            _Outcomes
        )
    _gates.add(gate)


def approval(decision: Decision, call: ToolCall) -> Approval:
    """A decision in Inspect's words."""
    facts: dict[str, Any] = {"reason": decision.reason, "entry": decision.seq, "request": decision.approval}
    if decision.allowed and decision.verdict is Verdict.TRANSFORM and decision.act is not None:
        changed = replace(call, arguments=dict(decision.act.arguments))
        return Approval(decision="modify", modified=changed, explanation=decision.text, metadata=facts)
    if decision.allowed:
        return Approval(decision="approve", explanation=decision.text or decision.reason, metadata=facts)
    if decision.verdict is Verdict.STOP:
        return Approval(decision="terminate", explanation=refusal(decision), metadata=facts)
    return Approval(decision="reject", explanation=refusal(decision), metadata=facts)


def asking(gate: Gate) -> Approver:
    """An approver that asks `gate`."""

    async def approve(message: str, call: ToolCall, view: ToolCallView, history: list[ChatMessage]) -> Approval:
        del message, view
        try:
            return approval(await asyncio.to_thread(gate.decide, call, history), call)
        except Refused as error:
            return Approval(decision="reject", explanation=f"deny ({error.reason}): {error}")

    return approve


@approver(name="warden")
def warden(charter: str = "charter", wait: float = 0.0, receipts: str = "") -> Approver:
    """Let every tool call pass through the warden of `charter`; wait `wait` seconds for a signature where it asks.

    `receipts` are names of tools, with commas, whose answers only confirm what was done: reading them lowers nothing.
    """
    names = tuple(name.strip() for name in receipts.split(",") if name.strip())
    return asking(Gate(charter, wait, receipts=names))
