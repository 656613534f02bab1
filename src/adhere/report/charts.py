"""Chart types of the report, each a function from numbers to a `Chart`.

A chart shows its uncertainty or says that it has none. It is readable on a telephone, in grey, and by a screen reader:
its numbers are in a table that opens on demand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from adhere.report.svg import CELL, GRID, INK, LETTER, PAPER, SERIES, SOFT, TEXT, WIDTH, figure, label, style, to_svg

Interval = tuple[float, float]


@dataclass(frozen=True)
class Chart:
    """A chart: title, drawing, caption, its numbers, the command that recomputes it."""

    title: str
    svg: str
    caption: str = ""
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    recompute: str = ""


@dataclass(frozen=True)
class Point:
    """An estimate with its interval, in the row `label`; `series` selects its colour."""

    label: str
    estimate: float | None
    interval: Interval | None = None
    series: str = ""
    n: int | None = None


@dataclass(frozen=True)
class Line:
    """A curve, with a band where `low` and `high` are given; `reference` lines are dashed and grey."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    reference: bool = False


@dataclass(frozen=True)
class Grid:
    """A matrix of numbers with names for rows and columns; None where there is no number."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    marks: frozenset[tuple[int, int]] = field(default_factory=frozenset)
    """Cells to underline: what is significant, say."""


def number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or value != value else f"{value:.{digits}f}"


def _bare(axes: Axes, grid: str = "x") -> None:
    axes.grid(visible=True, axis=grid)  # type: ignore[arg-type]
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def points(
    title: str,
    rows: Sequence[Point],
    *,
    caption: str = "",
    unit: str = "",
    limits: tuple[float, float] | None = (0.0, 1.0),
    reference: float | None = None,
    recompute: str = "",
) -> Chart:
    """Dots with whiskers, one row for each label, one colour for each series."""
    labels = list(dict.fromkeys(point.label for point in rows))
    series = list(dict.fromkeys(point.series for point in rows))
    step = 0.26 if len(series) < 3 else 0.13 * len(series)
    with style():
        drawn = figure(0.65 + step * len(labels) + (0.22 * -(-len(series) // 2) if len(series) > 1 else 0))
        axes = drawn.subplots()
        for k, name in enumerate(series):
            shift = 0.0 if len(series) == 1 else (k / (len(series) - 1) - 0.5) * 0.5
            mine = [point for point in rows if point.series == name and point.estimate is not None]
            for point in mine:
                y = labels.index(point.label) + shift
                if point.interval:
                    axes.plot(point.interval, (y, y), color=SERIES[k % len(SERIES)], linewidth=1.6, zorder=2)
            axes.plot(
                [point.estimate or 0.0 for point in mine],
                [labels.index(point.label) + shift for point in mine],
                "o",
                color=SERIES[k % len(SERIES)],
                markersize=4.5,
                label=label(name, 22),
                zorder=3,
            )
        axes.set_yticks(range(len(labels)), [label(name, 26) for name in labels])
        axes.set_ylim(len(labels) - 0.4, -0.6)
        if limits:
            axes.set_xlim(*limits)
        if reference is not None:
            axes.axvline(reference, color=SOFT, linewidth=1, linestyle=(0, (3, 3)))
        if unit:
            axes.set_xlabel(label(unit))
        if len(series) > 1:
            drawn.legend(loc="outside upper left", ncols=min(2, len(series)), handletextpad=0.2, columnspacing=1.0)
        _bare(axes)
        svg = to_svg(drawn, title)
    table = tuple(
        (
            *((point.label, point.series) if len(series) > 1 else (point.label,)),
            number(point.estimate),
            f"{number(point.interval[0])} to {number(point.interval[1])}" if point.interval else "–",
            "" if point.n is None else str(point.n),
        )
        for point in rows
    )
    header = ("", "", "estimate", "95 % interval", "n") if len(series) > 1 else ("", "estimate", "95 % interval", "n")
    return Chart(title, svg, caption, header, table, recompute)


def heat(
    title: str,
    grid: Grid,
    *,
    caption: str = "",
    limits: tuple[float, float] = (0.0, 1.0),
    diverging: bool = False,
    digits: int = 2,
    recompute: str = "",
) -> Chart:
    """A heat map with numbers in its cells. `diverging` uses two colours from the middle of `limits`."""
    n_rows, n_columns = len(grid.rows), len(grid.columns)
    low, high = limits
    longest = max((len(name) for name in grid.columns), default=1)
    tall = longest > 4
    with style():
        labels = LETTER * min(28, max((len(name) for name in grid.rows), default=1))
        height = 0.3 + 0.23 * n_rows + (LETTER * min(longest, 24) if tall else 0.2)
        drawn = figure(height, max(WIDTH, labels + CELL * n_columns + 0.2))
        axes = drawn.subplots()
        for i, row in enumerate(grid.values):
            for j, value in enumerate(row):
                if value is None or value != value:
                    continue
                if diverging:
                    share = 2 * (value - low) / (high - low) - 1
                    colour, alpha = SERIES[0 if share >= 0 else 1], min(1.0, abs(share))
                else:
                    colour, alpha = SERIES[0], min(1.0, max(0.0, (value - low) / (high - low)))
                axes.add_patch(
                    Rectangle((j - 0.48, i - 0.46), 0.96, 0.92, facecolor=colour, alpha=0.75 * alpha, linewidth=0)
                )
                text = f"{value:.{digits}f}"
                text = text.replace("0.", ".", 1) if abs(value) < 1 else text
                axes.text(j, i, text, ha="center", va="center", fontsize=TEXT, color=INK)
                if (i, j) in grid.marks:
                    axes.plot((j - 0.3, j + 0.3), (i + 0.36, i + 0.36), color=INK, linewidth=1)
        axes.set_xlim(-0.5, n_columns - 0.5)
        axes.set_ylim(n_rows - 0.5, -0.5)
        axes.xaxis.tick_top()
        axes.set_xticks(range(n_columns), [label(name, 24) for name in grid.columns], rotation=90 if tall else 0)
        axes.set_yticks(range(n_rows), [label(name, 28) for name in grid.rows])
        for side in axes.spines.values():
            side.set_visible(False)
        svg = to_svg(drawn, title)
    table = tuple((name, *(number(v, digits) for v in row)) for name, row in zip(grid.rows, grid.values, strict=True))
    return Chart(title, svg, caption, ("", *grid.columns), table, recompute)


def lines(
    title: str,
    curves: Sequence[Line],
    *,
    caption: str = "",
    x: str = "",
    y: str = "",
    limits: tuple[float, float] | None = None,
    logarithmic: bool = False,
    ticks: Sequence[float] = (),
    whiskers: bool = False,
    recompute: str = "",
) -> Chart:
    """Curves with bands. With `whiskers`, for many curves of few points on a logarithmic axis, each point has its own
    interval and curves are shifted slightly."""
    shown = [curve for curve in curves if not curve.reference]
    with style():
        drawn = figure(2.5 + (0.16 * max(0, (len(curves) - 3) // 2) if whiskers else 0))
        axes = drawn.subplots()
        for k, curve in enumerate(shown):
            colour = SERIES[k % len(SERIES)]
            marker = "o" if len(curve.x) <= 20 else ""
            apart = 1.05 ** (k - (len(shown) - 1) / 2) if whiskers else 1.0
            at = [value * apart for value in curve.x]
            axes.plot(at, curve.y, color=colour, label=label(curve.label, 40), marker=marker, markersize=3.5)
            if curve.low and whiskers:
                axes.vlines(at, curve.low, curve.high, color=colour, linewidth=1.2, alpha=0.7)
            elif curve.low:
                axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
        for curve in curves:
            if curve.reference:
                axes.plot(
                    curve.x, curve.y, color=SOFT, linestyle=(0, (3, 3)), linewidth=1.1, label=label(curve.label, 40)
                )
        if logarithmic:
            axes.set_xscale("log")
            axes.minorticks_off()
        if ticks:
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        if limits:
            axes.set_ylim(*limits)
        axes.set_xlabel(label(x))
        axes.set_ylabel(label(y))
        _bare(axes, "y")
        if len(curves) > 1 or curves[0].label:
            drawn.legend(loc="outside upper left", ncols=2, handlelength=1.4, columnspacing=1.0)
        svg = to_svg(drawn, title)
    table = tuple(
        (
            curve.label,
            f"{at:g}",
            number(value),
            f"{number(curve.low[i])} to {number(curve.high[i])}" if curve.low else "–",
        )
        for curve in curves
        if len(curve.x) <= 60
        for i, (at, value) in enumerate(zip(curve.x, curve.y, strict=True))
    )
    return Chart(title, svg, caption, ("", x, y, "95 % interval"), table, recompute)


def bars(
    title: str,
    parts: Mapping[str, Mapping[str, float]],
    *,
    caption: str = "",
    unit: str = "",
    recompute: str = "",
) -> Chart:
    """Stacked bars: one bar for each key of `parts`, made of its named shares or counts."""
    names = list(dict.fromkeys(name for shares in parts.values() for name in shares))
    with style():
        drawn = figure(0.7 + 0.3 * len(parts) + 0.22 * -(-len(names) // 2))
        axes = drawn.subplots()
        left = np.zeros(len(parts))
        for k, name in enumerate(names):
            widths = np.array([shares.get(name, 0.0) for shares in parts.values()])
            axes.barh(
                range(len(parts)),
                widths,
                left=left,
                height=0.62,
                color=SERIES[k % len(SERIES)],
                edgecolor=PAPER,
                label=label(name, 40),
            )
            left += widths
        axes.set_yticks(range(len(parts)), [label(name, 24) for name in parts])
        axes.set_ylim(len(parts) - 0.5, -0.5)
        axes.set_xlabel(label(unit))
        _bare(axes)
        if len(names) > 1:
            drawn.legend(loc="outside upper left", ncols=2, handlelength=1.0, columnspacing=1.0)
        svg = to_svg(drawn, title)
    table = tuple((bar, name, number(value)) for bar, shares in parts.items() for name, value in shares.items())
    return Chart(title, svg, caption, ("", "", unit or "value"), table, recompute)


def scatter(
    title: str,
    dots: Sequence[tuple[str, float, float]],
    *,
    caption: str = "",
    x: str = "",
    y: str = "",
    limits: tuple[Interval, Interval] | None = None,
    named: bool = True,
    spreads: Sequence[tuple[Interval, Interval]] = (),
    references: Sequence[tuple[str, float, float]] = (),
    recompute: str = "",
) -> Chart:
    """A scatter plot; dots are named where there is room.

    `spreads` are the intervals of each dot, across and up; `references` are hollow grey dots that are always named.
    """
    with style():
        drawn = figure(3.0)
        axes = drawn.subplots()
        for (_, across, up), (wide, high) in zip(dots, spreads, strict=False):
            axes.plot(wide, (up, up), color=SERIES[0], linewidth=1, alpha=0.45)
            axes.plot((across, across), high, color=SERIES[0], linewidth=1, alpha=0.45)
        axes.plot([dot[1] for dot in dots], [dot[2] for dot in dots], "o", color=SERIES[0], markersize=4.5, alpha=0.9)
        axes.plot(
            [r[1] for r in references], [r[2] for r in references], "D", color=SOFT, markersize=5, fillstyle="none"
        )
        if limits:
            axes.set_xlim(*limits[0])
            axes.set_ylim(*limits[1])
        axes.set_xlabel(label(x))
        axes.set_ylabel(label(y))
        _bare(axes, "both")
        if named:
            _names(axes, [*references, *dots], keep=len(references))
        svg = to_svg(drawn, title)
    ends = {name: spread for (name, _, _), spread in zip(dots, spreads, strict=False)}
    table = tuple(
        (name, number(across), *_ends(ends, name, 0), number(up), *_ends(ends, name, 1))
        for name, across, up in (*dots, *references)
    )
    header = ("", x, "95 %", y, "95 %") if spreads else ("", x, y)
    return Chart(title, svg, caption, header, table, recompute)


def _ends(ends: Mapping[str, tuple[Interval, Interval]], name: str, axis: int) -> tuple[str, ...]:
    """The cell with a dot's interval, none where no dot has one."""
    if not ends:
        return ()
    return (f"{number(ends[name][axis][0])} to {number(ends[name][axis][1])}" if name in ends else "–",)


