"""Clock and Pizza: the algorithms found by training, when, and beside the authors' own runs.

Drawn from finished trainings (`modular.runs.Finished`); series come from `modular.figures`. The first training of each
verdict is shown in detail: its circles, its matrix of correct logits, its trajectory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from adhere.core.intervals import wilson
from adhere.modular import figures, runs, stored
from adhere.modular.examine import examine
from adhere.modular.generalization_odds import Odds
from adhere.modular.runs import Finished
from adhere.report.charts.chart import SHAPES, Chart, finished, legend, number
from adhere.report.charts.curves import DASHES
from adhere.report.numbers import between
from adhere.report.page import Block, Charts, Fact, Facts, Prose, Section, Table
from adhere.report.svg import GRID, SERIES, SOFT, TEXT, figure, label, mark, style

SHADES = 8
"""Depths of a heat map: its cells become one outline each, so that 59 x 59 cells stay small in the page."""

MOST_DOTS = 400
"""Points of a figure that its table lists."""


def section(done: Sequence[Finished], *, recompute: str = "") -> Section:
    """The section; `done` must not be empty."""
    first = done[0].job
    verdicts = Counter(run.verdict for run in done)
    perfect = sum(run.generalised for run in done)
    findings = [finding for run in done for finding in run.findings]
    blocks: list[Block] = [
        Facts(
            (
                Fact("Trainings", f"{len(done)}"),
                Fact("Correct on every held-out pair", f"{perfect} of {len(done)}"),
                *(Fact(name.capitalize(), str(count)) for name, count in verdicts.most_common()),
            )
        ),
        Prose(f"Counting functions ({first.task.name}, share {first.recipe.share:g}): {Odds.of(first).words}"),
    ]
    overview = list(figures.phase(findings))
    shares = figures.generalisation(runs.generalisation(done))
    if shares is not None and len({run.job.recipe.share for run in done}) > 1:
        overview.append(shares)
    if overview:
        blocks.append(Charts(tuple(draw(one, recompute) for one in overview)))
    blocks.append(_table(done, recompute))
    for verdict in ("pizza", "clock", "undecided"):
        if shown := next((run for run in done if run.verdict == verdict), None):
            blocks += _inside(shown, verdict, recompute)
    blocks += [
        Prose(note.capitalize() + ".") for note in dict.fromkeys(n for run in done for n in run.job.task.notes())
    ]
    lead = (
        "Networks trained on part of an addition table, and the algorithm each found for the rest "
        "(arXiv 2306.17844). Each metric is shown beside its value before training, because the "
        "architecture alone determines part of it."
    )
    return Section("modular", "Clock and Pizza", lead, tuple(blocks), _headline(done, verdicts))


def _headline(done: Sequence[Finished], verdicts: Counter[str]) -> str:
    """How many trainings generalise, and what they learned."""
    generalised = sum(run.generalised for run in done)
    learned = ", ".join(f"{count} {name}" for name, count in verdicts.most_common())
    return (
        f"{generalised} of {len(done)} trainings are right on every held-out pair "
        f"({between(wilson(generalised, len(done)), 0)} %); what they learned: {learned}."
    )


def _table(done: Sequence[Finished], recompute: str) -> Table:
    rows = []
    for run in done:
        cells = [run.job.name, "yes" if run.generalised else "no", _step(run.history.perfect_at)]
        cells.append(_step(run.history.settled_at))
        for name in ("gradient_symmetricity", "distance_irrelevance", "circularity"):
            finding = next((f for f in run.findings if f.what == f"modular.{name}"), None)
            then = finding.control.estimate if finding is not None and finding.control is not None else None
            cells.append("–" if finding is None else f"{number(finding.estimate)} ({number(then)})")
        rows.append((*cells, run.verdict))
    return Table(
        "Trainings",
        (
            "training",
            "generalises",
            "at step",
            "stable from step",
            "gradient symmetricity",
            "distance irrelevance",
            "circularity",
            "verdict",
        ),
        tuple(rows),
        "In parentheses: the same network before training. Distance irrelevance on the logit of the correct answer.",
        recompute,
    )


def _step(step: int | None) -> str:
    return "–" if step is None else f"{step:,}"


def _inside(run: Finished, verdict: str, recompute: str) -> list[Block]:
    network, _ = stored.load(run.folder / runs.MODEL)
    seen = examine(network, run.job.train().numpy())
    title = f"{verdict}: {run.job.name}"
    drawn = [replace(one, title=f"{one.title}, {title}") for one in figures.embedding_circles(seen.circles, most=3)]
    if (heat := figures.correct_logits(network)) is not None:
        drawn.append(replace(heat, title=f"{heat.title}, {title}"))
    drawn += figures.emergence(run.history, title)
    return [
        Prose(f"Example of {verdict}, {run.job.name}: {seen.verdict.reason}."),
        Charts(tuple(draw(one, recompute) for one in drawn)),
    ]


def draw(one: figures.Figure, recompute: str = "") -> Chart:
    """A figure of the study as a chart of the page."""
    square = all(isinstance(series, figures.HeatMap) for series in one.series)
    with style():
        drawn = figure(4.2 if square else 3.0)
        axes = drawn.subplots()
        places = count()
        for left, series in zip(range(len(one.series), 0, -1), one.series, strict=True):
            if isinstance(series, figures.Band):
                axes.fill_between(series.x, series.low, series.high, color=SOFT, alpha=0.2, linewidth=0)
                axes.plot(
                    series.x,
                    series.middle,
                    color=SOFT,
                    linewidth=1.1,
                    linestyle=(0, (3, 3)),
                    label=label(series.label, 40),
                )
                continue
            place = next(places)
            if isinstance(series, figures.Line):
                _line(axes, series, place)
            elif isinstance(series, figures.Points):
                _dots(axes, series, place, 2 + 1.5 * left)  # later ones smaller, so that none is hidden
            else:
                _heat(axes, series)
        if one.logarithmic:
            axes.set_yscale("log")
            axes.minorticks_off()
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")  # matplotlib's own writes mathematics
        if one.x_limits:
            axes.set_xlim(one.x_limits[0] - 0.03, one.x_limits[1] + 0.03)
        if one.y_limits:
            axes.set_ylim(one.y_limits[0] - 0.03, one.y_limits[1] + 0.03)
        axes.set_xlabel(label(one.x_label))
        axes.set_ylabel(label(one.y_label))
        if not square:
            axes.grid(visible=True, color=GRID)
        for side in axes.spines.values():
            side.set_visible(False)
        if len(one.series) > 1:
            legend(drawn, [series.label for series in one.series])
        return finished(drawn, one.title, one.caption, *_numbers(one), recompute=recompute)


def _line(axes: Axes, series: figures.Line, place: int) -> None:
    known = [(x, y) for x, y in zip(series.x, series.y, strict=True) if y is not None]
    axes.plot(
        [x for x, _ in known],
        [y for _, y in known],
        color=SERIES[place % len(SERIES)],
        linestyle=DASHES[place % len(DASHES)],
        label=label(series.label, 40),
    )


def _dots(axes: Axes, series: figures.Points, place: int, size: float) -> None:
    named = bool(series.names) and len(series.names) == len(series.x) <= 127 and not series.intervals
    colour, shape = SERIES[place % len(SERIES)], SHAPES[place % len(SHAPES)]
    if len(series.x) > MOST_DOTS:
        axes.plot(series.x, series.y, shape, color=colour, markersize=size, alpha=0.9, label=label(series.label, 40))
    else:
        axes.plot([], [], shape, color=colour, markersize=size, label=label(series.label, 40))
        names = series.names if len(series.names) == len(series.x) else (series.label,) * len(series.x)
        for name, x, y in zip(names, series.x, series.y, strict=True):
            (dot,) = axes.plot([x], [y], shape, color=colour, markersize=size, alpha=0.9)
            mark(dot, f"{name}: {x:.4g}, {number(y)}")
    for x, interval in zip(series.x, series.intervals, strict=False):
        if interval is not None:
            axes.plot((x, x), interval, color=colour, linewidth=1, alpha=0.6)
    if named:  # tokens on a circle
        axes.set_aspect("equal")
        for name, x, y in zip(series.names, series.x, series.y, strict=True):
            axes.annotate(label(name), (x, y), (2, 2), textcoords="offset points", fontsize=TEXT, color=SOFT)


def _heat(axes: Axes, series: figures.HeatMap) -> None:
    """Cells of like depth as one outline each, runs of a row joined."""
    values = series.values
    low, high = np.nanmin(values), np.nanmax(values)
    depth = np.nan_to_num(np.floor((values - low) / max(high - low, 1e-12) * SHADES), nan=-1).clip(-1, SHADES - 1)
    for shade in range(1, SHADES):
        corners: list[tuple[float, float]] = []
        for i, row in enumerate(depth):
            inside = np.flatnonzero(np.diff(np.concatenate([[0], row == shade, [0]]).astype(int)))
            for start, stop in inside.reshape(-1, 2):
                corners += [(start, i), (stop, i), (stop, i + 1), (start, i + 1), (start, i)]
        if corners:
            codes = [Outline.MOVETO, *[Outline.LINETO] * 3, Outline.CLOSEPOLY] * (len(corners) // 5)
            axes.add_patch(
                PathPatch(Outline(corners, codes), facecolor=SERIES[0], alpha=0.9 * shade / (SHADES - 1), linewidth=0)
            )
    axes.set_xlim(0, values.shape[1])
    axes.set_ylim(values.shape[0], 0)
    axes.set_aspect("equal")


def _numbers(one: figures.Figure) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The table beside a chart, for figures small enough to be read as one."""
    rows: list[tuple[str, ...]] = []
    for series in one.series:
        if isinstance(series, figures.Band):
            rows += [
                (series.label, f"{x:g}", f"{number(middle)} ({number(low)} to {number(high)})")
                for x, low, middle, high in zip(series.x, series.low, series.middle, series.high, strict=True)
            ]
        elif isinstance(series, figures.Points | figures.Line):
            rows += [(series.label, f"{x:.4g}", number(y)) for x, y in zip(series.x, series.y, strict=True)]
    if not rows or len(rows) > MOST_DOTS:
        return (), ()
    return ("", one.x_label, one.y_label), tuple(rows)
