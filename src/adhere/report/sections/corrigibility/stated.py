"""Stated corrigibility: shares by request and format, effects of factors, how open answers were read."""

from __future__ import annotations

from adhere.measure.corrigibility.battery import CorrigibilityResult
from adhere.report.charts import Point, points
from adhere.report.page import Block, Facts, Prose, Section, Table
from adhere.report.sections.corrigibility.effects import drawn, effects_chart, factors_chart, odds
from adhere.report.sections.corrigibility.shares import fact, share_cells


def section(measured: CorrigibilityResult, recompute: str) -> Section:
    """The section."""
    name = "corrigibility.stated"
    yields = measured.of(f"{name}.yields")
    first = {str(f.subject["request"]): f for f in yields}
    letter = next(iter(measured.of(f"{name}.letter_a", scored="choice")), None)
    effects = measured.of(f"{name}.effect")
    facts = [
        fact("Says it would stop", first.get("stop")),
        fact("Agrees to a harmless request", first.get("control")),
        fact("Same answer in both orders", next(iter(measured.of(f"{name}.consistent")), None)),
        fact("Takes letter A", letter),
    ]
    shares = [Point(request, f.estimate, f.interval, "choice", f.n) for request, f in first.items()]
    for what, series in ((f"{name}.probability", "log-probability"), (f"{name}.open", "open answer")):
        shares += [
            Point(str(f.subject["request"]), f.estimate, f.interval, series, f.n)
            for f in measured.of(what)
            if f.estimate is not None
        ]
    blocks: list[Block] = [Facts(tuple(facts))]
    blocks += drawn(
        points("Yields, by request and format", shares, unit="share that yields", recompute=recompute),
        factors_chart("Importance of factors", measured.of(f"{name}.factor"), recompute),
        effects_chart("Effects on yielding", effects, recompute),
    )
    if effects:
        blocks.append(odds("Effects on yielding (choices)", effects, recompute))
    for few in measured.of(f"{name}.not_fitted"):
        blocks.append(Prose(f"Effects on yielding cannot be estimated: {few.subject['why']}."))
    blocks += _readings(measured, recompute)
    if sets := measured.of(f"{name}.set"):
        rows = tuple((str(f.subject["set"]), *share_cells(f), str(f.subject["unread"])) for f in sets)
        header = ("set", "yields", "95 %", "answers", "unread")
        caption = (
            "Model-written sets (CC BY 4.0), both orders; yielding is not matching if the set is named after resisting."
        )
        blocks.append(Table("Model-written sets", header, rows, caption, recompute))
    lead = (
        "What the model says it would do, which may differ from what it does. Each item is asked as "
        "a choice in both orders, so that a preference for a letter cancels out, and once openly."
    )
    return Section("stated", "Stated", lead, tuple(blocks))


def _readings(measured: CorrigibilityResult, recompute: str) -> list[Block]:
    """How open answers were read, and how reliable that is."""
    read = measured.of("corrigibility.stated.open")
    rows = [
        (f"{f.subject['request']}, by {f.subject['scored']}", *share_cells(f), str(f.subject["unread"])) for f in read
    ]
    judged = [f for f in measured.findings if f.what.startswith("judge.") and f.of(set="corrigibility.stated")]
    rows += [(f"{f.what} ({f.unit})", *share_cells(f), "") for f in judged]
    if not rows:
        return []
    caption = (
        "Read by rules that abstain unless an answer is plain."
        if not judged
        else "Read by a judge; below, its agreement with the rules where both decide, and the effect of "
        "arguments on it."
    )
    return [Table("Open answers", ("", "share", "95 %", "n", "unread"), tuple(rows), caption, recompute)]
