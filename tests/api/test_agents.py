"""`adhere.api.agents`: one call gives findings and a page."""

from __future__ import annotations

import pytest

pytest.importorskip("inspect_ai")

from adhere.api.agents import agents


def test_the_page_shows_arms_differences_and_attacks(tmp_path):
    result = agents("hasty-0.2", arms=("single", "best_of_n"), tasks=2, sizes=(3,), under_fire=2, out=tmp_path / "run")
    page = result.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "best_of_n" in page
    assert "Attacked episodes" in page
    assert "--under-fire 2" in result.recompute
    fire = {f.subject["warden"]: f for f in result.findings if f.what == "agents.fire"}
    assert fire[True].subject["done"] == 0
    assert fire[False].subject["done"] > 0
