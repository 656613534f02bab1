"""The metrics on models whose answer is known by construction."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from adhere.modular.circles import Circle, circles, circularity, closed_form, components, variance_explained
from adhere.modular.examine import examine, share, untrained
from adhere.modular.metrics import by_difference, distance_irrelevance, gradient_symmetricity, triples
from adhere.modular.network import KINDS, Architecture, Network
from adhere.modular.task import Task
from adhere.modular.verdict import decide


def _network(kind: str = "transformer", n: int = 13, *, rate: float = 0.0, task: Task | None = None) -> Network:
    architecture = Architecture(kind, n, rate, 32, 4)  # type: ignore[arg-type]
    return Network(architecture, architecture.init(0), task or Task(n))


def test_the_triples_are_those_of_the_released_notebook() -> None:
    listed = [(a, b, c) for a in range(59) for b in range(59) for c in range(59)]
    random.Random(42).shuffle(listed)
    assert [tuple(row) for row in triples(59).tolist()] == listed[:100]


@pytest.mark.parametrize("kind", ["alpha", "beta", "gamma", "x"])
def test_a_model_that_adds_its_embeddings_is_symmetric_before_it_learns_anything(kind: str) -> None:
    assert gradient_symmetricity(_network(kind)).value == pytest.approx(1.0, abs=1e-6)


def test_gradient_symmetricity_is_the_mean_cosine_by_finite_differences() -> None:
    network = _network("transformer", rate=1.0)
    double = Network(network.architecture, {k: v.double() for k, v in network.weights.items()}, network.task)
    chosen = torch.from_numpy(triples(13, 5))
    base = double.look_up(chosen[:, :2])
    gradient = torch.zeros_like(base)
    for side in range(2):
        for k in range(base.shape[2]):
            nudge = torch.zeros_like(base)
            nudge[:, side, k] = 1e-6
            up, down = double.logits_from(base + nudge), double.logits_from(base - nudge)
            gradient[:, side, k] = ((up - down) / 2e-6).gather(1, chosen[:, 2:])[:, 0]
    wanted = torch.cosine_similarity(gradient[:, 0], gradient[:, 1], dim=-1).mean().item()
    assert gradient_symmetricity(network, 5).value == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("task", [Task(13), Task(12), Task(13, "subtract"), Task(13, "multiply")], ids=lambda t: t.name)
def test_distance_irrelevance_is_one_where_only_the_sum_counts_and_nought_where_only_the_difference_does(
    task: Task,
) -> None:
    group = task.group()
    assert group is not None
    a, b = task.pairs().T
    left, right = group.left[a], group.right[b]
    weight = np.random.default_rng(1).normal(size=group.order)
    by_sum, by_difference_alone = weight[(left + right) % group.order], weight[(left - right) % group.order]
    assert distance_irrelevance(by_difference_alone, task, group).value == pytest.approx(0.0, abs=1e-9)
    if group.order % 2:
        assert distance_irrelevance(by_sum, task, group).value == pytest.approx(1.0, abs=1e-9)


def test_distance_irrelevance_is_the_notebooks_formula() -> None:
    task, values = Task(13), np.random.default_rng(0).normal(size=169)
    matrix = np.zeros((13, 13))
    for (a, b), value in zip(task.pairs(), values, strict=True):
        matrix[(a + b) % 13][(a - b) % 13] = value
    wanted = np.mean(np.std(matrix, axis=0)) / np.std(matrix.flatten())
    assert distance_irrelevance(values, task, task.group()).value == pytest.approx(wanted)  # type: ignore[arg-type]


def test_the_overall_spread_in_bootstraps_is_that_of_the_resampled_rows() -> None:
    task, values = Task(13), np.random.default_rng(0).normal(size=169)
    found = distance_irrelevance(values, task, task.group())  # type: ignore[arg-type]
    rows = by_difference(values, task, task.group())  # type: ignore[arg-type]
    draws = np.random.default_rng(0).integers(13, size=(2000, 13))
    slow = [rows[draw].std(axis=1).mean() / rows[draw].std() for draw in draws]
    assert found.interval == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


def _on_circles(frequencies: tuple[int, ...], n: int = 13) -> Network:
    """A linear model whose embeddings lie on circles of these frequencies, the first the largest."""
    network = _network("alpha", n)
    angle = 2 * np.pi * np.outer(np.arange(n), frequencies) / n
    size = np.linspace(2, 1, len(frequencies))
    table = np.zeros((n, 32))
    table[:, : 2 * len(frequencies)] = np.concatenate([np.cos(angle) * size, np.sin(angle) * size], axis=1)
    weights = {**network.weights, "embed.weight": torch.from_numpy(table).float()}
    return Network(network.architecture, weights, network.task)


def test_circles_are_found_in_order_of_size_with_their_frequencies() -> None:
    network = _on_circles((3, 5))
    group = network.task.group()
    assert group is not None
    found = components(network, group)
    assert circularity(found) == pytest.approx(1.0)
    assert [circle.frequency for circle in circles(network, group, found, 2)] == [3, 5]
    assert circles(network, group, found, 1)[0].purity == pytest.approx(1.0)


def test_random_embeddings_are_not_circular() -> None:
    network = _network()
    group = network.task.group()
    assert group is not None
    assert circularity(components(network, group)) < 0.8


def test_each_closed_form_explains_itself_and_not_the_others() -> None:
    clock, pizza, accompanying = (closed_form(form, 4, 13) for form in ("clock", "pizza", "accompanying"))  # type: ignore[arg-type]
    assert clock is not None
    assert pizza is not None
    assert accompanying is not None
    assert variance_explained(3 * clock + 7, clock) == pytest.approx(1.0)
    assert 0.5 < variance_explained(pizza, clock) < 0.9, "a Pizza is near a Clock, and not one"
    assert variance_explained(accompanying, clock) < -0.9


def test_variance_explained_is_the_notebooks_score() -> None:
    from sklearn.metrics import explained_variance_score

    generator = np.random.default_rng(3)
    x, y = generator.normal(size=500), generator.normal(size=500)
    y += x
    standard = [(v - v.mean()) / v.std() for v in (x, y)]
    assert variance_explained(x, y) == pytest.approx(explained_variance_score(*standard))


def test_an_odd_frequency_has_no_half_on_an_even_circle() -> None:
    assert closed_form("accompanying", 3, 12) is None
    assert closed_form("accompanying", 4, 12) is not None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", [Task(13), Task(12), Task(15, "multiply"), Task(13, "multiply")], ids=lambda t: t.name)
def test_every_model_can_be_examined_on_every_task(kind: str, task: Task) -> None:
    seen = examine(_network(kind, task.modulus, rate=0.5, task=task), task.split(0.8, 0))
    assert seen.verdict.name == "undecided"
    assert (seen.distance_irrelevance is None) == (task.group() is None)


def test_an_untrained_network_is_never_named_however_symmetric() -> None:
    network = untrained(_network("alpha"))
    seen = examine(network)
    assert seen.gradient_symmetricity.value > 0.99
    assert seen.verdict.name == "undecided"
    assert "does not solve" in seen.verdict.reason


def _circle(clock: float, pizza: float, purity: float = 0.99) -> Circle:
    return Circle(0, 3, purity, 0.5, np.zeros((13, 2)), {"clock": clock, "pizza": pizza})


@pytest.mark.parametrize(
    ("symmetricity", "irrelevance", "circle", "name", "word"),
    [
        (0.993, 0.2, _circle(0.75, 0.98), "pizza", ""),
        (0.40, 0.85, _circle(0.77, 0.60), "clock", ""),
        (0.993, 0.55, _circle(0.75, 0.98), "pizza", ""),  # low-alpha runs with a high irrelevance: the forms decide
        (0.993, 0.55, _circle(0.2, 0.3), "undecided", "only one witness"),
        (0.94, 0.2, _circle(0.75, 0.98), "undecided", "between"),
        (0.993, 0.85, _circle(0.75, 0.98), "undecided", "disagree"),
        (0.40, 0.85, _circle(0.60, 0.98), "undecided", "disagree"),
        (0.40, 0.85, _circle(0.60, 0.98, purity=0.5), "clock", ""),  # no clean circle: the forms abstain
    ],
)
def test_the_verdict_follows_its_witnesses(
    symmetricity: float, irrelevance: float, circle: Circle, name: str, word: str
) -> None:
    verdict = decide(1.0, symmetricity, irrelevance, 0.998, (circle,))
    assert verdict.name == name
    assert word in verdict.reason


@pytest.mark.parametrize(("right", "n", "low", "high"), [(8, 8, 0.676, 1.0), (0, 8, 0.0, 0.324), (5, 10, 0.237, 0.763)])
def test_shares_carry_wilsons_interval(right: int, n: int, low: float, high: float) -> None:
    assert share(right, n).interval == pytest.approx((low, high), abs=1e-3)


def test_a_model_without_circles_is_undecided_whatever_the_witnesses_say() -> None:
    verdict = decide(1.0, 0.40, 0.85, 0.78, (_circle(0.98, 0.60),))
    assert verdict.name == "undecided"
    assert "circularity 0.78" in verdict.reason
    assert decide(1.0, 0.40, 0.85, 0.998, (_circle(0.98, 0.60),)).name == "clock"
