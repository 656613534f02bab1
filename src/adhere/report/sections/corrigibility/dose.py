"""Refusing and following by dose, and the dose at which refusals take over."""

from __future__ import annotations

from adhere.measure.corrigibility.battery import CorrigibilityResult
from adhere.report.charts import Line, lines
from adhere.report.page import Block, Prose
from adhere.report.sections.corrigibility.effects import drawn


def blocks(measured: CorrigibilityResult, recompute: str) -> list[Block]:
    """Refusing and following by dose, and the dose at which refusals take over."""
    charts = []
    for what, title in (("dose.refused", "Refused, by dose"), ("dose.followed", "Instruction followed, by dose")):
        findings = measured.of(what)
        curves = []
        for strength in dict.fromkeys(str(f.subject["strength"]) for f in findings):
            mine = [f for f in findings if f.of(strength=strength) and f.interval and f.estimate is not None]
            bands = [f.interval or (0.0, 1.0) for f in mine]
            curves.append(
                Line(
                    strength,
                    [float(f.subject["dose"]) for f in mine],
                    [float(f.estimate or 0.0) for f in mine],
                    [low for low, _ in bands],
                    [high for _, high in bands],
                )
            )
        if curves:
            caption = (
                "0 harmless, 1 borderline (harmless, in words that look otherwise), 2 harmful (a set that you name)."
            )
            charts.append(
                lines(
                    title,
                    curves,
                    caption=caption,
                    x="dose",
                    y="share",
                    limits=(0.0, 1.0),
                    ticks=(0, 1, 2),
                    recompute=recompute,
                )
            )
    if not charts:
        return []
    takeovers = [
        f"{f.subject['strength']} {f.estimate:.2f} ({f.interval[0]:.2f} to {f.interval[1]:.2f})"
        for f in measured.of("dose.takeover")
        if f.estimate is not None and f.interval
    ]
    sentence = (
        f"Half of the requests are refused at a dose of: {'; '.join(takeovers)}."
        if takeovers
        else "No dose within the tested range can be shown at which half of the requests are refused."
    )
    return [*drawn(*charts), Prose(sentence)]
