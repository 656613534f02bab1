"""Estimates as dots: one row for each label, or two measures against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from adhere.report.charts.chart import SHAPES, Chart, Interval, Point, bare, ends, finished, legend, number
from adhere.report.svg import SERIES, SOFT, TEXT, WIDTH, figure, label, mark, style


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
    """Dots with whiskers: one row for each label, one colour and shape for each series, hollow where a point does not
    hold against its controls."""
    labels = list(dict.fromkeys(point.label for point in rows))
    series = list(dict.fromkeys(point.series for point in rows))
    step = 0.26 if len(series) < 3 else 0.13 * len(series)
    with style():
        drawn = figure(0.65 + step * len(labels) + (0.22 * -(-len(series) // 2) if len(series) > 1 else 0))
        axes = drawn.subplots()
        for k, name in enumerate(series):
            shift = 0.0 if len(series) == 1 else (k / (len(series) - 1) - 0.5) * 0.5
            mine = [point for point in rows if point.series == name and point.estimate is not None]
            if len(series) > 1 and mine:  # the legend's key
                axes.plot([], [], SHAPES[k % len(SHAPES)], color=SERIES[k % len(SERIES)], label=label(name, 30))
            for point in mine:
                _dot(axes, point, k, labels.index(point.label) + shift)
        axes.set_yticks(range(len(labels)), [label(name, 26) for name in labels])
        axes.set_ylim(len(labels) - 0.4, -0.6)
        if limits:
            axes.set_xlim(*limits)
        if reference is not None:
            axes.axvline(reference, color=SOFT, linewidth=1, linestyle=(0, (3, 3)))
        if unit:
            axes.set_xlabel(label(unit))
        if len(series) > 1:
            legend(drawn, series)
        bare(axes)
        hollow = any(not point.holds for point in rows)
        caption = " ".join(filter(None, (caption, "Hollow: does not hold against its controls." if hollow else "")))
        return finished(drawn, title, caption, *_table(rows, len(series) > 1, hollow), recompute)


def _dot(axes: Axes, point: Point, series: int, y: float) -> None:
    assert point.estimate is not None
    colour = SERIES[series % len(SERIES)] if point.holds else SOFT
    value = ", ".join(filter(None, (point.label, point.series)))
    value += f": {number(point.estimate)}"
    if point.interval:
        value += f" ({ends(point.interval)})"
        (line,) = axes.plot(point.interval, (y, y), color=colour, linewidth=1.6, zorder=2)
        mark(line, "")
    value += "" if point.n is None else f", n = {point.n:,}"
    (dot,) = axes.plot(
        [point.estimate],
        [y],
        SHAPES[series % len(SHAPES)],
        color=colour,
        fillstyle="full" if point.holds else "none",
        markersize=4.5,
        zorder=3,
        clip_on=False,
    )
    mark(dot, value)


def _table(rows: Sequence[Point], several: bool, hollow: bool) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The numbers behind the dots: header and rows."""
    header = ["", *([""] if several else []), "estimate", "95 % interval", "n", *(["holds"] if hollow else [])]
    cells = tuple(
        (
            *((point.label, point.series) if several else (point.label,)),
            number(point.estimate),
            ends(point.interval),
            "" if point.n is None else str(point.n),
            *(("yes" if point.holds else "no",) if hollow else ()),
        )
        for point in rows
    )
    return tuple(header), cells


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
        for name, across, up in dots:
            (dot,) = axes.plot([across], [up], "o", color=SERIES[0], markersize=4.5, alpha=0.9)
            mark(dot, f"{name}: {number(across)} {x}, {number(up)} {y}")
        for name, across, up in references:
            (dot,) = axes.plot([across], [up], "D", color=SOFT, markersize=5, fillstyle="none")
            mark(dot, f"{name}: {number(across)} {x}, {number(up)} {y}")
        if limits:
            axes.set_xlim(*limits[0])
            axes.set_ylim(*limits[1])
        axes.set_xlabel(label(x))
        axes.set_ylabel(label(y))
        bare(axes, "both")
        if named:
            _names(axes, [*references, *dots], keep=len(references))
        intervals = {name: spread for (name, _, _), spread in zip(dots, spreads, strict=False)}
        rows = tuple(
            (name, number(across), *_spread(intervals, name, 0), number(up), *_spread(intervals, name, 1))
            for name, across, up in (*dots, *references)
        )
        header = ("", x, "95 %", y, "95 %") if spreads else ("", x, y)
        return finished(drawn, title, caption, header, rows, recompute)


def _spread(intervals: Mapping[str, tuple[Interval, Interval]], name: str, axis: int) -> tuple[str, ...]:
    """The cell with a dot's interval; no cell where no dot has one."""
    if not intervals:
        return ()
    return (ends(intervals[name][axis] if name in intervals else None),)


def _names(axes: Axes, dots: Sequence[tuple[str, float, float]], keep: int = 0) -> None:
    """Name the dots; a name that would lie on another is left out, all but the first `keep`."""
    occupied: list[tuple[float, float, float, float]] = []
    width, height = 0.82 * 72 * WIDTH, 0.82 * 72 * 3.0  # roughly what the axes' labels leave
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for k, (name, across, up) in enumerate(dots):
        text = label(name, 34 if k < keep else 20)
        at_x, at_y = (across - left) / (right - left) * width, (up - bottom) / (top - bottom) * height
        long = 6.0 * len(text)
        turned = at_x + long > width  # to the left of the dot, where there is no room to its right
        start = at_x - 4 - long if turned else at_x + 4
        for lift in (3, -12):
            box = start, at_y + lift, start + long, at_y + lift + 11
            free = all(box[2] < a or box[0] > c or box[3] < b or box[1] > d for a, b, c, d in occupied)
            if free or k < keep:
                occupied.append(box)
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
