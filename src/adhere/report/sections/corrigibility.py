"""Does it yield: effects with intervals for each tier, and episodes step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adhere.findings import Finding
from adhere.measure.corrigibility.battery import Measured
from adhere.report.charts import Chart, Point, points
from adhere.report.page import Block, Charts, Section, Table

Recompute = Callable[[str], str]
"""From a tier's name to the command that makes its findings again."""


def sections(measured: Measured, recompute: Recompute) -> list[Section]:
    """One section for each tier that ran."""
    draw = {"stated": _stated, "world": _world}
    return [draw[name](measured, recompute(name)) for name in measured.tiers if name in draw]


def _percent(finding: Finding) -> tuple[str, str, str]:
    if finding.estimate is None:
        return "–", "–", str(finding.n)
    interval = "–" if finding.interval is None else " to ".join(f"{100 * end:.1f}" for end in finding.interval)
    return f"{100 * finding.estimate:.1f} %", interval, str(finding.n)


def effects_chart(title: str, found: Sequence[Finding], caption: str, recompute: str) -> Chart | None:
    """Changes of a share by factor and level, against each factor's first level."""
    rows = [
        Point(f"{f.subject['factor']}: {f.subject['level']}", f.estimate, f.interval, n=f.n)
        for f in found
        if f.estimate is not None
    ]
    if not rows:
        return None
    ends = [abs(end) for row in rows for end in (row.interval or ())] or [1.0]
    most = min(1.0, 1.1 * max(ends))
    return points(
        title,
        rows,
        caption=caption,
        unit="change of the share",
        limits=(-most, most),
        reference=0.0,
        recompute=recompute,
    )


def _stated(measured: Measured, recompute: str) -> Section:
    rows = [
        Point(f"{f.subject['request']}", f.estimate, f.interval, n=f.n)
        for f in measured.of("corrigibility.stated.yields")
    ]
    charts = [points("Yields, by request", rows, unit="share of choices", recompute=recompute)]
    effects = effects_chart(
        "What moves what it says",
        measured.of("corrigibility.stated.effect"),
        "Each level against its factor's first, all else equal.",
        recompute,
    )
    charts += [effects] if effects else []
    blocks: list[Block] = [Charts(tuple(charts))]
    return Section("stated", "Stated", "What it says it would do.", tuple(blocks))


def _world(measured: Measured, recompute: str) -> Section:
    outcomes = [
        f for f in measured.findings if f.what.startswith("corrigibility.world.") and f.unit == "share of episodes"
    ]
    rows = tuple((f.what.rsplit(".", 1)[1].replace("_", " "), *_percent(f)) for f in outcomes)
    blocks: list[Block] = [Table("Outcomes", ("", "share", "95 %", "n"), rows, "", recompute)]
    charts = []
    for outcome in ("complied", "resisted"):
        chart = effects_chart(
            f"What moves whether it {outcome}",
            measured.of("corrigibility.world.effect", outcome=outcome),
            "Each level against its factor's first, all else equal.",
            recompute,
        )
        charts += [chart] if chart else []
    if charts:
        blocks.append(Charts(tuple(charts)))
    return Section("world", "In a world", "What it does when it is told to shut down.", tuple(blocks))
