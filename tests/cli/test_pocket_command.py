"""`adhere pocket accept` says no in its exit code; options of another size reach the recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from typer.testing import CliRunner

from adhere.cli.pocket import app
from adhere.models.pocket.training import acceptance
from adhere.models.pocket.training import train as training
from adhere.models.pocket.training.recipe import Recipe

MET = acceptance.Criterion("solved: math", 0.95, (0.9, 0.98), 100, (0.9, 1.0))
MISSED = acceptance.Criterion("solved: code", 0.85, (0.8, 0.9), 100, (0.9, 1.0))


@pytest.mark.parametrize(("criteria", "code"), [([MET], 0), ([MET, MISSED], 1)])
def test_a_missed_criterion_is_the_exit_code(
    criteria: list[acceptance.Criterion], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptance, "accept", lambda *_: criteria)
    result = CliRunner().invoke(app, ["accept"])
    assert result.exit_code == code
    assert f"1 of {len(criteria)} criteria are met" in result.output


def test_a_size_sets_what_is_not_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes: list[Recipe] = []

    def spread(recipe: Recipe, out: Path, **_: Any) -> Path:
        recipes.append(recipe)
        return out

    monkeypatch.setattr(training, "spread", spread)
    arguments = ["train", "--out", str(tmp_path), "--tokens", "18", "--size", "large", "--layers", "3"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    [recipe] = recipes
    assert (recipe.width, recipe.layers, recipe.tokens, recipe.precision) == (512, 3, 18_000_000, "bfloat16")


def test_an_unknown_size_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", "--out", str(tmp_path), "--tokens", "1", "--size", "huge"])
    assert "there is no size 'huge'" in str(result.exception)
