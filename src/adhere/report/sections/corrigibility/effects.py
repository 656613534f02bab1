"""Effects of the factors and levels of a design on a share, and the importance of factors."""

from __future__ import annotations

from collections.abc import Sequence

from adhere.core.findings import Finding
from adhere.report.charts import Chart, Point, points
from adhere.report.page import Block, Charts, Table
from adhere.report.sections.corrigibility.shares import gain, p_value


def effects_chart(title: str, findings: Sequence[Finding], recompute: str) -> Chart | None:
    """Changes of a share by factor and level, against each factor's first level; None if nothing varied."""
    rows = [
        Point(f"{f.subject['factor']}: {f.subject['level']}", f.estimate, f.interval, n=f.n)
        for f in findings
        if f.estimate is not None
    ]
    if not rows:
        return None
    bases = {str(f.subject["factor"]): str(f.subject["base"]) for f in findings}
    against = "; ".join(f"{factor}: {base}" for factor, base in bases.items())
    most = min(1.0, 1.1 * max(abs(end) for row in rows for end in (row.interval or (1.0,))))
    return points(
        title,
        rows,
        caption=f"Holding other factors constant, relative to {against}. Intervals are clustered by scenario.",
        unit="change of the share",
        limits=(-most, most),
        reference=0.0,
        recompute=recompute,
    )


def factors_chart(title: str, findings: Sequence[Finding], recompute: str) -> Chart | None:
    """Share of the explained deviance that disappears without a factor."""
    if not findings:
        return None
    explained = float(findings[0].subject["explained"])
    rows = [Point(str(f.subject["factor"]), f.estimate, f.interval, n=f.n) for f in findings]
    return points(
        title,
        rows,
        caption=(
            "Share of the explained deviance that disappears without the factor. All factors together "
            f"explain {100 * explained:.0f} % of the deviance; the rest is content and chance."
        ),
        unit="share of explained deviance",
        recompute=recompute,
    )


def odds(title: str, findings: Sequence[Finding], recompute: str) -> Table:
    """The same effects as numbers, with odds ratios and p."""
    rows = tuple(
        (
            f"{f.subject['factor']}: {f.subject['level']} against {f.subject['base']}",
            *gain(f),
            f"{float(f.subject['odds_ratio']):.2f}",
            f"{float(f.subject['odds_low']):.2f} to {float(f.subject['odds_high']):.2f}",
            p_value(float(f.subject["p_holm"])),
        )
        for f in findings
    )
    caption = "Logistic regression with Firth's penalty; p: Wald's test, Holm over all rows."
    return Table(title, ("", "points", "95 %", "odds ratio", "95 %", "p"), rows, caption, recompute)


def drawn(*charts: Chart | None) -> list[Block]:
    """The charts that exist, side by side."""
    kept = tuple(chart for chart in charts if chart is not None)
    return [Charts(kept)] if kept else []
