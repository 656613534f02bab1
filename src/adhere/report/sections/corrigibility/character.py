"""Long conversations: share in character by turn with and without the reminder, drift, one conversation."""

from __future__ import annotations

from typing import Any

from adhere.core.findings import Finding
from adhere.measure.corrigibility.battery import CorrigibilityResult
from adhere.report.charts import Chart, Line, Point, lines, points
from adhere.report.page import Block, Charts, Excerpt, Prose, Section, Stage, Table, Walk

MOST_TURNS = 24
LONGEST = 600
"""Characters of a turn that the page shows."""


def section(measured: CorrigibilityResult, recompute: str) -> Section:
    """The section."""
    blocks: list[Block] = [
        Charts((_course(measured, recompute), _changes(measured, recompute))),
        _first(measured, recompute),
    ]
    reminded = measured.of("drift.reminder")
    blocks += [Prose(f"{_what(one)}, the reminder changes the final share by {_said(one)}.") for one in reminded]
    sample = _worst(measured)
    if sample is not None:
        blocks.append(_walk(sample))
    lead = (
        "The same questions are asked aside at the beginning and during a long conversation. The "
        "change is relative to fresh samples at the beginning. The test of drift is valid at every "
        "turn and n."
    )
    return Section("character", "Long conversations", lead, tuple(blocks))


def _kind(finding: Finding) -> str:
    """The kind of conversation: course, reminder, and the persona where it is not the corrigible one."""
    course = {"work": "work only", "mixed": "mixed"}[str(finding.subject["course"])]
    reminder = "reminded" if finding.subject.get("reminder") == "warden" else "not reminded"
    persona = str(finding.subject["persona"])
    return f"{course}, {reminder}" + ("" if persona == "corrigible" else f", {persona}")


def _what(finding: Finding) -> str:
    course = {"work": "In conversations of work only", "mixed": "In mixed conversations"}[
        str(finding.subject["course"])
    ]
    return f"{course} ({finding.subject['persona']})"


def _said(finding: Finding) -> str:
    low, high = finding.interval or (float("nan"), float("nan"))
    return f"{100 * (finding.estimate or 0.0):+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}, n = {finding.n})"


def _course(measured: CorrigibilityResult, recompute: str) -> Chart:
    now = [one for one in measured.of("drift.in_character") if one.control is not None]
    curves = []
    for kind in dict.fromkeys(map(_kind, now)):
        mine = [one for one in now if _kind(one) == kind and isinstance(one.subject["turn"], int)]
        ends = [one.interval or (0.0, 1.0) for one in mine]
        turns = [float(one.subject["turn"]) for one in mine]
        curves.append(
            Line(kind, turns, [one.estimate or 0.0 for one in mine], [e[0] for e in ends], [e[1] for e in ends])
        )
    return lines(
        "In character, by turn",
        curves,
        caption="Share of probes answered in character. Bands are 95 %, clustered by scenario.",
        x="turn",
        y="in character",
        limits=(-0.02, 1.02),
        recompute=recompute,
    )


def _changes(measured: CorrigibilityResult, recompute: str) -> Chart:
    rows = [
        Point(_kind(one), one.estimate, one.interval, _turn(one.subject["turn"]), one.n)
        for one in measured.of("drift.change")
        if one.subject["turn"] in (0, _last(measured), "after reminder")
    ]
    return points(
        "Change since the beginning",
        rows,
        caption=(
            "Share in character minus the share at the beginning, paired by conversation. At turn 0 both "
            "are the beginning: this shows chance."
        ),
        unit="change of the share",
        limits=(-1.0, 1.0),
        reference=0.0,
        recompute=recompute,
    )


def _last(measured: CorrigibilityResult) -> int:
    turns = [one.subject["turn"] for one in measured.of("drift.change")]
    return max((turn for turn in turns if isinstance(turn, int)), default=0)


def _turn(turn: object) -> str:
    return f"turn {turn}" if isinstance(turn, int) else str(turn)


def _first(measured: CorrigibilityResult, recompute: str) -> Table:
    recovered = {_kind(one): one for one in measured.of("drift.recovered")}
    rows = tuple(
        (
            _kind(one),
            "none" if one.estimate is None else f"{one.estimate:g}",
            f"{float(one.subject['p']):.2g}",
            "none" if one.control is None or one.control.estimate is None else f"{one.control.estimate:g}",
            _said(recovered[_kind(one)]) if _kind(one) in recovered else "–",
            str(one.subject["fallen"]),
            str(one.n),
        )
        for one in measured.of("drift.first_turn")
    )
    header = ("", "first turn of drift", "smallest p", "control", "restored by a reminder", "dropped", "conversations")
    caption = (
        "Drift: the distribution of answers differs from the beginning's (anytime-valid, 5 % over "
        "all turns). Control: the beginning against itself. Dropped: exchanges that no longer fitted "
        "into the model's context."
    )
    return Table("Drift and recovery", header, rows, caption, recompute)


def _worst(measured: CorrigibilityResult) -> dict[str, Any] | None:
    """The conversation that lost most probes between beginning and end."""
    conversations = [dict(one.metadata) for one in measured.logs["character"].samples or [] if "probes" in one.metadata]

    def lost(row: dict[str, Any]) -> int:
        last = max(probe["turn"] for probe in row["probes"])
        mine = [probe for probe in row["probes"] if probe["turn"] == last]
        return sum((p["then"] == "in character") - (p["now"] == "in character") for p in mine)

    return max(conversations, key=lost, default=None)


def _walk(row: dict[str, Any]) -> Walk:
    by_turn: dict[int, list[str]] = {}
    for probe in row["probes"]:
        by_turn.setdefault(probe["turn"], []).append(f"{probe['request']}: {probe['now']} ({probe['said'][:60]!r})")

    def aside(turn: int) -> str:
        return "Asked aside: " + "; ".join(by_turn[turn]) + "." if turn in by_turn else ""

    stages = [Stage("Before the first turn", Excerpt(()), aside(0))]
    for number, (request, answered) in enumerate(row["talk"][:MOST_TURNS], 1):
        words = Excerpt(((f"{request[:LONGEST]}\n", False), (answered[:LONGEST], True)))
        stages.append(Stage(f"Turn {number}", words, aside(number)))
    stages.append(Stage("After the reminder", Excerpt(()), aside(-1)))
    cell = ", ".join(f"{name} {level}" for name, level in row["cell"].items())
    return Walk("A conversation, turn by turn", tuple(stages), f"{cell}. The model's words are highlighted.")
