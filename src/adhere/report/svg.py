"""Figures as SVG that takes its colours from the page, so that one drawing serves light and dark.

matplotlib draws; its colours are stand-ins that `to_svg` replaces by CSS variables. Text stays text (selectable,
searchable, read aloud), nothing is fetched, and the same data give the same bytes.

Figures are drawn `WIDTH` inches wide at 72 dots an inch, which is the width of a telephone: on a wide screen they stand
side by side instead of being blown up.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib
from matplotlib.figure import Figure

WIDTH = 4.9
"""Inches: 353 CSS pixels, what a telephone of 375 leaves."""

TEXT = 11
"""CSS pixels of the smallest text in a figure. A figure too wide for the screen scrolls; it is never shrunk."""

CELL = 0.38
"""Inches of a heat map's column, wide enough for its number."""

LETTER = 0.083
"""Inches of a letter of a label, on average."""

INK, SOFT, GRID, PAPER = "#010203", "#010204", "#010205", "#010206"
SERIES = tuple(f"#0102{k:02x}" for k in range(0x10, 0x18))
"""Stand-ins for the page's colours, in the order in which series take them."""

_VARIABLES = {
    INK: "--ink",
    SOFT: "--soft",
    GRID: "--grid",
    PAPER: "--paper",
    **{colour: f"--series-{k}" for k, colour in enumerate(SERIES)},
}

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "axes.edgecolor": GRID,
    "axes.labelcolor": SOFT,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "figure.facecolor": "none",
    "figure.edgecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": TEXT,
    "ytick.labelsize": TEXT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "text.color": INK,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": TEXT,
    "axes.prop_cycle": matplotlib.cycler(color=list(SERIES)),  # type: ignore[attr-defined]
}


@contextmanager
def style() -> Iterator[None]:
    """The house style, for the drawing inside the block."""
    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        yield


def figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, `height` inches high, laid out tightly. Draw on it within `style()`."""
    return Figure(figsize=(width, height), layout="constrained")


_ID = re.compile(r'(id="|href="#|url\(#)([\w.-]+)')


def to_svg(drawn: Figure, title: str) -> str:
    """The figure as an `<svg>` element with `title` for those who cannot see it."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": title, "svg.fonttype": "none"}):
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for stand_in, variable in _VARIABLES.items():
        text = text.replace(stand_in, f"var({variable})")
    # presentation attributes do not know variables, style properties do
    text = re.sub(r'(fill|stroke)="(var\([^"]+\))"', r'style="\1: \2"', text)
    text = re.sub(r"font-family: [^;\"]*", "font-family: var(--sans)", text)
    text = re.sub(r"font: ([\w. ]*?)'[^;\"]*", r"font: \1var(--sans)", text)
    # ids are unique on the page, where many figures stand
    prefix = "f" + hashlib.sha256((title + text).encode()).hexdigest()[:8]
    text = _ID.sub(lambda m: f"{m[1]}{prefix}-{m[2]}", text)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", text, count=1)
    height, width = drawn.get_figheight() * 72, drawn.get_figwidth() * 72
    text = re.sub(
        r"<svg ",
        f'<svg role="img" aria-label="{escape(title, quote=True)}" style="width: {width:.0f}px; '
        f'aspect-ratio: {width:.0f} / {height:.0f}" ',
        text,
        count=1,
    )
    return re.sub(r"\n\s*", "\n", text)
