"""The trainings that come with the package: small, free of paths, and an answer to the claim that they decide."""

from __future__ import annotations

from importlib.resources import files

from adhere.api.claims import claims, phase_diagram
from adhere.report.sections.claims import phase

LARGEST = 300_000


def test_the_shipped_trainings_are_small_and_name_no_path() -> None:
    text = (files("adhere.modular") / "data" / "phase.json").read_text(encoding="utf-8")
    assert len(text) < LARGEST
    assert all(not one.evidence and one.recompute.startswith("adhere modular sweep ") for one in phase_diagram())


def test_the_claim_is_decided_without_training_and_drawn_beside_the_authors_runs() -> None:
    table = claims()
    (row,) = [row for row in table.rows if row.claim.id == "9.phase"]
    assert row.decided.answer == "confirmed"
    chart = phase(table.evidence)
    assert chart is not None
    assert {cells[0] for cells in chart.rows} == {"our 11 trainings, median", "817 released runs, median"}
