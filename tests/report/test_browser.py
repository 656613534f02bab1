"""A page in a real browser: accessible in both themes and on a telephone, and its buttons do what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adhere.core.findings import Finding, dumps
from adhere.report import page
from adhere.report.charts import Grid, Line, Point, bars, heat, histogram, lines, points, scatter
from adhere.report.page import (
    Episode,
    Example,
    Examples,
    Excerpt,
    Fact,
    Facts,
    Replay,
    Section,
    Stage,
    Step,
    Table,
    Walk,
)

CHROMIUM = Path("/usr/bin/chromium")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if not CHROMIUM.exists():
    pytest.skip(f"no browser at {CHROMIUM}", allow_module_level=True)

TEXT = Excerpt((("The sea, ", False), ("the sea", True), (" is wide. " * 40, False)))
LONG = tuple((f"model {k}", f"{k}", f"{k} to {k + 1}") for k in range(14))


def _example(family: str, outcome: str) -> Example:
    return Example(f"{family} {outcome}", "Asked.", TEXT, "broken", "note", TEXT, ("left", "right"), family, outcome)


def _html() -> str:
    charts = (
        points("Shares", [Point("a", 0.5, (0.4, 0.6), "x", 10), Point("a", 0.3, (0.2, 0.4), "y", 10, holds=False)]),
        heat("Grid", Grid(tuple("abc"), ("long column", "d"), ((0.9, None), (0.1, 0.5), (0.3, 1.0)))),
        lines("Cost", [Line("one", [1, 2], [0.5, 0.4], [0.4, 0.3], [0.6, 0.5]), Line("r", [1, 2], [0.1, 0.1])], x="k"),
        bars("Why", {"math": {"wrong": 3, "loop": 1}}),
        scatter("Both", [("one", 0.1, 0.2)]),
        histogram("Where", {"a": [0.1, 0.2, 0.9]}),
    )
    episode = Episode("e", "stopped", (Step("agent", "text", (("mode", "on"),), frozenset({"mode"})),), "note")
    blocks: tuple[page.Block, ...] = (
        Facts((Fact("n", "1", "of 2"),)),
        page.Charts(charts),
        Table("Long", ("", "n", "95 %"), LONG, "A caption.", "adhere x", frozenset({1})),
        Examples("Cases", (_example("length", "lost"), _example("format", "held"), _example("format", "lost"))),
        Walk("Walk", (Stage("s", TEXT, "note"),)),
        Replay("Replay", (episode,)),
    )
    finding = Finding(what="adherence.prompt.strict", subject={"model": "=cmd"}, estimate=0.5, interval=(0.4, 0.6), n=9)
    sections = [Section("s", "Results", "Lead.", blocks, "A result (1 to 2, n = 3)."), Section("t", "More", "L.", ())]
    return page.render("Title", "Lead.", sections, command="adhere x", findings=dumps([finding]))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(_html(), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def shown(chromium: Any, address: str) -> Iterator[Any]:
    tab = chromium.new_page()
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda message: faults.append(message.text))
    tab.goto(address)
    yield tab
    assert not faults
    tab.close()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 375)])
def test_axe_finds_nothing_wrong_with_the_page(chromium: Any, address: str, theme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce", bypass_csp=True
    )
    tab = context.new_page()
    tab.goto(address)
    tab.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    kinds = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    violations = axe.Axe().run(tab, options={"runOnly": kinds}).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in violations] == []
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    context.close()


def test_tables_sort_and_filter_from_the_keyboard(shown: Any) -> None:
    shown.get_by_text("14 rows").click()
    shown.get_by_role("button", name="n", exact=True).focus()
    shown.keyboard.press("Enter")
    rows = shown.locator("#s-long tbody tr")
    assert rows.first.inner_text().startswith("model 13")
    shown.locator("#s-long input").fill("model 2")
    assert rows.locator("visible=true").count() == 1


def test_examples_are_chosen_by_family_and_outcome(shown: Any) -> None:
    examples = shown.locator("#s-cases .example:visible")
    shown.get_by_label("Show by family").select_option("format")
    assert examples.count() == 2
    shown.get_by_label("Show by outcome").select_option("held")
    assert examples.count() == 1
    shown.get_by_label("Show by family").select_option("")
    shown.get_by_label("Show by outcome").select_option("")
    assert examples.count() == 3


def test_findings_come_out_as_json_and_as_csv_without_formulas(shown: Any) -> None:
    texts = []
    for kind in ("JSON", "CSV"):
        with shown.expect_download() as download:
            shown.locator("#download").get_by_role("button", name=f"Download {kind}").click()
        texts.append(Path(download.value.path()).read_text(encoding="utf-8"))
    assert json.loads(texts[0])["findings"][0]["estimate"] == 0.5
    assert texts[1].splitlines() == [
        "what,model,estimate,low,high,confidence,n,unit",
        "adherence.prompt.strict,'=cmd,0.5,0.4,0.6,0.95,9,",
    ]


def test_paper_gets_what_is_closed_and_a_link_to_a_figure_finds_it(shown: Any) -> None:
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shown.evaluate("[...document.querySelectorAll('details')].every((one) => one.open)")
    shown.emulate_media(media="print")
    assert not shown.locator(".tools").first.is_visible()
    links = shown.locator(".permalink").evaluate_all("(all) => all.map((one) => one.getAttribute('href').slice(1))")
    assert len(links) == 12
    assert all(shown.evaluate("(id) => document.getElementById(id) !== null", link) for link in links)
