"""Scored responses for continuous integration: JUnit XML for the test view, SARIF for code scanning, Markdown for the
summary of a job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from adhere.core.terminal import visible
from adhere.core.version import VERSION

if TYPE_CHECKING:
    from adhere.api.score import Scores
    from adhere.constraints.constraint import Profile
    from adhere.measure.adherence.records import Record

MOST_CASES = 20_000
"""Responses in one JUnit file: more are unreadable in every viewer, and failed ones come first."""
MOST_SHOWN = 20
"""Failures in a job's summary."""


def junit(scores: Scores) -> str:
    """A test case for each response, failed where an instruction is not followed, with the reasons.

    Of more than `MOST_CASES` responses the failed ones come first; the suite's counts are those of all.
    """
    profile = scores.run.profile
    failed: list[Record] = []
    passed: list[Record] = []
    total = failures = 0
    for record in scores.run.records():
        total += 1
        reasons = broken(record, profile)
        failures += bool(reasons)
        kept = failed if reasons else passed
        if len(kept) < MOST_CASES:
            kept.append(record)
    cases = [_case(record, profile) for record in (*failed, *passed)[:MOST_CASES]]
    head = f'<testsuite name="adhere" tests="{total}" failures="{failures}" errors="{scores.run.bad_count}">'
    return "\n".join(('<?xml version="1.0" encoding="UTF-8"?>', head, *cases, "</testsuite>")) + "\n"


MOST_RESULTS = 5_000
"""Results in a SARIF file: GitHub shows as many of a run and drops the rest."""


def sarif(scores: Scores) -> str:
    """A SARIF 2.1.0 log: a result for each instruction that is not followed, at the line of its response.

    The families are the rules. Of more than `MOST_RESULTS` the first are kept, and a notification says how many there
    are.
    """
    profile = scores.run.profile
    rules: dict[str, int] = {}
    results: list[dict[str, Any]] = []
    total = 0
    for record in scores.run.records():
        for kind, reason in broken(record, profile):
            total += 1
            if len(results) < MOST_RESULTS:
                rule = rules.setdefault(kind, len(rules))
                results.append(_result(record, kind, rule, reason))
    driver = {
        "name": "Adhere",
        "version": VERSION,
        "informationUri": "https://github.com/adhere-ai/adhere",
        "rules": [{"id": kind, "shortDescription": {"text": f"The answer does not meet {kind}"}} for kind in rules],
    }
    run: dict[str, Any] = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    if total > len(results):
        text = f"{total:,} instructions are not followed; the first {len(results):,} are listed"
        note = {"level": "warning", "message": {"text": text}}
        run["invocations"] = [{"executionSuccessful": True, "toolExecutionNotifications": [note]}]
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _result(record: Record, kind: str, rule: int, reason: str) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(record.file.replace("\\", "/"), safe="/:")}}
    if record.line:
        place["region"] = {"startLine": record.line}
    epoch = f", epoch {record.epoch}" if record.epoch > 1 else ""
    return {
        "ruleId": kind,
        "ruleIndex": rule,
        "level": "warning",
        "message": {"text": visible(f"{record.model} on {record.prompt_id}{epoch}: {reason}")},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"response/v1": f"{record.model}/{record.set}/{record.prompt_id}/{record.epoch}/{kind}"},
    }


def summary(scores: Scores) -> str:
    """A table of the rates and the first failures, in Markdown."""
    run = scores.run
    lines = [
        "### Instructions followed",
        "",
        "| model | set | prompts followed | 95 % | n |",
        "|---|---|---:|---:|---:|",
    ]
    for subject in run.tally.subjects():
        rate = run.tally.prompts(subject, run.profile)
        low, high = rate.interval
        cells = (subject.model, subject.set, f"{rate.estimate:.1%}", f"{low:.1%} to {high:.1%}", f"{rate.n:,}")
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    shown: list[str] = []
    for record in run.records():
        for kind, reason in broken(record, run.profile):
            shown.append(f"| {_cell(where(record))} | `{_cell(kind)}` | {_cell(reason)} |")
        if len(shown) >= MOST_SHOWN:
            break
    if shown:
        lines += ["", "First failures:", "", "| where | constraint | reason |", "|---|---|---|", *shown[:MOST_SHOWN]]
    return "\n".join(lines) + "\n"


def broken(record: Record, profile: Profile) -> list[tuple[str, str]]:
    """Kind and reason of every instruction of a response that is not followed."""
    outcomes = ((one.kind, one.outcome(profile)) for one in record.instructions)
    return [(kind, outcome.reason) for kind, outcome in outcomes if outcome is not None and not outcome.strict]


def where(record: Record) -> str:
    """File and line of a response, or its prompt where it has none."""
    return f"{record.file}:{record.line}" if record.line else record.prompt_id


def _case(record: Record, profile: Profile) -> str:
    name = f"{record.prompt_id} (epoch {record.epoch})" if record.epoch > 1 else record.prompt_id
    attributes = f"classname={_attribute(record.model)} name={_attribute(name)}"
    attributes += f" file={_attribute(record.file)}" + (f' line="{record.line}"' if record.line else "")
    reasons = broken(record, profile)
    if not reasons:
        return f"  <testcase {attributes}/>"
    message = _attribute("; ".join(reason for _, reason in reasons))
    text = escape("\n".join(visible(f"{kind}: {reason}") for kind, reason in reasons))
    return f"  <testcase {attributes}>\n    <failure message={message}>{text}</failure>\n  </testcase>"


def _attribute(text: object) -> str:
    return quoteattr(visible(text))


def _cell(text: object) -> str:
    """Foreign text in a cell of a Markdown table: no markup of either language."""
    shown = escape(visible(text))
    return "".join(f"\\{character}" if character in "\\|`*_[]~#" else character for character in shown)
