"""Agreement with what the authors released: their weights, our metrics, their numbers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from adhere.modular import stored
from adhere.modular.examine import Examination, examine
from adhere.modular.published import MODELS, TOLERANCE


@cache
def _seen(path: Path) -> Examination:
    return examine(stored.load(path)[0])


def _examine(shared_data: Path, run: str) -> Examination:
    path = shared_data / "pizza" / f"model_{run}.pt"
    if not path.is_file():
        pytest.skip(f"the released model is not at {path}")
    return _seen(path)


@pytest.mark.parametrize("run", MODELS)
@pytest.mark.parametrize("metric", ["accuracy", "gradient_symmetricity", "distance_irrelevance", "circularity"])
def test_a_metric_agrees_with_the_published_number(shared_data: Path, run: str, metric: str) -> None:
    wanted = getattr(MODELS[run], metric)
    if wanted is None:
        pytest.skip("no number was published")
    got = getattr(_examine(shared_data, run), metric)
    assert (got if isinstance(got, float) else got.value) == pytest.approx(wanted, abs=TOLERANCE)


@pytest.mark.parametrize("run", [run for run in MODELS if MODELS[run].fve])
def test_the_closed_forms_explain_what_the_notebooks_print(shared_data: Path, run: str) -> None:
    circles = _examine(shared_data, run).circles
    for (circle, form), wanted in MODELS[run].fve.items():
        assert circles[circle - 1].fve[form] == pytest.approx(wanted, abs=TOLERANCE), (circle, form)  # type: ignore[index]


def test_the_top_wrong_variant_is_another_number(shared_data: Path) -> None:
    seen = _examine(shared_data, "p99zdpze5l")
    assert seen.top_wrong is not None
    assert seen.distance_irrelevance is not None
    assert abs(seen.top_wrong.value - seen.distance_irrelevance.value) > 10 * TOLERANCE


@pytest.mark.parametrize(("run", "name"), [("p99zdpze5l", "pizza"), ("l8k1hzciux", "clock"), ("p71frej8t7", "pizza")])
def test_the_papers_examples_are_called_what_the_paper_calls_them(shared_data: Path, run: str, name: str) -> None:
    assert _examine(shared_data, run).verdict.name == name


def test_intervals_hold_their_estimates(shared_data: Path) -> None:
    seen = _examine(shared_data, "l8k1hzciux")
    for estimate in (seen.accuracy, seen.gradient_symmetricity, seen.distance_irrelevance):
        assert estimate is not None
        assert estimate.interval is not None
        assert estimate.interval[0] <= estimate.value <= estimate.interval[1]
