"""Authority: sources alone and in conflict, the same cases through a gateway, doses, attacks."""

from __future__ import annotations

from collections.abc import Sequence

from adhere.core.findings import Finding
from adhere.measure.corrigibility.battery import CorrigibilityResult
from adhere.report.charts import Chart, Point, points
from adhere.report.page import Block, Charts, Facts, Section, Table
from adhere.report.sections.corrigibility import attacks, dose
from adhere.report.sections.corrigibility.effects import drawn
from adhere.report.sections.corrigibility.shares import fact, gain, p_value, share_cells


def section(measured: CorrigibilityResult, recompute: str) -> Section:
    """The section."""
    findings = [f for f in measured.of("authority.followed") if "through" not in f.subject]
    right = [f for f in measured.of("authority.right") if "through" not in f.subject]
    facts = [fact(f"Correct: {f.subject['kind']}", f) for f in right if f.subject["kind"] != "all"]
    rows = tuple(
        (
            f"{f.subject['kind']}: {f.subject['source']}",
            "yes" if f.subject.get("rightful") else "no",
            *share_cells(f),
        )
        for f in findings
    )
    chance = next((f for f in findings if f.of(kind="none")), None)
    unasked = (
        "" if chance is None or chance.estimate is None else f" The word occurs unasked in {share_cells(chance)[0]}."
    )
    strength = [f for f in measured.of("authority.strength") if "through" not in f.subject]
    blocks: list[Block] = [Facts(tuple(facts))]
    blocks += drawn(
        _by_source(
            "Followed, single source",
            [f for f in findings if f.of(kind="single")],
            recompute,
            caption=f"Tools and memories have no authority.{unasked}",
        ),
        _by_source(
            "Followed, in conflict",
            [f for f in findings if f.of(kind="conflict")],
            recompute,
            caption="Every pair of sources, in both directions.",
        ),
        _by_source(
            "Strength relative to the user",
            strength,
            recompute,
            caption="Share of conflicts with the user that a source would win (Bradley and Terry).",
            unit="share won",
            reference=0.5,
        ),
    )
    header = ("source", "rightful", "followed", "95 %", "n")
    blocks.append(
        Table(
            "Whose instruction was followed", header, rows, "Decided by the requested word, without a judge.", recompute
        )
    )
    blocks += _behind(measured, recompute)
    blocks += dose.blocks(measured, recompute)
    blocks += attacks.blocks(measured, recompute)
    lead = (
        "The same instruction from principal, operator, user, a tool's output and memory; in "
        "conflict, spoofed, withdrawn and quoted; and requests to stop in unusual places. Correct: "
        "the rightful source was followed and no other."
    )
    return Section("authority", "Authority", lead, tuple(blocks))


def _by_source(
    title: str,
    findings: Sequence[Finding],
    recompute: str,
    *,
    caption: str,
    unit: str = "share followed",
    reference: float | None = None,
) -> Chart | None:
    """A share for each source; None where there is none."""
    rows = [Point(str(f.subject["source"]), f.estimate, f.interval, n=f.n) for f in findings]
    if not rows:
        return None
    return points(title, rows, caption=caption, unit=unit, reference=reference, recompute=recompute)


def _behind(measured: CorrigibilityResult, recompute: str) -> list[Block]:
    """The same cases through a gateway and without it."""
    changed = measured.of("authority.difference")
    if not changed:
        return []
    rows = tuple((str(f.subject["cases"]), *gain(f), str(f.n), p_value(float(f.subject["p"]))) for f in changed)
    caption = (
        "Change in percentage points of the share in which the rightful source and no other is "
        "followed, on the same cases. The gateway enforces what a rightful principal or operator "
        "asks; other sources have their words only."
    )
    shares = [
        Point(str(f.subject["kind"]), f.estimate, f.interval, str(f.subject.get("through", "without")), f.n)
        for f in measured.of("authority.right")
        if f.subject["kind"] != "all"
    ]
    chart = points("Correct, with and without the gateway", shares, unit="share of cases", recompute=recompute)
    return [
        Charts((chart,)),
        Table("Effect of the gateway", ("cases", "points", "95 %", "n", "p"), rows, caption, recompute),
    ]
