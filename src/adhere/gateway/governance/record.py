"""What the ledger keeps of an exchange, and of a decision that the warden did not write itself.

Rules
- Of request and answer there are digests and counts, no text; of a tool call that was decided the arguments, since they
  are what was decided.
- What is on the record is what was delivered: the digest is of the bytes that left, and every constraint in force
  stands there with its origin and verdict, met or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adhere.gateway.exchange import ToolCall
from adhere.gateway.hooks import Exchange, ExchangeOutcome
from adhere.gateway.policy.thresholds import Reading
from adhere.warden.acts.acts import Decision
from adhere.warden.canonical import digest


def entry(
    exchange: Exchange, outcome: ExchangeOutcome, persons: Sequence[str] = (), readings: Sequence[Reading] = ()
) -> dict[str, Any]:
    """The ledger's entry about an exchange. `persons` signed what came with it, `readings` are the monitors'."""
    request = exchange.request
    body: dict[str, Any] = {
        "exchange": exchange.id,
        "client": exchange.admission.client,
        "route": exchange.admission.route,
        "form": request.form,
        "model": request.model[:200],
        "ending": outcome.ending,
        "finish": outcome.reason,
        "sha256": outcome.sha256,
        "characters": outcome.characters,
        "checked": [
            {
                "kind": c.asked.constraint.kind,
                "origin": c.asked.origin,
                "verdict": c.verdict,
                "reason": c.check.reason[:200] if c.check else "",
            }
            for c in outcome.checked
        ],
        "attempts": len(outcome.attempts),
        "leaked": outcome.leaked,
        "held": outcome.held,
        "tokens": [outcome.usage.input, outcome.usage.output],
        "seconds": round(outcome.seconds, 3),
        "text": outcome.text[:500],
    }
    if outcome.calls:
        body["calls"] = [
            {"name": call.name, "sha256": digest(call.arguments.encode("utf-8", "surrogatepass"))}
            for call in outcome.calls
        ]
    if persons:
        body["by"] = list(persons)
    if readings:
        body["readings"] = [reading.to_dict() for reading in readings]
    return body


def decided(call: ToolCall, decision: Decision) -> dict[str, Any]:
    """A decision on a tool call."""
    return {
        "tool": call.name,
        "arguments": call.arguments[:2000],
        "verdict": decision.verdict.name.lower(),
        "reason": decision.reason,
        "text": decision.text[:500],
        "failed": decision.failed,
        "request": decision.approval,
    }