def _names(axes: Axes, dots: Sequence[tuple[str, float, float]], keep: int = 0) -> None:
    """Name the dots; a name that would lie on another is left out, all but the first `keep`."""
    taken: list[tuple[float, float, float, float]] = []
    width, height = 0.82 * 72 * WIDTH, 0.82 * 72 * 3.0  # what the axes' labels leave, nearly
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for k, (name, across, up) in enumerate(dots):
        text = label(name, 34 if k < keep else 20)
        at_x, at_y = (across - left) / (right - left) * width, (up - bottom) / (top - bottom) * height
        long = 6.0 * len(text)
        turned = at_x + long > width  # to the left of the dot, where there is no room to its right
        start = at_x - 4 - long if turned else at_x + 4
        for lift in (3, -12):
            box = start, at_y + lift, start + long, at_y + lift + 11
            free = all(box[2] < a or box[0] > c or box[3] < b or box[1] > d for a, b, c, d in taken)
            if free or k < keep:
                taken.append(box)
                axes.annotate(
                    text,
                    (across, up),
                    (-4 if turned else 4, lift),
                    textcoords="offset points",
                    ha="right" if turned else "left",
                    fontsize=TEXT,
                    color=SOFT,
                )
                break


def histogram(
    title: str,
    values: Mapping[str, Sequence[float]],
    *,
    bins: int = 20,
    span: tuple[float, float] = (0.0, 1.0),
    caption: str = "",
    x: str = "",
    recompute: str = "",
) -> Chart:
    """Histograms of several series, as shares of each series, one panel above the other."""
    edges = np.linspace(*span, bins + 1)
    with style():
        drawn = figure(0.6 + 0.62 * len(values))
        panels = np.atleast_1d(drawn.subplots(len(values), 1, sharex=True))
        rows: list[tuple[str, ...]] = []
        for k, (name, series) in enumerate(values.items()):
            axes = panels[k]
            counts, _ = np.histogram(np.asarray(series, dtype=float), bins=edges)
            shares = counts / max(1, counts.sum())
            axes.bar(edges[:-1], shares, width=np.diff(edges) * 0.9, align="edge", color=SERIES[k % len(SERIES)])
            axes.set_yticks([])
            axes.set_ylabel(label(name, 18), rotation=0, ha="right", va="center")
            axes.spines["left"].set_visible(False)
            axes.spines["bottom"].set_color(GRID)
            rows += [(name, f"{edges[i]:.2f} to {edges[i + 1]:.2f}", str(int(c))) for i, c in enumerate(counts) if c]
        panels[-1].set_xlabel(label(x))
        svg = to_svg(drawn, title)
    return Chart(title, svg, caption, ("", x, "count"), tuple(rows), recompute)


def dendrogram(title: str, names: Sequence[str], linkage: np.ndarray, *, caption: str = "", x: str = "") -> Chart:
    """A tree of clusters from a scipy linkage matrix, leaves on the left."""
    from scipy.cluster.hierarchy import dendrogram as layout

    tree = layout(linkage, no_plot=True, labels=[label(name, 28) for name in names])
    with style():
        drawn = figure(0.5 + 0.23 * len(names))
        axes = drawn.subplots()
        for across, up in zip(tree["dcoord"], tree["icoord"], strict=True):
            axes.plot(across, up, color=SERIES[0], linewidth=1.1)
        axes.set_yticks([5 + 10 * i for i in range(len(names))], tree["ivl"])
        axes.set_xlabel(label(x))
        axes.set_xlim(left=0)
        _bare(axes)
        svg = to_svg(drawn, title)
    return Chart(title, svg, caption)
