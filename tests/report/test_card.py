"""The card beside a page has the size that link previews use, shows headline and picture, and takes any text."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.image import imread

from adhere.report import page
from adhere.report.card import HEIGHT, PICTURE, WIDTH, card
from adhere.report.charts import Point, points
from adhere.report.publishing import publish


def _pixels(data: bytes) -> np.ndarray:
    return np.asarray(imread(io.BytesIO(data)))


def _chart(rows: int = 3):
    return points("Shares", [Point(f"model {k}", 0.5, (0.4, 0.6)) for k in range(rows)])


def test_the_card_has_the_size_of_a_link_preview_and_a_picture_on_its_right() -> None:
    without, with_picture = (_pixels(card("Adherence", "a follows 68 % of prompts.", c)) for c in ((), (_chart(),)))
    assert without.shape[:2] == with_picture.shape[:2] == (HEIGHT, WIDTH)
    right = slice(HEIGHT // 2, HEIGHT - 80), slice(WIDTH - PICTURE[0], None)
    assert (without[right] == without[0, 0]).all()
    assert (with_picture[right] != with_picture[0, 0]).any()
    colours = {tuple(pixel) for pixel in (with_picture[right].reshape(-1, 4)[:, :3] * 255).astype(int)}
    assert (31, 111, 178) in colours  # the first series' colour, not the drawing's stand-in
    assert (1, 2, 16) not in colours


def test_a_picture_that_would_be_illegible_gives_way_to_one_that_is_not() -> None:
    tall, small = _chart(60), _chart()
    assert card("T", "H.", [tall, small]) == card("T", "H.", [small])


def test_long_and_hostile_words_are_wrapped_and_cut_inside_the_card() -> None:
    for text in ("word " * 400, "x" * 900, "$\\frac{1}$ _a <b> \u202e \ud800 模型", ""):
        pixels = _pixels(card(text or "T", text))
        assert (pixels[:, :20] == pixels[0, 0]).all()
        assert (pixels[:, -20:] == pixels[0, 0]).all()
        assert (pixels[-20:] == pixels[0, 0]).all()


def test_the_page_names_the_card_beside_it_and_standard_output_has_none(tmp_path: Path, capfdbinary) -> None:
    sections = [page.Section("s", "S", "Lead.", (page.Charts((_chart(),)),), "A result (1 to 2, n = 3).")]
    publish(tmp_path / "r.html", "T", "L", sections)
    assert 'property="og:image" content="r.card.png"' in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert (tmp_path / "r.card.png").read_bytes().startswith(b"\x89PNG")
    publish("-", "T", "L", sections)
    assert b"og:image" not in capfdbinary.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.card.png", "r.html"]
