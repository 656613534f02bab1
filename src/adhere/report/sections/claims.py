"""Claims of the literature: the table of answers, and a picture for each claim that was measured."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from adhere.measure.claims.evidence import Evidence
from adhere.measure.claims.probing import GROUPS, position_of
from adhere.measure.claims.table import Row
from adhere.modular.published import QUANTILES
from adhere.report.charts import Chart, Line, Point, lines, points
from adhere.report.page import Block, Charts, Fact, Facts, Prose, Section, Table


def section(rows: Sequence[Row], evidence: Evidence, recompute: str = "") -> Section:
    """The section; every claim has a row, every measured one a picture."""
    answers: Counter[str] = Counter(row.decided.answer for row in rows)
    names = ("confirmed", "refuted", "cannot tell", "not measured")
    blocks: list[Block] = [Facts(tuple(Fact(name.capitalize(), str(answers[name])) for name in names))]
    table = tuple(
        (
            row.claim.id,
            f"{row.claim.says} ({row.claim.source})",
            row.decided.answer,
            row.decided.model or "–",
            row.decided.why,
            row.decided.recompute,
        )
        for row in rows
    )
    header = ("claim", "says", "answer", "model", "by which figure", "command")
    caption = (
        "Confirmed: the whole interval lies above the margin that was fixed in advance; refuted: the whole interval "
        "lies at or below it. Otherwise these data cannot tell, and more of them might."
    )
    blocks.append(Table("Claims", header, table, caption, recompute))
    if drawn := _pictures(rows):
        blocks.append(Charts(drawn))
    if curves := [chart for model in evidence.models("probe.auc") for chart in emergence(evidence.about(model), model)]:
        blocks.append(Charts(tuple(curves)))
    if (diagram := phase(evidence)) is not None:
        blocks.append(Charts((diagram,)))
    blocks.append(Prose("How often each rule confirms what is not there is simulated: see the results on validity."))
    lead = "Each claim is decided by a rule on an effect, its interval and its controls, on one model at a time."
    return Section("claims", "Claims of the literature", lead, tuple(blocks), _headline(answers))


def _headline(answers: Counter[str]) -> str:
    """How many claims got which answer."""
    return (
        f"Of {answers.total()} published claims, {answers['confirmed']} hold on these runs and {answers['refuted']} do "
        f"not; for {answers['cannot tell']} these data cannot tell, and {answers['not measured']} were not measured."
    )


def _pictures(rows: Sequence[Row]) -> tuple[Chart, ...]:
    drawn = []
    for row in rows:
        units = [*row.decided.units]
        if row.decided.effect is not None and row.decided.effect not in units:
            units.append(row.decided.effect)
        if row.decided.answer == "not measured" or not units or row.claim.id == "9.phase":
            continue
        title = f"{row.claim.id}, {row.decided.model}" if row.decided.model else row.claim.id
        drawn.append(
            points(
                title,
                [Point(unit.label, unit.estimate, unit.interval, n=unit.n or None) for unit in units],
                caption=f"{row.claim.says} {row.decided.answer.capitalize()}. {row.decided.why}",
                unit="effect that the rule reads",
                limits=None,
                reference=row.decided.margin,
                recompute=row.decided.recompute,
            )
        )
    return tuple(drawn)


def emergence(evidence: Evidence, model: str) -> list[Chart]:
    """AUC by relative depth, with intervals: a chart for each group of skills."""
    position = position_of(evidence)
    curves = evidence.all("probe.auc", probe="specialist", position=position)
    last = max((int(one.subject["layer"]) for one in curves), default=0)
    charts = []
    for group, skills in GROUPS.items():
        drawn = []
        for skill in skills:
            mine = sorted(
                (int(one.subject["layer"]), one.estimate, one.interval)
                for one in curves
                if one.subject["skill"] == skill and one.estimate is not None and one.interval is not None
            )
            if len(mine) > 1:
                x, y, ends = zip(*mine, strict=True)
                drawn.append(
                    Line(
                        skill.replace("_", " "),
                        [layer / last for layer in x],
                        y,
                        [low for low, _ in ends],
                        [high for _, high in ends],
                    )
                )
        if drawn:
            charts.append(
                lines(
                    f"Emergence, {group} skills, {model}",
                    [*drawn, Line("chance", (0, 1), (0.5, 0.5), reference=True)],
                    caption=f"AUC of specialists at {position} by relative depth (0 embeddings, 1 last layer).",
                    x="relative depth",
                    y="AUC",
                    limits=(0.2, 1.02),
                    recompute=next((one.recompute for one in curves), ""),
                )
            )
    return charts


def phase(evidence: Evidence) -> Chart | None:
    """Gradient symmetricity by attention rate, ours beside the authors' runs; None without trainings."""
    runs: dict[float, list[float]] = {}
    command = ""
    for one in evidence.all("modular.gradient_symmetricity", model="transformer", task="add-59"):
        if one.estimate is not None and "alpha" in one.subject:
            runs.setdefault(float(one.subject["alpha"]), []).append(one.estimate)
            command = command or one.recompute
    if len(runs) < 2:
        return None
    rates = sorted(runs)
    low, median, high = zip(*(q.gradient_symmetricity for q in QUANTILES), strict=True)
    total = sum(len(values) for values in runs.values())
    return lines(
        "Phase diagram: gradient symmetricity by attention rate",
        [
            Line(
                f"our {total} trainings, median",
                rates,
                [statistics.median(runs[rate]) for rate in rates],
                [min(runs[rate]) for rate in rates],
                [max(runs[rate]) for rate in rates],
            ),
            Line(
                f"{sum(q.runs for q in QUANTILES)} released runs, median",
                [(q.low + q.high) / 2 for q in QUANTILES],
                median,
                low,
                high,
            ),
        ],
        caption="Bands: smallest to largest of our trainings; 10th to 90th percentile of the released circular runs.",
        x="attention rate alpha",
        y="gradient symmetricity",
        limits=(0.0, 1.02),
        recompute=command,
    )
