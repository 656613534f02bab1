"""What a chart is: a drawing, its numbers and its command; and the shapes of what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adhere.report.svg import LETTER, WIDTH, to_svg

Interval = tuple[float, float]

SHAPES = "osD^vPX*"
"""Marks of the series, in the order of their colours."""


@dataclass(frozen=True)
class Chart:
    """A chart: title, drawing, caption, its numbers, the command that recomputes it.

    Attributes:
        svg: the drawing in the page's colours.
        header, rows: the numbers as a table.
        figure: the drawing as matplotlib has it, for the card beside the page.
    """

    title: str
    svg: str
    caption: str = ""
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    recompute: str = ""
    figure: Figure | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Point:
    """An estimate with its interval, in the row `label`; `series` selects its colour and shape.

    `holds` is False where the estimate does not hold against its controls: it is drawn hollow and grey.
    """

    label: str
    estimate: float | None
    interval: Interval | None = None
    series: str = ""
    n: int | None = None
    holds: bool = True


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
    """A value with `digits` decimals; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:.{digits}f}"


def ends(interval: Interval | None) -> str:
    """An interval in words; a dash where there is none."""
    return f"{number(interval[0])} to {number(interval[1])}" if interval else "–"


def finished(
    drawn: Figure,
    title: str,
    caption: str,
    header: tuple[str, ...] = (),
    rows: tuple[tuple[str, ...], ...] = (),
    recompute: str = "",
) -> Chart:
    """The figure as a chart. Called within `svg.style()`."""
    return Chart(title, to_svg(drawn, title), caption, header, rows, recompute, drawn)


def legend(drawn: Figure, names: Sequence[str], most: int = 40) -> None:
    """The legend above the axes, in as many columns, up to three, as its longest name of `most` characters leaves."""
    longest = min(most, max(map(len, names), default=1))
    columns = int(72 * WIDTH // (72 * LETTER * longest + 44))
    drawn.legend(
        loc="outside upper left",
        ncols=max(1, min(3, columns, len(names))),
        handlelength=1.8,
        handletextpad=0.5,
        columnspacing=1.0,
    )


def bare(axes: Axes, grid: str = "x") -> None:
    """Grid lines instead of a frame."""
    axes.grid(visible=True, axis=grid)  # type: ignore[arg-type]
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
