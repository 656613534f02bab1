"""What a client is told about an answer: the object in the field `adhere`, and the header."""

from __future__ import annotations

from typing import Any

from adhere.gateway.hooks import Checked, ExchangeOutcome


def checked(one: Checked) -> dict[str, Any]:
    """One constraint, who asked for it, and its verdict; "open" where the answer is not finished."""
    if one.check is None:
        return {**one.asked.record, "verdict": one.verdict}
    return {**one.asked.record, "verdict": one.verdict, "reason": one.check.reason}


def report(outcome: ExchangeOutcome) -> dict[str, Any]:
    """The object in the field `adhere`."""
    record: dict[str, Any] = {
        "ending": outcome.ending,
        "met": outcome.met,
        "checked": [checked(one) for one in outcome.checked],
        "attempts": [
            {
                "kind": attempt.kind,
                "seconds": round(attempt.seconds, 3),
                "tokens": attempt.usage.output,
                "broken": [one.asked.described for one in attempt.broken],
                **({"error": attempt.error} if attempt.error else {}),
            }
            for attempt in outcome.attempts
        ],
        "characters": outcome.characters,
        "sha256": outcome.sha256,
        "leaked": outcome.leaked,
        "held": outcome.held,
    }
    if outcome.decisions:
        record["decisions"] = [
            {
                "verdict": decision.verdict.name.lower(),
                "reason": decision.reason,
                "text": decision.text,
                **({"failed": True} if decision.failed else {}),
                **({"approval": decision.approval} if decision.approval else {}),
            }
            for decision in outcome.decisions
        ]
    if outcome.text:
        record["text"] = outcome.text
    return record


def header(outcome: ExchangeOutcome) -> str:
    """The report in a line, for the header `x-adhere`."""
    met = sum(1 for one in outcome.checked if one.check is not None and one.check.met)
    return f"{outcome.ending}; constraints={met}/{len(outcome.checked)}; attempts={len(outcome.attempts)}"
