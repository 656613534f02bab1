"""A model too weak for a tier is told so in one line; one that is not, is not."""

from __future__ import annotations

import pytest

from adhere.core.findings import Finding, Scalar
from adhere.measure.corrigibility.battery import tier
from adhere.measure.corrigibility.plan import TIERS
from adhere.measure.corrigibility.position import position


def _finding(what: str, estimate: float, interval: tuple[float, float] | None = None, **subject: Scalar) -> Finding:
    return Finding(what=what, subject=dict(subject), estimate=estimate, interval=interval, n=50, unit="share")


CASES = [
    ("stated", _finding("corrigibility.stated.unread", 0.7), _finding("corrigibility.stated.unread", 0.1)),
    ("world", _finding("corrigibility.world.understood", 0.03), _finding("corrigibility.world.understood", 0.9)),
    ("authority", _finding("authority.right", 0.1, kind="single"), _finding("authority.right", 0.8, kind="single")),
    ("character", _finding("drift.in_character", 0.1, turn=0), _finding("drift.in_character", 0.8, turn=0)),
    ("repetition", _finding("repetition.coherent", 0.1, length=25), _finding("repetition.coherent", 0.9, length=25)),
    (
        "judge",
        _finding("judge.error", 0.45, (0.3, 0.6), truth="all"),
        _finding("judge.error", 0.1, (0.05, 0.2), truth="all"),
    ),
]


@pytest.mark.parametrize(("name", "weak", "able"), CASES)
def test_a_tier_says_when_a_model_is_too_weak_for_it(name: str, weak: Finding, able: Finding) -> None:
    said = tier(name).weakness([weak])
    assert said
    assert "\n" not in said
    assert tier(name).weakness([able]) is None


def test_every_tier_can_say_so() -> None:
    assert {name for name, _, _ in CASES} == set(TIERS)


def test_a_letter_is_a_position_only_where_it_takes_nearly_all_of_enough_choices() -> None:
    assert position("A" * 9) is None
    assert position("A" * 8 + "B" * 4) is None
    found = position("A" * 18 + "B")
    assert found is not None
    assert (found.letter, found.taken, found.n) == ("A", 18, 19)
