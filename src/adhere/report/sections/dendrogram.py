"""A heat map with a dendrogram of its rows, which are in the order of the tree's leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.patches import Rectangle

from adhere.report.charts import Chart, Grid, Interval, number
from adhere.report.svg import CELL, INK, SERIES, SOFT, TEXT, WIDTH, figure, label, style, to_svg

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def tree_heat(
    title: str,
    grid: Grid,
    linkage: NDArray[np.float64] | None,
    *,
    limits: Interval,
    caption: str = "",
    recompute: str = "",
) -> Chart:
    """The matrix, two colours from the middle of `limits`, and the tree that `linkage` (scipy's) describes.

    Args:
        title: of the chart.
        grid: rows and columns in the order of the tree's leaves.
        linkage: shape (rows - 1, 4); None for a single row.
        limits: values of full colour.
        caption: what it shows.
        recompute: the command.
    """
    size = len(grid.rows)
    low, high = limits
    with style():
        drawn = figure(1.6 + 0.26 * size, max(WIDTH, 2.6 + CELL * size))
        tree, axes = drawn.subplots(1, 2, width_ratios=(1, 5.5))
        if linkage is not None:
            from scipy.cluster.hierarchy import dendrogram

            lines = dendrogram(linkage, no_plot=True)
            for across, up in zip(lines["dcoord"], lines["icoord"], strict=True):
                tree.plot(across, [(y - 5) / 10 for y in up], color=SOFT, linewidth=1.0)
            tree.set_xlim(1.05, 0)
        tree.set_ylim(size - 0.5, -0.5)
        tree.set_yticks([])
        tree.set_xticks([0, 0.5, 1] if linkage is not None else [], ["0", ".5", "1"] if linkage is not None else [])
        tree.xaxis.tick_top()
        for i, row in enumerate(grid.values):
            for j, value in enumerate(row):
                if value is None:
                    continue
                share = 2 * (value - low) / (high - low) - 1
                colour = SERIES[0 if share >= 0 else 1]
                box = Rectangle((j - 0.48, i - 0.46), 0.96, 0.92, facecolor=colour, linewidth=0)
                box.set_alpha(0.75 * min(1.0, abs(share)))
                axes.add_patch(box)
                text = f"{value:.2f}"
                axes.text(j, i, text.replace("0.", ".", 1), ha="center", va="center", fontsize=TEXT, color=INK)
                if (i, j) in grid.marks:
                    axes.plot((j - 0.3, j + 0.3), (i + 0.36, i + 0.36), color=INK, linewidth=1)
        axes.set_xlim(-0.5, size - 0.5)
        axes.set_ylim(size - 0.5, -0.5)
        axes.xaxis.tick_top()
        axes.set_xticks(range(size), [label(name, 24) for name in grid.columns], rotation=90)
        axes.set_yticks(range(size), [label(name, 24) for name in grid.rows])
        for side in (*axes.spines.values(), *tree.spines.values()):
            side.set_visible(False)
        svg = to_svg(drawn, title)
    rows = tuple((name, *(number(v, 2) for v in row)) for name, row in zip(grid.rows, grid.values, strict=True))
    return Chart(title, svg, caption, ("", *grid.columns), rows, recompute)
