"""Trees of clusters, alone or beside the heat map whose rows they order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adhere.report.charts.chart import Chart, Grid, Interval, bare, finished
from adhere.report.charts.grids import cells, table
from adhere.report.svg import CELL, SERIES, SOFT, WIDTH, figure, label, style

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def dendrogram(
    title: str, names: Sequence[str], linkage: NDArray[np.float64], *, caption: str = "", x: str = ""
) -> Chart:
    """A tree of clusters, leaves on the left.

    Args:
        title: of the chart.
        names: of the leaves.
        linkage: scipy's, of shape (leaves - 1, 4).
        caption: what it shows.
        x: what the branches' lengths are.
    """
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
        bare(axes)
        return finished(drawn, title, caption)


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
    with style():
        drawn = figure(1.6 + 0.26 * size, max(WIDTH, 2.6 + CELL * size))
        tree, axes = drawn.subplots(1, 2, width_ratios=(1, 5.5))
        if linkage is not None:
            from scipy.cluster.hierarchy import dendrogram as layout

            branches = layout(linkage, no_plot=True)
            for across, up in zip(branches["dcoord"], branches["icoord"], strict=True):
                tree.plot(across, [(y - 5) / 10 for y in up], color=SOFT, linewidth=1.0)
            tree.set_xlim(1.05, 0)
        tree.set_ylim(size - 0.5, -0.5)
        tree.set_yticks([])
        tree.set_xticks([0, 0.5, 1] if linkage is not None else [], ["0", ".5", "1"] if linkage is not None else [])
        tree.xaxis.tick_top()
        for side in tree.spines.values():
            side.set_visible(False)
        cells(axes, grid, limits, diverging=True, digits=2)
        axes.set_xticks(range(size), [label(name, 24) for name in grid.columns], rotation=90)
        axes.set_yticks(range(size), [label(name, 24) for name in grid.rows])
        return finished(drawn, title, caption, *table(grid, 2), recompute)
