"""What a monitor says is missing brings the text to meet its constraint."""

from __future__ import annotations

import pytest

from adhere.constraints.constraint import Constraint
from adhere.constraints.registry import families


def _cases() -> list[Constraint]:
    return [
        example
        for family in families().values()
        for example in family.examples()
        if example.profile == "fixed" and example.monitor().wanted().pieces
    ]


def test_some_families_name_what_is_missing() -> None:
    assert {case.kind for case in _cases()} >= {"contains.terms", "contains.frequency", "semantic.topic", "format.json"}


@pytest.mark.parametrize("case", _cases(), ids=lambda case: f"{case.kind}-{case.describe()[:40]}")
def test_writing_what_is_missing_meets_the_constraint(case: Constraint) -> None:
    if case.kind == "format.json":
        monitor, start, end = case.monitor(), '{"x": 1', "}"
    else:
        monitor, start, end = case.monitor(), "Here.", ""
    monitor.feed(start)
    for _ in range(20):
        wanted = monitor.wanted()
        if not wanted.pieces:
            break
        piece = wanted.pieces[0]
        monitor.feed(f"{piece} 1" if case.kind == "format.json" else f" {piece}")
    monitor.feed(end)
    assert monitor.close().met


@pytest.mark.parametrize("case", _cases(), ids=lambda case: f"{case.kind}-{case.describe()[:40]}")
def test_asking_what_is_missing_changes_nothing(case: Constraint) -> None:
    asked, other = case.monitor(), case.monitor()
    for chunk in ("Some", " text, ", "sea", " and more"):
        asked.wanted()
        assert asked.feed(chunk) is other.feed(chunk)
    assert asked.close() == other.close()
