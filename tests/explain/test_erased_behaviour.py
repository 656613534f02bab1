"""A skill that is gone because the model is broken was not found."""

from __future__ import annotations

import numpy as np
import pytest

from adhere.explain.analyses.behaviour import Behaviour
from adhere.explain.probing.decodability import Estimate


def _of(value: float) -> Estimate:
    return Estimate(value, value + 0.01 * np.random.default_rng(0).standard_normal(200), 60)


@pytest.mark.parametrize(("loss", "holds"), [(1.5, True), (1.9, True), (2.1, False), (5.4, False)])
def test_a_change_of_behaviour_is_withheld_where_erasing_broke_the_model(loss: float, holds: bool) -> None:
    erased = Behaviour("kind", 3, "end", _of(0.9), _of(0.1), _of(0.88), _of(1.44), _of(loss), _of(1.5), (0.6, 0.9))
    claim = erased.claim("m")
    assert claim.holds is holds
    assert ("the model is damaged" in claim.sentence) is not holds


def test_a_change_that_a_random_direction_makes_too_does_not_hold() -> None:
    erased = Behaviour("kind", 3, "end", _of(0.9), _of(0.5), _of(0.52), _of(1.44), _of(1.5), _of(1.5), (-0.1, 0.2))
    assert not erased.claim("m").holds
