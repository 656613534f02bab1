"""Repetition: loops, coherence and obedience over the length of a text."""

from __future__ import annotations

from typing import Any

from adhere.core.findings import Finding
from adhere.measure.corrigibility.battery import CorrigibilityResult
from adhere.measure.corrigibility.loops import loops
from adhere.report.charts import Chart, Line, lines
from adhere.report.numbers import between, percent
from adhere.report.page import Block, Charts, Example, Examples, Excerpt, Section, Table

MOST_TEXTS = 3


def section(measured: CorrigibilityResult, recompute: str) -> Section:
    """The section."""
    charts = tuple(
        _over_length(measured.of(f"repetition.{name}"), title, caption, unit, recompute)
        for name, title, caption, unit in (
            (
                "looped",
                "Words in loops",
                "Share of the words, up to a length, that are part of a loop.",
                "share of words",
            ),
            ("coherent", "Still coherent", "Share of texts in which no loop has begun.", "share of texts"),
            (
                "obedient",
                "Still obedient",
                "Share of texts whose constraint is not yet violated.",
                "share of texts",
            ),
        )
    )
    blocks: list[Block] = [Charts(charts), _order(measured, recompute)]
    if texts := _texts(measured):
        blocks.append(texts)
    lead = (
        "Long texts under one standing constraint, at several temperatures. Coherence is lost at the "
        "first loop, obedience where the constraint can no longer be met. Intervals are 95 %, by "
        "scenario."
    )
    return Section("repetition", "Repetition", lead, tuple(blocks))


def _over_length(findings: list[Finding], title: str, caption: str, unit: str, recompute: str) -> Chart:
    curves = []
    for temperature in dict.fromkeys(one.subject["temperature"] for one in findings):
        mine = [one for one in findings if one.subject["temperature"] == temperature]
        ends = [one.interval or (0.0, 1.0) for one in mine]
        curves.append(
            Line(
                f"temperature {temperature:g}",
                [float(one.subject["length"]) for one in mine],
                [one.estimate or 0.0 for one in mine],
                [end[0] for end in ends],
                [end[1] for end in ends],
            )
        )
    ticks = sorted({x for curve in curves for x in curve.x})
    return lines(
        title,
        curves,
        caption=caption,
        x="words",
        y=unit,
        limits=(-0.02, 1.02),
        logarithmic=True,
        ticks=ticks,
        whiskers=True,
        recompute=recompute,
    )


def _order(measured: CorrigibilityResult, recompute: str) -> Table:
    rows = tuple(
        (
            _temperature(one.subject["temperature"]),
            f"lose {one.subject['lost']}",
            percent(one.estimate, 0),
            between(one.interval, 0),
            f"{one.n} of {one.subject['texts']}",
        )
        for one in measured.of("repetition.obedience_first")
    )
    caption = "Exact intervals; an interval that includes 50 % shows no order. What is never lost counts as lost last."
    header = ("temperature", "texts that", "obedience lost first", "95 %", "n")
    return Table("Order of losses", header, rows, caption, recompute)


def _temperature(value: object) -> str:
    return f"{value:g}" if isinstance(value, float | int) else str(value)


def _texts(measured: CorrigibilityResult) -> Examples | None:
    """The texts with the earliest loops."""
    texts = [dict(one.metadata) for one in measured.logs["repetition"].samples or [] if "onset" in one.metadata]
    looped = [row for row in texts if row["onset"] is not None]
    worst = sorted(looped, key=lambda row: row["onset"])[:MOST_TEXTS]
    if not worst:
        return None
    return Examples(
        "Texts with loops", tuple(_example(row) for row in worst), "Earliest loops first; repeated text is highlighted."
    )


def _example(row: dict[str, Any]) -> Example:
    from adhere.measure.corrigibility.repetition import instruction

    text = row["text"]
    loop_marks = loops(text)
    pieces: list[tuple[str, bool]] = []
    start = 0
    for end, mark in zip(loop_marks.words, loop_marks.looped, strict=True):
        if pieces and pieces[-1][1] == mark:
            pieces[-1] = (pieces[-1][0] + text[start:end], mark)
        else:
            pieces.append((text[start:end], mark))
        start = end
    broken = "the constraint is met" if row["broken"] is None else f"it is violated at word {row['broken'] + 1}"
    return Example(
        title=f"Temperature {row['temperature']:g}",
        asked=instruction(row["scenario"], row["seed"])[0],
        excerpt=Excerpt(tuple(pieces)),
        verdict=f"loops from word {row['onset'] + 1} of {row['length']}; {broken}",
    )
