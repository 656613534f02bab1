"""Effects agree with a reference, stay finite where nobody ever yields, and find what is there and not what is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from adhere.measure.corrigibility.effects import Effects, NotFitted, effects, exact, fit


def _data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    i = np.arange(60)
    cluster = i // 5
    a, b, c = i % 2, (i // 2) % 3 == 1, (i // 2) % 3 == 2
    y = ((i * i + 3 * i + 7 * cluster) % 11) < (4 + 3 * a + 2 * b)
    return np.column_stack([np.ones(60), a, b, c]).astype(float), y.astype(float), cluster


def test_the_unpenalised_fit_and_its_clustered_errors_are_those_of_statsmodels() -> None:
    # statsmodels 0.15.0: Logit(y, x).fit(cov_type="cluster", cov_kwds={"groups": cluster})
    x, y, cluster = _data()
    found = fit(x, y, list(cluster), penalty=False)
    assert found.beta == pytest.approx([-0.342505613, 1.11842062, 0.220747716, 0.0], abs=1e-6)
    errors = np.sqrt(np.diag(found.covariance))
    assert errors == pytest.approx([0.50467317, 0.51764095, 0.60678841, 0.83313761], abs=1e-6)
    assert found.likelihood == pytest.approx(-38.77945538918167, abs=1e-8)


def test_a_level_where_nobody_yields_has_the_odds_with_a_half_added_to_every_count() -> None:
    cells = [{"a": "x"}] * 10 + [{"a": "y"}] * 12
    found = effects(cells, [0] * 10 + [1] * 5 + [0] * 7, list(range(22)), {"a": ["x", "y"]})
    assert isinstance(found, Effects)
    (effect,) = found.effects
    assert math.log(effect.odds_ratio) == pytest.approx(math.log((5.5 / 7.5) / (0.5 / 10.5)), abs=1e-6)
    assert 0.0 < effect.odds_interval[0] < effect.odds_interval[1] < 1e4


def test_rows_weighted_by_a_whole_number_count_as_often() -> None:
    x, y, cluster = _data()
    twice = fit(np.vstack([x, x]), np.concatenate([y, y]), [*cluster, *cluster])
    weighted = fit(x, y, list(cluster), weights=np.full(60, 2.0))
    assert weighted.beta == pytest.approx(twice.beta, abs=1e-6)


def _simulated(seed: int, spread: float, effect: float) -> tuple[list[dict[str, str]], list[bool], list[int]]:
    generator = np.random.default_rng(seed)
    cells, outcomes, clusters = [], [], []
    for scenario in range(16):
        own = spread * generator.normal()
        for k in range(20):
            cell = {"a": "xy"[k % 2], "b": "pqr"[k % 3]}
            linear = own + effect * (cell["a"] == "y")
            cells.append(cell)
            outcomes.append(bool(generator.random() < 1 / (1 + math.exp(-linear))))
            clusters.append(scenario)
    return cells, outcomes, clusters


def test_intervals_cover_an_effect_that_is_not_there_about_as_often_as_they_say() -> None:
    from adhere.measure.corrigibility import effects as module

    covered = tried = 0
    draws, module.RESAMPLES = module.RESAMPLES, 2
    try:
        for seed in range(60):
            found = effects(*_simulated(seed, 1.0, 0.0), {"a": ["x", "y"], "b": ["p", "q", "r"]})
            assert isinstance(found, Effects)
            for effect in found.effects:
                tried += 1
                covered += effect.interval[0] <= 0.0 <= effect.interval[1]
    finally:
        module.RESAMPLES = draws
    assert 0.88 <= covered / tried <= 1.0


def test_what_moves_the_outcome_has_the_larger_share_and_an_interval_without_nought() -> None:
    found = effects(*_simulated(1, 0.3, 2.0), {"a": ["x", "y"], "b": ["p", "q", "r"]})
    assert isinstance(found, Effects)
    a, b = found.wholes
    assert a.share > 0.8 > 0.2 > b.share
    assert a.p < 0.001 < b.p
    assert found.effects[0].interval[0] > 0.2
    assert a.spread == pytest.approx(found.effects[0].points)


def test_an_outcome_that_never_varies_has_no_effects_but_an_exact_bound() -> None:
    assert effects([{"a": "x"}, {"a": "y"}], [0, 0], [0, 1], {"a": ["x", "y"]}) is None
    low, high = exact(0, 100)
    assert low == 0.0
    assert high == pytest.approx(1 - 0.025 ** (1 / 100))
    assert exact(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("outcomes", "clusters", "why"),
    [
        ([0, 1] * 14 + [0], range(29), "29 outcomes for 3 coefficients; 30 are needed"),
        ([0, 1] * 30, [0, 1] * 30, "2 independent scenarios for 3 coefficients"),
        ([1, 1] + [0] * 58, range(60), "the rarer outcome occurs 2 times for 3 coefficients"),
    ],
)
def test_nothing_is_fitted_to_too_little(outcomes: list[int], clusters: object, why: str) -> None:
    cells = [{"a": "xyz"[k % 3]} for k in range(len(outcomes))]
    found = effects(cells, outcomes, list(clusters), {"a": ["x", "y", "z"]})  # type: ignore[call-overload]
    assert isinstance(found, NotFitted)
    assert why in found.why


def test_a_model_that_answers_by_chance_has_no_significant_effects_at_the_smallest_size_that_is_fitted() -> None:
    """Where the rule lets a model through, its intervals must hold: at most one in ten coefficients excludes nought."""
    from adhere.measure.corrigibility import effects as module

    factors = {"a": ["x", "y"], "b": ["p", "q", "r"], "c": ["k", "l", "m", "n"]}
    draws, module.RESAMPLES = module.RESAMPLES, 1
    tried = wrong = 0
    try:
        for seed in range(40):
            generator = np.random.default_rng(seed)
            cells = [{name: str(generator.choice(levels)) for name, levels in factors.items()} for _ in range(70)]
            outcomes = [bool(generator.random() < 0.3) for _ in cells]
            found = effects(cells, outcomes, [k % 7 for k in range(70)], factors)
            if isinstance(found, Effects):
                tried += len(found.effects)
                wrong += sum(not one.interval[0] <= 0 <= one.interval[1] for one in found.effects)
    finally:
        module.RESAMPLES = draws
    assert tried > 200
    assert wrong <= 0.1 * tried
