"""Heat maps with their numbers in the cells."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from adhere.report.charts.chart import Chart, Grid, Interval, finished, number
from adhere.report.svg import CELL, INK, LETTER, SERIES, TEXT, WIDTH, figure, label, mark, style


def heat(
    title: str,
    grid: Grid,
    *,
    caption: str = "",
    limits: Interval = (0.0, 1.0),
    diverging: bool = False,
    digits: int = 2,
    recompute: str = "",
) -> Chart:
    """A heat map with numbers in its cells. `diverging` uses two colours from the middle of `limits`."""
    n_rows, n_columns = len(grid.rows), len(grid.columns)
    longest = max((len(name) for name in grid.columns), default=1)
    tall = longest > 4
    with style():
        labels = LETTER * min(28, max((len(name) for name in grid.rows), default=1))
        height = 0.3 + 0.23 * n_rows + (LETTER * min(longest, 24) if tall else 0.2)
        drawn = figure(height, max(WIDTH, labels + CELL * n_columns + 0.2))
        axes = drawn.subplots()
        cells(axes, grid, limits, diverging=diverging, digits=digits)
        axes.set_xticks(range(n_columns), [label(name, 24) for name in grid.columns], rotation=90 if tall else 0)
        axes.set_yticks(range(n_rows), [label(name, 28) for name in grid.rows])
        return finished(drawn, title, caption, *table(grid, digits), recompute)


def cells(axes: Axes, grid: Grid, limits: Interval, *, diverging: bool, digits: int) -> None:
    """Draw the cells of a matrix, the first row on top, and no frame."""
    low, high = limits
    for i, row in enumerate(grid.values):
        for j, value in enumerate(row):
            if value is None or value != value:
                continue
            share = (value - low) / (high - low)
            if diverging:
                share = 2 * share - 1
            colour, alpha = SERIES[1 if diverging and share < 0 else 0], min(1.0, abs(share) if diverging else share)
            box = Rectangle((j - 0.48, i - 0.46), 0.96, 0.92, facecolor=colour, linewidth=0)
            box.set_alpha(0.75 * max(0.0, alpha))
            underlined = (i, j) in grid.marks
            names = f"{grid.rows[i]}, {grid.columns[j]}"
            mark(axes.add_patch(box), f"{names}: {number(value, digits)}{' (underlined)' if underlined else ''}")
            text = number(value, digits)
            text = text.replace("0.", ".", 1) if abs(value) < 1 else text
            axes.text(j, i, text, ha="center", va="center", fontsize=TEXT, color=INK)
            if underlined:
                axes.plot((j - 0.3, j + 0.3), (i + 0.36, i + 0.36), color=INK, linewidth=1)
    axes.set_xlim(-0.5, len(grid.columns) - 0.5)
    axes.set_ylim(len(grid.rows) - 0.5, -0.5)
    axes.xaxis.tick_top()
    for side in axes.spines.values():
        side.set_visible(False)


def table(grid: Grid, digits: int) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The matrix as header and rows of a table."""
    rows = tuple((name, *(number(v, digits) for v in row)) for name, row in zip(grid.rows, grid.values, strict=True))
    return ("", *grid.columns), rows
