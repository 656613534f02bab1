"""No label, whoever wrote it, ends a page, leaves its place in it, or is read as mathematics or markup."""

from __future__ import annotations

import base64
import hashlib
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest

from adhere.report import charts
from adhere.report.charts import Chart, Grid, Line, Point
from adhere.report.page import Prose, Section, render

HOSTILE = [
    "a$b$c", "$", "$\\frac{", "cost: $5", "x\x1b[31mred", "\x00nul", "\ud800", "a\nb\r\nc", "\u202egnp.exe", "\ufffe",
    "😀👩‍👩‍👧", "x" * 5_000, "font-family: x", "font: 3px 'x", "#010203", '" onload="alert(1)',
    "<script>alert(1)</script>", "</svg></figure><b>", "{{ 7 * 7 }}", "{% raise %}", "%s %(x)s", "\\", "_hidden",
    "--> <!--", "&amp;lt;", "url(#x)", "",
]  # fmt: skip


def drawings(name: str) -> list[Chart]:
    grid = Grid((name, "b"), ("a", name), ((0.1, None), (0.5, 1.0)))
    tree = np.array([[0.0, 1.0, 0.5, 2.0]])
    return [
        charts.points(name, [Point(name, 0.5, (0.4, 0.6), name), Point("b", 0.1, None, "c")], unit=name),
        charts.lines(name, [Line(name, (0, 1), (0, 1)), Line("b", (0, 1), (1, 0), reference=True)], x=name, y=name),
        charts.heat(name, grid),
        charts.bars(name, {name: {name: 0.5, "b": 0.5}, "c": {name: 0.1}}, unit=name),
        charts.scatter(name, [(name, 0.5, 0.5), ("b", 0.1, 0.2)], x=name, y=name),
        charts.histogram(name, {name: [0.1, 0.2]}, x=name),
        charts.dendrogram(name, [name, "b"], tree, x=name),
    ]


@pytest.mark.parametrize("name", HOSTILE, ids=[ascii(name)[:24] for name in HOSTILE])
def test_hostile_label_is_drawn_as_it_stands_and_the_drawing_stays_well_formed(name: str) -> None:
    for chart in drawings(name):
        ElementTree.fromstring(chart.svg.replace("xlink:href", "href").encode("utf-8"))
        assert "<script" not in chart.svg
        assert "onload=" not in re.sub(r">[^<]*<", "><", chart.svg).replace("&quot; onload=", "")


def test_a_dollar_in_a_label_is_a_dollar() -> None:
    chart = charts.points("t", [Point("$x^2$ and $y", 0.5)])
    assert "$x^2$ and $y" in chart.svg


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(key.startswith("on") for key, _ in attrs), (tag, attrs)


def test_a_page_of_hostile_labels_has_the_tags_of_a_page_of_harmless_ones() -> None:
    def tags(name: str) -> list[str]:
        page = render(name, name, [Section("a", name, name, (Prose(name), *drawings(name)), name)], command=name)
        reader = _Tags()
        reader.feed(page.encode("utf-8", "replace").decode())
        return [tag for tag in reader.tags if tag in ("script", "b", "figure", "section", "h1", "h2", "style", "img")]

    harmless = tags("harmless")
    for name in ("</svg></figure><b>", "<script>alert(1)</script>", '" onload="alert(1)', "\ud800"):
        assert tags(name) == harmless, name


def test_the_page_allows_its_own_script_and_nothing_of_the_network() -> None:
    page = render("t", "l", [Section("a", "s", "l", (Prose("p"),))])
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert page.index("Content-Security-Policy") < page.index("<title>")
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = policy[1].replace("&#39;", "'")
    assert f"script-src 'sha256-{digest}'" in rules
    assert rules.startswith("default-src 'none'")
    assert "unsafe-inline" not in rules.split("style-src")[0]
