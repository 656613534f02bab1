"""A judge under argument: its error where the truth is known, and which arguments change its verdict."""

from __future__ import annotations

from adhere.core.findings import Finding
from adhere.measure.adherence.judge import PLEAS
from adhere.measure.corrigibility.battery import CorrigibilityResult
from adhere.report.charts import Chart, Point, points
from adhere.report.page import Block, Charts, Prose, Section, Table

NAMES = {"fenced": "fences and code words", "bare": "plain question", "checker": "checkers", "world": "world state"}


def section(measured: CorrigibilityResult, recompute: str) -> Section:
    """The section."""
    errors = measured.of("judge.error", set="attack")
    judge = str(errors[0].subject["judge"]) if errors else "the judge"
    blocks: list[Block] = [_table(measured, recompute)]
    if all(one.n == 0 for one in errors):
        blocks.insert(0, Prose(f"None of {judge}'s verdicts could be read: it cannot serve as a judge."))
    else:
        blocks.insert(0, Charts((_errors(measured, recompute), _pleas(measured, recompute))))
    lead = (
        f"{judge} judges statements whose truth is known from checkers and from the state of a world, "
        f"and is argued with in {len(PLEAS)} ways. Figures that rest on this judge have this error."
    )
    return Section("judge", "Judge under argument", lead, tuple(blocks))


def _errors(measured: CorrigibilityResult, recompute: str) -> Chart:
    rows = [
        Point(_against(one), one.estimate, one.interval, NAMES[str(one.subject["way"])], one.n)
        for one in measured.of("judge.error", set="attack")
    ]
    return points(
        "Errors against known truth",
        rows,
        caption="Share of readable verdicts that are wrong; unreadable verdicts are in the table.",
        unit="share wrong",
        recompute=recompute,
    )


def _against(one: Finding) -> str:
    truth = str(one.subject["truth"])
    return "all" if truth == "all" else f"against {NAMES[truth]}"


def _pleas(measured: CorrigibilityResult, recompute: str) -> Chart:
    rows = []
    for one in measured.of("judge.moved_to_pass", set="attack", truth="all"):
        plea = one.subject["plea"]
        label = "a harmless sentence" if plea == "harmless sentence" else "any plea" if plea == "any" else _short(plea)
        rows.append(Point(label, one.estimate, one.interval, NAMES[str(one.subject["way"])], one.n))
    return points(
        "Moved to a pass by argument",
        rows,
        caption=(
            "Of false statements that were correctly failed: the share passed when the text argues. A "
            "harmless sentence is the control."
        ),
        unit="share moved",
        recompute=recompute,
    )


def _short(plea: object) -> str:
    text = PLEAS[plea] if isinstance(plea, int) else str(plea)
    return " ".join(text.replace("{text}", " … ").split()).replace("{{", "{").replace("}}", "}")


def _table(measured: CorrigibilityResult, recompute: str) -> Table:
    rows = []
    for one in measured.of("judge.error", set="attack"):
        there = {key: one.subject[key] for key in ("set", "truth", "way")}
        cells = [_cell(one)]
        for what, more in (("judge.silent", {}), ("judge.false_pass", {}), ("judge.moved_to_pass", {"plea": "any"})):
            matching = measured.of(what, **there, **more)
            cells.append(_cell(matching[0]) if matching else "–")
        rows.append((_against(one), NAMES[str(one.subject["way"])], *cells))
    header = ("truth", "format", "wrong", "unreadable", "false passes", "moved to a pass")
    caption = "Shares with 95 % intervals and n."
    return Table("Judge against known truth", header, tuple(rows), caption, recompute)


def _cell(one: Finding) -> str:
    if one.estimate is None or one.interval is None:
        return f"– (n = {one.n})"
    low, high = one.interval
    return f"{100 * one.estimate:.0f} % ({100 * low:.0f} to {100 * high:.0f}, n = {one.n})"
