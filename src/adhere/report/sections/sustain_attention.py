"""Attention to constraints: over the response, by layer, and scaled.

Drawn from the findings `attention.constraint` (`explain.analyses.attention`) and from the arms `attend` of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adhere.core.findings import Finding
from adhere.measure.sustain.scores import Scores
from adhere.report.charts import Chart, Grid, Line, heat, lines


def attended(findings: Iterable[Finding], recompute: str) -> list[Chart]:
    """Attention to the constraint over the response, failed and sustained, and where they differ."""
    mine = [one for one in findings if one.what == "attention.constraint" and one.estimate is not None]
    charts = []
    for measure, words in (("relative", "Share of the attention to constraint and problem"), ("raw", "Attention")):
        course = [one for one in mine if one.of(layer="all", measure=measure) and _tenth(one) is not None]
        if course:
            overall = [_overall(one) for one in mine if one.of(layer="all", progress="all", measure=measure)]
            charts.append(
                lines(
                    f"Attention to the constraint, {measure}",
                    [_of_outcome(course, outcome) for outcome in ("failed", "sustained")],
                    caption=(
                        f"{words} that goes to the constraint's tokens, mean over layers and heads, for "
                        "responses that lost the problem and those that sustained it, matched on "
                        "condition and length. "
                    )
                    + " ".join(overall).strip(),
                    x="percent of the response written",
                    y=measure,
                    recompute=recompute,
                )
            )
    difference = [one for one in mine if one.of(outcome="difference", measure="relative") and _tenth(one) is not None]
    layers = sorted({layer for one in difference if isinstance(layer := one.subject["layer"], int)})
    if layers:
        charts.append(_by_layer(difference, layers, recompute))
    return charts


def _tenth(one: Finding) -> int | None:
    at = one.subject.get("progress")
    return at if isinstance(at, int) else None


def _overall(one: Finding) -> str:
    if one.subject["outcome"] != "difference" or one.interval is None or one.estimate is None:
        return ""
    low, high = one.interval
    difference = f"{one.estimate:+.3f} ({low:+.3f} to {high:+.3f}, n = {one.n})"
    return f"Over the whole response, failed minus sustained: {difference}."


def _of_outcome(course: Sequence[Finding], outcome: str) -> Line:
    mine = sorted((one for one in course if one.subject["outcome"] == outcome), key=lambda one: _tenth(one) or 0)
    ends = [one.interval or (float("nan"), float("nan")) for one in mine]
    return Line(
        outcome,
        [float(_tenth(one) or 0) for one in mine],
        [one.estimate or 0.0 for one in mine],
        [end[0] for end in ends],
        [end[1] for end in ends],
    )


def _by_layer(difference: Sequence[Finding], layers: Sequence[int], recompute: str) -> Chart:
    tenths = sorted({at for one in difference if (at := _tenth(one)) is not None})
    cells = {(one.subject["layer"], _tenth(one)): one for one in difference}
    rows = [[cells.get((layer, at)) for at in tenths] for layer in layers]
    values = tuple(tuple(one.estimate if one else None for one in row) for row in rows)
    apart = frozenset(
        (i, j)
        for i, row in enumerate(rows)
        for j, one in enumerate(row)
        if one and one.interval and not one.interval[0] <= 0 <= one.interval[1]
    )
    most = max([0.05, *(abs(value) for row in values for value in row if value is not None)])
    return heat(
        "Failed minus sustained, by layer",
        Grid(tuple(f"layer {layer}" for layer in layers), tuple(map(str, tenths)), values, apart),
        caption=(
            "Difference of relative attention, by layer and percent of the response written. Underlined: "
            "the interval excludes 0, not corrected for the number of cells."
        ),
        limits=(-most, most),
        diverging=True,
        recompute=recompute,
    )


def scaled(scores: Scores, recompute: str) -> list[Chart]:
    """Effect of scaling the attention to the constraint on Sustain and IF; factor 1 is the plain constraint."""
    charts = []
    for k in sorted({one.condition[1] for one in scores.conditions if one.condition[0] == "attend"}):
        mine = [one for one in scores.conditions if one.condition[:3] == ("attend", k, "after")]
        mine += [one for one in scores.of("constraint", k=k) if all(other.condition[3] != 1.0 for other in mine)]
        mine.sort(key=lambda one: one.condition[3])
        factors = [one.condition[3] for one in mine]
        curves = []
        for name, rates in (
            ("still solved", [one.sustain for one in mine]),
            ("constraint met", [one.met for one in mine]),
        ):
            low, high = [rate.interval[0] for rate in rates], [rate.interval[1] for rate in rates]
            curves.append(Line(name, factors, [rate.estimate for rate in rates], low, high))
        charts.append(
            lines(
                f"Effect of attention scaling, k = {k}",
                curves,
                caption=(
                    "Attention to the constraint's tokens is scaled while the response is written; 1 is "
                    "the unchanged model. If less attention restores the answer, the first curve rises "
                    "to the left."
                ),
                x="factor",
                y="share",
                limits=(-0.02, 1.02),
                ticks=factors,
                recompute=recompute,
            )
        )
    return charts
