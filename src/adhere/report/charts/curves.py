"""Curves with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from adhere.report.charts.chart import SHAPES, Chart, Interval, Line, bare, ends, finished, legend, number
from adhere.report.svg import SERIES, SOFT, figure, label, mark, style

MOST_MARKED = 20
"""Points of a curve that are drawn as marks with values; the rest is a line."""
MOST_LISTED = 60
"""Points of a curve that the table lists."""
DASHES: tuple[tuple[float, tuple[float, ...]], ...] = ((0, ()), (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))
"""Strokes of the series, so that they differ without colour."""


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
            apart = 1.05 ** (k - (len(shown) - 1) / 2) if whiskers else 1.0
            _curve(axes, curve, k, apart, whiskers)
        for curve in curves:
            if curve.reference:
                axes.plot(
                    curve.x, curve.y, color=SOFT, linestyle=(0, (3, 3)), linewidth=1.1, label=label(curve.label, 40)
                )
        if logarithmic:
            axes.set_xscale("log")
            axes.minorticks_off()
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")  # matplotlib's own writes mathematics
        if ticks:
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        if limits:
            axes.set_ylim(*limits)
        axes.set_xlabel(label(x))
        axes.set_ylabel(label(y))
        bare(axes, "y")
        if len(curves) > 1 or curves[0].label:
            legend(drawn, [curve.label for curve in curves])
        rows = tuple(
            (curve.label, f"{at:g}", number(value), ends(_interval(curve, i)))
            for curve in curves
            if len(curve.x) <= MOST_LISTED
            for i, (at, value) in enumerate(zip(curve.x, curve.y, strict=True))
        )
        return finished(drawn, title, caption, ("", x, y, "95 % interval"), rows, recompute)


def _interval(curve: Line, place: int) -> Interval | None:
    return (curve.low[place], curve.high[place]) if curve.low else None


def _curve(axes: Axes, curve: Line, place: int, apart: float, whiskers: bool) -> None:
    """One curve, its points shifted by the factor `apart`."""
    colour, shape = SERIES[place % len(SERIES)], SHAPES[place % len(SHAPES)]
    marked = len(curve.x) <= MOST_MARKED
    at = [value * apart for value in curve.x]
    axes.plot(
        at,
        curve.y,
        color=colour,
        label=label(curve.label, 40),
        linestyle=DASHES[0 if marked else place % len(DASHES)],
        marker=shape if marked else "",
        markersize=3.5,
    )
    if curve.low and whiskers:
        axes.vlines(at, curve.low, curve.high, color=colour, linewidth=1.2, alpha=0.7)
    elif curve.low:
        axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
    for i, (across, value) in enumerate(zip(at, curve.y, strict=True) if marked else ()):
        # a mark of its own over that of the curve, which is one element and can carry one value only
        (dot,) = axes.plot([across], [value], shape, color=colour, markersize=3.5)
        bounds = f" ({ends(_interval(curve, i))})" if curve.low else ""
        mark(dot, f"{curve.label + ', ' if curve.label else ''}{curve.x[i]:g}: {number(value)}{bounds}")
