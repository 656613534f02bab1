"""The gallery of runs: what it lists, what it refuses to show, and how it compares two."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adhere.core import findings as records
from adhere.core.findings import Finding

starlette = pytest.importorskip("starlette.testclient")

from adhere.api.view import gallery  # noqa: E402
from adhere.report.gallery import compared, headline, runs  # noqa: E402


def finding(estimate: float, half: float = 0.05, model: str = "m", what: str = "adherence.prompt.strict") -> Finding:
    return Finding(
        what=what,
        subject={"model": model, "set": "natural", "profile": "fixed"},
        estimate=estimate,
        interval=(estimate - half, estimate + half),
        n=100,
        recompute="adhere score a.jsonl",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "old").mkdir()
    records.write(tmp_path / "old" / "findings.json", [finding(0.5)])
    (tmp_path / "old" / "report.html").write_text("<title>old</title>")
    os.utime(tmp_path / "old" / "findings.json", (1, 1))
    records.write(tmp_path / "new.json", [finding(0.8, model="<script>alert(1)</script>")])
    (tmp_path / "damaged.json").write_text('{"findings": [{"what": "nothing of this name"}]}')
    (tmp_path / "settings.json").write_text('{"a": 1}')
    (tmp_path / "secret.html").write_text("secret")
    return tmp_path


def client(folder: Path, host: str = "localhost") -> starlette.TestClient:
    return starlette.TestClient(gallery(folder), base_url=f"http://{host}")


def test_runs_are_listed_newest_first_with_their_result(folder: Path) -> None:
    listed = runs(folder)
    assert [run.path for run in listed][-1] == "old/findings.json"
    assert {run.path for run in listed} == {"old/findings.json", "new.json", "damaged.json"}
    assert listed[-1].headline == "m follows 50 % of prompts completely (45 % to 55 %, n = 100)"
    assert listed[-1].page == "old/report.html"
    text = client(folder).get("/").text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text


def test_a_page_that_is_no_runs_page_is_not_served(folder: Path) -> None:
    web = client(folder)
    assert web.get("/page/old/report.html").text == "<title>old</title>"
    for path in ("secret.html", "new.json", "../secret.html", "%2e%2e/%2e%2e/etc/passwd", "old/../secret.html"):
        assert web.get(f"/page/{path}").status_code == 404, path
    assert "sandbox" in web.get("/page/old/report.html").headers["content-security-policy"]


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    records.write(outside / "other.json", [finding(0.1)])
    (folder / "link.json").symlink_to(outside / "other.json")
    (folder / "new.html").symlink_to(folder / "secret.html")
    assert all(run.path != "link.json" and run.page != "new.html" for run in runs(folder))


def test_another_host_name_is_refused(folder: Path) -> None:
    assert client(folder, "attacker.example").get("/").status_code == 400
    assert client(folder).post("/").status_code == 405


def test_two_runs_are_compared_where_their_figures_meet(folder: Path) -> None:
    web = client(folder)
    answer = web.get("/compare?run=old/findings.json&run=new.json")
    assert answer.status_code == 200
    assert "+0.300" in answer.text
    assert ">different<" in answer.text
    assert web.get("/compare?run=new.json").status_code == 400
    assert web.get("/compare?run=new.json&run=nothing.json").status_code == 404
    by_path = {run.path: run for run in runs(folder)}
    records.write(folder / "near.json", [finding(0.52)])
    near = {run.path: run for run in runs(folder)}["near.json"]
    assert compared(by_path["old/findings.json"], near)[0].verdict == "cannot tell"


def test_a_headline_names_the_kinds_where_no_figure_leads() -> None:
    assert headline([finding(0.7, what="probe.auc")]) == "1 findings: probe"


def test_a_headline_is_not_the_luckiest_figure() -> None:
    lucky = finding(1.0).model_copy(update={"n": 1})
    assert headline([lucky, finding(0.5)]).startswith("m follows 50 %")
    assert headline([finding(0.5), finding(0.7, model="b")]) == "2 subjects follow 50 % to 70 % of prompts completely"


def test_a_page_of_another_run_is_not_linked(folder: Path) -> None:
    records.write(folder / "old" / "other.json", [finding(0.5)])
    assert {run.path: run.page for run in runs(folder)}["old/other.json"] is None
