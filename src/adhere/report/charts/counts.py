"""Shares and counts: stacked bars and histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from adhere.report.charts.chart import Chart, bare, finished, legend, number
from adhere.report.svg import GRID, PAPER, SERIES, figure, label, mark, style

HATCHES = ("", "////", "....", "\\\\\\\\", "xx", "--", "||", "oo")
"""Patterns of the parts of a bar, so that they differ without colour."""


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
            pieces = axes.barh(
                range(len(parts)),
                widths,
                left=left,
                height=0.62,
                color=SERIES[k % len(SERIES)],
                edgecolor=PAPER,
                hatch=HATCHES[k % len(HATCHES)],
                label=label(name, 40),
            )
            for piece, bar, width in zip(pieces, parts, widths, strict=True):
                mark(piece, f"{bar}, {name}: {width:.3g}" if width else "")
            left += widths
        axes.set_yticks(range(len(parts)), [label(name, 24) for name in parts])
        axes.set_ylim(len(parts) - 0.5, -0.5)
        axes.set_xlabel(label(unit))
        bare(axes)
        if len(names) > 1:
            legend(drawn, names)
        rows = tuple((bar, name, number(value)) for bar, shares in parts.items() for name, value in shares.items())
        return finished(drawn, title, caption, ("", "", unit or "value"), rows, recompute)


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
            pieces = axes.bar(
                edges[:-1], shares, width=np.diff(edges) * 0.9, align="edge", color=SERIES[k % len(SERIES)]
            )
            for i, (piece, count) in enumerate(zip(pieces, counts, strict=True)):
                between = f"{edges[i]:.2f} to {edges[i + 1]:.2f}"
                mark(piece, f"{name}, {between}: {count}" if count else "")
                if count:
                    rows.append((name, between, str(int(count))))
            axes.set_yticks([])
            axes.set_ylabel(label(name, 18), rotation=0, ha="right", va="center")
            axes.spines["left"].set_visible(False)
            axes.spines["bottom"].set_color(GRID)
        panels[-1].set_xlabel(label(x))
        return finished(drawn, title, caption, ("", x, "count"), tuple(rows), recompute)
