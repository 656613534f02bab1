"""What a client is told about an answer: the object in the field `adhere`, and the header."""

from __future__ import annotations

from typing import Any

from adhere.constraints.instructions.reading import Reading
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
    if outcome.dropped:
        record["dropped"] = list(outcome.dropped)
    if outcome.text:
        record["text"] = outcome.text
    if outcome.readings:
        record["prompt"] = prompt(outcome.readings)
    return record


MOST_CLAUSES = 50
"""How many clauses of a prompt a report names, understood or not."""
_LONGEST_CLAUSE = 200


def prompt(readings: tuple[Reading, ...]) -> dict[str, Any]:
    """What was understood of the prompt's instructions, and what was not: those clauses are not enforced."""
    understood = [clause for reading in readings for clause in reading.understood]
    missed = [clause for reading in readings for clause in reading.not_understood]
    return {
        "understood": [
            {
                "text": clause.text[:_LONGEST_CLAUSE],
                "constraints": [constraint.to_json() for constraint in clause.constraints],
            }
            for clause in understood[:MOST_CLAUSES]
        ],
        "not_understood": [
            {"text": clause.text[:_LONGEST_CLAUSE], "why": clause.why} for clause in missed[:MOST_CLAUSES]
        ],
    }


def header(outcome: ExchangeOutcome) -> str:
    """The report in a line, for the header `x-adhere`."""
    met = sum(1 for one in outcome.checked if one.check is not None and one.check.met)
    return f"{outcome.ending}; constraints={met}/{len(outcome.checked)}; attempts={len(outcome.attempts)}"
