"""The page opens offline, in light and dark, and shows what it is given."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from adhere.core.errors import UserError
from adhere.report import page
from adhere.report.charts import Grid, Line, Point, bars, heat, histogram, lines, points, scatter

CHARTS = (
    points("By model", [Point("a", 0.5, (0.4, 0.6), n=10), Point("b <script>", None)]),
    heat("By family", Grid(("r",), ("c", "d"), ((0.25, None),))),
    lines("Cost", [Line("x", [1, 2], [0.5, 0.4], [0.4, 0.3], [0.6, 0.5])], x="k", y="share"),
    bars("Why", {"math": {"wrong": 3, "loop": 1}}),
    scatter("Both", [("one", 0.1, 0.2)]),
    histogram("Where", {"a": [0.1, 0.2, 0.9]}),
)


def _page(*blocks: page.Block) -> str:
    return page.render("Title & more", "Lead.", [page.Section("s", "Section", "Lead.", blocks)], command="adhere x")


class _Balance(HTMLParser):
    void = frozenset({"meta", "br", "link", "img", "use", "path", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.void:
            assert self.open.pop() == tag


def test_nothing_is_fetched() -> None:
    html = _page(page.Charts(CHARTS))
    fetched = re.findall(r'(?:src|href)="([^"#][^"]*)"|@import|url\((?!#)[^)]*\)', html)
    assert fetched == []


def test_every_element_is_closed() -> None:
    parser = _Balance()
    parser.feed(
        _page(
            page.Charts(CHARTS),
            page.Prose("p"),
            page.Facts((page.Fact("n", "1"),)),
            page.Walk("w", (page.Stage("s", page.Excerpt(())),) * 12),
        )
    )
    assert parser.open == []


def test_text_from_models_is_never_markup() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=y>"
    example = page.Example(evil, evil, page.Excerpt(((evil, True),)), evil, evil)
    chart = points(evil, [Point(evil, 0.5, series=evil), Point("x", 0.1, series="other")], caption=evil, recompute=evil)
    text = page.Excerpt(((evil, False), (evil, True)))
    pair = page.Example(evil, evil, text, evil, beside=text, heads=(evil, evil))
    walk = page.Walk(evil, (page.Stage(evil, text, evil),) * 12, evil)
    blocks = page.Examples(evil, (example, pair)), page.Charts((chart,)), page.Table(evil, (evil,), ((evil,),)), walk
    html = _page(*blocks)
    assert html.count("<script") == 1  # the page's own
    assert "<script>alert" not in html
    assert "<img" not in html


def test_colours_come_from_the_page_so_that_dark_works() -> None:
    for chart in CHARTS:
        assert "#0102" not in chart.svg
        assert "var(--" in chart.svg


def test_ids_of_several_figures_do_not_clash() -> None:
    ids = re.findall(r'id="([^"]+)"', "".join(chart.svg for chart in CHARTS))
    assert len(ids) == len(set(ids))


def test_dots_whose_names_would_lie_on_each_other_keep_their_numbers_and_lose_their_names() -> None:
    dots = [(f"dot{k}", 0.5, 0.5) for k in range(5)]
    chart = scatter("Crowd", dots, references=[("published", 0.5, 0.5)])
    assert "published" in chart.svg
    assert sum(f">dot{k}<" in chart.svg for k in range(5)) <= 1
    assert len(chart.rows) == 6


def test_the_same_numbers_give_the_same_bytes() -> None:
    again = points("By model", [Point("a", 0.5, (0.4, 0.6), n=10), Point("b <script>", None)])
    assert again.svg == CHARTS[0].svg


def test_a_page_too_large_is_refused_in_one_line(tmp_path) -> None:
    with pytest.raises(UserError, match="MB"):
        page.write(tmp_path / "r.html", "x" * (page.LARGEST + 1))
    assert not (tmp_path / "r.html").exists()


def test_a_folder_that_is_a_file_is_named(tmp_path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match="taken"):
        page.write(tmp_path / "taken" / "r.html", "x")


def test_the_headline_of_the_first_section_heads_the_page_and_its_metadata() -> None:
    sections = [
        page.Section("a", "A", "Lead.", (), "68 % of prompts (63 to 73 %, n = 313)."),
        page.Section("b", "B", "Lead.", (), "A second result."),
    ]
    html = page.render("T", "L", sections)
    assert html.count('<p class="headline">68 % of prompts') == 1
    assert '<meta name="description" content="68 % of prompts' in html
    assert '<p class="headline">A second result.</p>' in html


def test_a_long_table_is_closed_and_every_figure_has_an_address_of_its_own() -> None:
    rows = tuple((f"r{k}", str(k)) for k in range(11))
    html = _page(page.Table("Long", ("", "n"), rows), page.Table("Short", ("", "n"), rows[:10]))
    assert html.count("<summary>11 rows</summary>") == 1
    assert 'id="s-long"' in html
    assert 'href="#s-short"' in html


def test_every_mark_says_its_value_on_hover_and_to_a_screen_reader() -> None:
    assert "<title>a: 0.500 (0.400 to 0.600), n = 10</title>" in CHARTS[0].svg
    assert 'aria-label="r, c: 0.25"' in CHARTS[1].svg
    assert "<title>x, 1: 0.500 (0.400 to 0.600)</title>" in CHARTS[2].svg
    assert "<title>math, wrong: 3</title>" in CHARTS[3].svg


def test_what_does_not_hold_differs_by_form_and_in_words() -> None:
    chart = points("Controls", [Point("a", 0.9), Point("b", 0.6, holds=False)])
    assert chart.header[-1] == "holds"
    assert [row[-1] for row in chart.rows] == ["yes", "no"]
    assert "Hollow" in chart.caption
    table = page.Table("Skills", ("skill", "holds"), (("a", "yes"), ("b", "no")), failing=frozenset({1}))
    html = _page(table)
    assert html.count('<tr class="failing">') == 1
    assert html.index('<tr class="failing">') > html.index(">a<")


def test_embedded_findings_end_no_element_and_a_page_stays_within_its_size() -> None:
    section = page.Section("s", "S", "Lead.", ())
    html = page.render("T", "L", [section], findings='{"findings": ["</script><script>alert(1)"]}')
    assert html.count("<script") == 2
    assert "\\u003c/script>" in html
    huge = page.render("T", "L", [section], findings="x" * page.LARGEST)
    assert 'id="findings"' not in huge


def test_no_text_of_a_figure_is_smaller_than_eleven_pixels() -> None:
    sizes = [float(size) for chart in CHARTS for size in re.findall(r"font(?:-size)?: (?:\w+ )*([\d.]+)px", chart.svg)]
    assert sizes
    assert min(sizes) >= 11
