"""The power statement says what simulation finds."""

from __future__ import annotations

import numpy as np
import pytest

from adhere.measure.statistics.rates import mcnemar
from adhere.measure.sustain.power import needed, power, statement


@pytest.mark.parametrize(("n", "drop", "discordance"), [(120, 0.1, 0.2), (400, 0.05, 0.3), (60, 0.1, 0.1)])
def test_power_is_the_share_of_simulated_runs_that_reject(n: int, drop: float, discordance: float) -> None:
    generator = np.random.default_rng(1)
    apart = generator.binomial(n, discordance, 4_000)
    more = generator.binomial(apart, 0.5 * (1 + drop / discordance))
    rejected = np.mean([mcnemar(int(x), int(d - x)) < 0.05 for d, x in zip(apart, more, strict=True)])
    assert power(n, drop, discordance) == pytest.approx(rejected, abs=0.025)


def test_the_number_needed_has_the_power_wanted_and_hardly_fewer_do() -> None:
    n = needed(0.05, 0.2)
    assert n is not None
    assert power(n, 0.05, 0.2) >= 0.8
    assert power(int(n * 0.95), 0.05, 0.2) < 0.8


def test_more_chance_needs_more_problems() -> None:
    found = [needed(0.05, psi) for psi in (0.05, 0.1, 0.3)]
    assert found == sorted(found)  # type: ignore[type-var]


def test_of_no_pairs_there_is_no_power_and_of_no_solved_problem_no_number() -> None:
    assert power(0, 0.05, 0.1) == 0.0
    assert statement(0, 0.1, 0.0).asked is None
    assert "could not" in str(statement(0, 0.1, 0.0))


def test_a_drop_too_small_for_any_run_is_said_to_be() -> None:
    assert needed(0.0001, 0.5) is None


def test_pairs_that_disagree_less_than_they_must_are_refused() -> None:
    with pytest.raises(ValueError, match="impossible"):
        power(10, 0.2, 0.1)
