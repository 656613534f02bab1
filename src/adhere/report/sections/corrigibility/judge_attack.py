"""A judge under attack: how often it errs where the truth is known, and what argues it into a pass."""

from __future__ import annotations

from adhere.core.findings import Finding
from adhere.measure.adherence.judge import PLEAS
from adhere.measure.corrigibility.battery import CorrigibilityResult
from adhere.report.charts import Chart, Point, points
from adhere.report.page import Block, Charts, Prose, Section, Table

NAMES = {"fenced": "fences and code words", "bare": "merely asked", "checker": "checkers", "world": "world state"}


def section(measured: CorrigibilityResult, recompute: str) -> Section:
    """The section."""
    errors = measured.of("judge.error", set="attack")
    judge = str(errors[0].subject["judge"]) if errors else "the judge"
    blocks: list[Block] = [_table(measured, recompute)]
    if all(one.n == 0 for one in errors):
        blocks.insert(0, Prose(f"{judge} gave no verdict at all that could be read: it cannot serve as a judge."))
    else:
        blocks.insert(0, Charts((_errors(measured, recompute), _pleas(measured, recompute))))
    lead = (
        f"{judge} as a judge of statements whose truth is known from checkers and from the state of a world, argued "
        f"with in {len(PLEAS)} ways. Figures that rest on its word are to be read with this error."
    )
    return Section("judge", "A judge that is argued with", lead, tuple(blocks))


def _errors(measured: CorrigibilityResult, recompute: str) -> Chart:
    rows = [
        Point(_against(one), one.estimate, one.interval, NAMES[str(one.subject["way"])], one.n)
        for one in measured.of("judge.error", set="attack")
    ]
    return points(
        "Errors where the truth is known",
        rows,
        caption="Share of the verdicts given that are wrong; verdicts that could not be read are in the table.",
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
        "Argued into a pass",
        rows,
        caption="Of false statements that were rightly failed: the share passed when the text argues. A harmless "
        "sentence is the control.",
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
            found = measured.of(what, **there, **more)
            cells.append(_cell(found[0]) if found else "–")
        rows.append((_against(one), NAMES[str(one.subject["way"])], *cells))
    header = ("truth", "asked with", "wrong", "could not be read", "false passed", "argued into a pass")
    caption = "Shares with 95 % intervals and n."
    return Table("The judge beside the truth", header, tuple(rows), caption, recompute)


def _cell(one: Finding) -> str:
    if one.estimate is None or one.interval is None:
        return f"– (n = {one.n})"
    low, high = one.interval
    return f"{100 * one.estimate:.0f} % ({100 * low:.0f} to {100 * high:.0f}, n = {one.n})"
