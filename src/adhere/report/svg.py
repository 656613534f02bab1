"""Figures as SVG that takes its colours from the page, so that one drawing serves light and dark.

Labels come from strangers: names of models, families, files. They are never read as mathematics, and what a reader
cannot see or XML cannot hold is shown as an escape (`label`), so that no label ends a page.

matplotlib draws; its colours are stand-ins that `to_svg` replaces by CSS variables. Text stays text (selectable,
searchable, read aloud), nothing is fetched, and the same data give the same bytes.

Figures are drawn `WIDTH` inches wide at 72 dots an inch, which is the width of a telephone: on a wide screen they stand
side by side instead of being blown up.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.text import Text

from adhere.core.terminal import visible

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

VARIABLES = {
    INK: "--ink",
    SOFT: "--soft",
    GRID: "--grid",
    PAPER: "--paper",
    **{colour: f"--series-{k}" for k, colour in enumerate(SERIES)},
}
"""The page's variable for each stand-in."""

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
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


def label(text: object, most: int = 60) -> str:
    """Foreign text for a figure: one line of `most` characters, which matplotlib shows as it stands."""
    shown = visible(text, most)
    return f"\u2009{shown}" if shown.startswith("_") else shown  # a legend leaves out what begins with _


def _show_texts(drawn: Figure) -> None:
    """Make visible what came into the figure past `label`."""
    for text in drawn.findobj(Text):
        assert isinstance(text, Text)
        lines = text.get_text().split("\n")
        text.set_text("\n".join(visible(line) for line in lines))


_MARK = "mark-"


def mark(artist: Artist, value: str) -> None:
    """Give a mark its value in words, which a browser shows on hover and a screen reader reads; an empty `value`
    leaves a mark silent, as the whisker of a dot whose value includes the interval."""
    artist.set_gid(_MARK + value.encode("utf-8", "replace").hex())


_MARKED = re.compile(rf'<g id="{_MARK}([0-9a-f]*)">')


def _valued(match: re.Match[str]) -> str:
    value = escape(visible(bytes.fromhex(match[1]).decode("utf-8")), quote=True)
    if not value:
        return "<g>"
    return f'<g role="img" aria-label="{value}"><title>{value}</title>'


_TAG = re.compile(r"<[^>]*>")
_ID = re.compile(r'(id="|href="#|url\(#)([\w.-]+)')


def _themed(tag: str) -> str:
    """A tag of the drawing with the page's colours and font. Labels are between tags, and stay as they are."""
    for stand_in, variable in VARIABLES.items():
        tag = tag.replace(stand_in, f"var({variable})")
    # presentation attributes do not know variables, style properties do
    tag = re.sub(r'(fill|stroke)="(var\([^"]+\))"', r'style="\1: \2"', tag)
    tag = re.sub(r"font-family: [^;\"]*", "font-family: var(--sans)", tag)
    return re.sub(r"font: ([\w. ]*?)'[^;\"]*", r"font: \1var(--sans)", tag)


def to_svg(drawn: Figure, title: str) -> str:
    """The figure as an `<svg>` element with `title` for those who cannot see it."""
    _show_texts(drawn)
    buffer = io.StringIO()
    settings = {"svg.hashsalt": visible(title), "svg.fonttype": "none", "text.parse_math": False}
    with matplotlib.rc_context(settings), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", "Glyph .* missing")  # text stays text: the reader's font draws it
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = _TAG.sub(lambda match: _themed(match[0]), text)
    # ids are unique on the page, where many figures stand
    text = _MARKED.sub(_valued, text)
    prefix = "f" + hashlib.sha256((title + text).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    text = _TAG.sub(lambda tag: _ID.sub(lambda m: f"{m[1]}{prefix}-{m[2]}", tag[0]), text)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", text, count=1)
    height, width = drawn.get_figheight() * 72, drawn.get_figwidth() * 72
    opening = (
        f'<svg role="group" aria-label="{escape(visible(title), quote=True)}" style="--wide: {width:.0f}px; '
        f'aspect-ratio: {width:.0f} / {height:.0f}" '
    )
    text = text.replace("<svg ", opening, 1)
    return re.sub(r"\n\s*", "\n", text)
