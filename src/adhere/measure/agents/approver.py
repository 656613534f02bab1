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
- The origin of a call is MODEL, and TOOL as soon as a tool's output stands in the conversation: what was read may have
  spoken.
- How a call went is read from the conversation when the next one comes: done, or unknown where it ended in an error.
  The last call of a sample stays in flight.
- A call has an identity (the message that made it and its own id), so that one which is executed again is not done
  again.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from inspect_ai.approval import Approval, Approver, approver
from inspect_ai.model import ChatMessage, ChatMessageTool
from inspect_ai.tool import ToolCall, ToolCallView

from adhere.warden.acts.acts import Act, Decision, Verdict, refusal
from adhere.warden.acts.sources import Source
from adhere.warden.canonical import Refused

if TYPE_CHECKING:
    from adhere.warden.engine.warden import Warden

POLL = 0.25
"""Seconds between two looks for a signature."""


def identity(call: ToolCall, history: list[ChatMessage]) -> str:
    """The name of this one execution: the message that asked for it and the call's own id."""
    asked = next((m.id for m in reversed(history) if m.role == "assistant" and m.id), "")
    return f"{asked}/{call.id}"


def origin(history: list[ChatMessage]) -> tuple[Source, ...]:
    """Where a call's content comes from, by what stands in the conversation."""
    read = any(message.role == "tool" for message in history)
    return (Source.MODEL, Source.TOOL) if read else (Source.MODEL,)


class Gate:
    """One warden for all samples of a run."""

    def __init__(self, charter: str, wait: float) -> None:
        self.charter, self.wait = charter, wait
        self._warden: Warden | None = None
        self._flying: dict[str, Decision] = {}

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

    def settle(self, history: list[ChatMessage]) -> None:
        """Say how earlier calls went."""
        for message in history:
            if isinstance(message, ChatMessageTool) and message.tool_call_id:
                for name in [n for n in self._flying if n.endswith(f"/{message.tool_call_id}")]:
                    decision = self._flying.pop(name)
                    outcome = "done" if message.error is None else "unknown"
                    try:
                        self.warden.finished(decision, outcome)
                    except Refused:
                        continue  # a stop has listed it as unknown already

    def decide(self, call: ToolCall, history: list[ChatMessage]) -> Decision:
        """The warden's word on a call."""
        from adhere.warden.orders import approvals

        self.settle(history)
        act = Act(call.function, call.arguments, sources=origin(history), id=identity(call, history))
        decision = self.warden.decide(act)
        deadline = time.monotonic() + self.wait
        while decision.verdict is Verdict.ASK and decision.approval and time.monotonic() < deadline:
            time.sleep(POLL)
            status = approvals.find(self.warden.ledger, decision.approval).status
            if status != "open":
                decision = self.warden.decide(act)
        if decision.allowed and decision.act is not None:
            self._flying[decision.act.id] = decision
        return decision


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


@approver(name="warden")
def warden(charter: str = "charter", wait: float = 0.0) -> Approver:
    """Let every tool call pass through the warden of `charter`; wait `wait` seconds for a signature where it asks."""
    gate = Gate(charter, wait)

    async def approve(message: str, call: ToolCall, view: ToolCallView, history: list[ChatMessage]) -> Approval:
        del message, view
        try:
            return approval(await asyncio.to_thread(gate.decide, call, history), call)
        except Refused as error:
            return Approval(decision="reject", explanation=f"deny ({error.reason}): {error}")

    return approve
