"""The card beside a page: its title, headline and picture as one PNG, for chats, slides and link previews.

Rules.

- `WIDTH` x `HEIGHT` pixels, the size that link previews use. The light theme's colours, from the page's style sheet.
- The picture is the page's first chart that stays legible at that size; where none does, the words stand alone.
- Words are wrapped, and what does not fit is cut with an ellipsis. Text from outside is shown as it stands.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from numpy.typing import NDArray

from adhere.core.terminal import visible
from adhere.core.version import VERSION
from adhere.report.charts import Chart
from adhere.report.svg import VARIABLES

WIDTH, HEIGHT = 1200, 630
"""Pixels; Open Graph's size for large previews."""
MARGIN = 56
PICTURE = 560, 470
"""Pixels of the box for the picture, width and height."""
SMALLEST = 12.5
"""Pixels of the smallest text of a picture on a card, which previews show at half its size."""
SIZES = (44, 38, 33, 29, 26, 23)
"""Pixels of the headline's text, the largest first that fits."""


def card(title: str, headline: str, charts: Iterable[Chart] = ()) -> bytes:
    """The card as PNG.

    Args:
        title: of the page.
        headline: the result in one sentence; empty where the page has none.
        charts: of the page, in order.
    """
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the font has no such script: a box, and no crash
        return _drawn(visible(title), visible(headline), _picture(charts))


def _drawn(title: str, headline: str, picture: NDArray[np.uint8] | None) -> bytes:
    colours = theme()
    drawn = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100, facecolor=colours["--paper"])
    canvas: Any = FigureCanvasAgg(drawn)
    room = WIDTH - 2 * MARGIN - (PICTURE[0] + 32 if picture is not None else 0)

    def write(text: str, top: float, pixels: float, colour: str, weight: str = "normal") -> None:
        drawn.text(
            MARGIN / WIDTH,
            1 - top / HEIGHT,
            text,
            va="top",
            fontsize=pixels * 0.72,
            color=colours[colour],
            weight=weight,
        )

    write(f"Adhere {VERSION}", MARGIN, 24, "--series-0", "bold")
    top = MARGIN + 52.0
    if headline:
        title_lines = _wrapped(canvas, title, 24, room, 2)
        write("\n".join(title_lines), top, 24, "--soft")
        top += 24 * 1.3 * len(title_lines) + 14
    text, pixels = _fitted(canvas, headline or title, room, HEIGHT - MARGIN - top)
    write(text, top, pixels, "--ink", "bold")
    if picture is not None:
        height, width = picture.shape[:2]
        left = WIDTH - MARGIN - (PICTURE[0] + width) // 2
        drawn.figimage(picture, left, (HEIGHT - height) // 2)
    out = io.BytesIO()
    canvas.print_png(out, metadata={"Software": None, "Title": title, "Description": headline})
    return out.getvalue()


def _fitted(canvas: Any, text: str, width: float, height: float) -> tuple[str, float]:
    """The text in lines, in the largest of `SIZES` in which it fits."""
    for pixels in SIZES:
        most = int(height / (pixels * 1.2))
        lines = _wrapped(canvas, text, pixels, width, most + 1, "bold")
        if len(lines) <= most:
            return "\n".join(lines), pixels
    return "\n".join(_wrapped(canvas, text, SIZES[-1], width, int(height / (SIZES[-1] * 1.2)), "bold")), SIZES[-1]


def _wrapped(canvas: Any, text: str, pixels: float, width: float, most: int, weight: str = "normal") -> list[str]:
    """At most `most` lines of at most `width` pixels; the last ends with an ellipsis where more would follow."""
    from matplotlib.font_manager import FontProperties

    font = FontProperties(size=pixels * 0.72, weight=weight)
    renderer = canvas.get_renderer()

    def wide(line: str) -> bool:
        return bool(renderer.get_text_width_height_descent(line, font, ismath=False)[0] > width)

    lines = [""]
    for word in re.findall(r"\S+", text):
        while wide(word):  # a name without a space
            cut = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or not wide(word[:n]))
            lines += [word[:cut]]
            word = word[cut:]
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines, word] if wide(longer) else [*lines[:-1], longer]
    lines = [line for line in lines if line]
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and wide(f"{last}…"):
        last = last[:-1]
    return [*lines[: most - 1], f"{last}…"]


def _picture(charts: Iterable[Chart]) -> NDArray[np.uint8] | None:
    """The first chart whose smallest text stays legible in `PICTURE`, drawn in the theme's colours."""
    for chart in charts:
        if chart.figure is None:
            continue
        width, height = (72 * side for side in chart.figure.get_size_inches())
        scale = min(PICTURE[0] / width, PICTURE[1] / height)
        if scale * 11 < SMALLEST:
            continue
        _colour(chart.figure)
        chart.figure.set_dpi(72 * scale)
        canvas: Any = FigureCanvasAgg(chart.figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba()).copy()
    return None


def _colour(drawn: Figure) -> None:
    """Replace the stand-ins for the page's variables by the light theme's colours."""
    colours = theme()
    real = {stand_in: colours[variable] for stand_in, variable in VARIABLES.items()}
    for artist in drawn.findobj():
        _colour_artist(artist, real)


def _colour_artist(artist: Artist, real: Mapping[str, str]) -> None:
    if isinstance(artist, (Text, Line2D)):
        shown = to_hex(artist.get_color())
        if shown in real:
            artist.set_color(real[shown])
    elif isinstance(artist, (Patch, Collection)):  # a collection has a colour for each member; ours are alike
        for part in ("facecolor", "edgecolor"):
            colours = np.atleast_2d(getattr(artist, f"get_{part}")())
            shown = to_hex(colours[0]) if colours.size else ""
            if shown in real:
                getattr(artist, f"set_{part}")(real[shown])


@cache
def theme() -> Mapping[str, str]:
    """The light theme's colours by the variable's name."""
    sheet = files("adhere.report").joinpath("templates", "page.css").read_text(encoding="utf-8")
    return dict(re.findall(r"(--[\w-]+): light-dark\((#[0-9a-f]{6}),", sheet))
