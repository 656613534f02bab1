"""`adhere modular`: what it prints, its exit codes, and its answers to mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adhere.cli.modular import _numbers, app
from adhere.core.errors import UserError

runner = CliRunner()
SMALL = ["--modulus", "11", "--width", "16", "--steps", "20", "--workers", "1", "--device", "cpu"]


def _pizza(shared_data: Path) -> Path:
    if not (shared_data / "pizza" / "model_p99zdpze5l.pt").is_file():
        pytest.skip("the released models are not among the data sets")
    return shared_data / "pizza"


@pytest.mark.slow
def test_train_writes_networks_findings_and_the_odds(tmp_path: Path) -> None:
    out, file = tmp_path / "out", tmp_path / "found.json"
    result = runner.invoke(app, ["train", *SMALL, "--seeds", "2", "--out", str(out), "--json", str(file)])
    assert result.exit_code == 0, result.output
    assert "Expected before training" in result.output
    assert "0 of 2" in result.output
    assert len(list(out.rglob("model.safetensors"))) == 2
    names = [finding["what"] for finding in json.loads(file.read_text())["findings"]]
    assert "modular.generalised" in names
    assert "modular.gradient_symmetricity" in names


def test_sweep_crosses_rates_and_shares_and_limit_bounds_it(tmp_path: Path) -> None:
    arguments = ["--alphas", "0,1", "--shares", "0.5,0.8", "--moduli", "11", *SMALL[2:], "--seeds", "1"]
    result = runner.invoke(app, ["sweep", *arguments, "--limit", "3", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert len(list(tmp_path.rglob("history.json"))) == 3


def test_classify_reads_what_train_wrote(tmp_path: Path) -> None:
    assert runner.invoke(app, ["train", *SMALL, "--out", str(tmp_path)]).exit_code == 0
    (model,) = tmp_path.rglob("model.safetensors")
    result = runner.invoke(app, ["classify", str(model), "--json", str(tmp_path / "c.json")])
    assert result.exit_code == 0, result.output
    assert "UNDECIDED" in result.output
    found = json.loads((tmp_path / "c.json").read_text())["findings"]
    assert next(f for f in found if f["what"] == "modular.accuracy")["unit"] == "held-out pairs"


@pytest.mark.slow
def test_check_prints_ours_beside_theirs_and_agrees(shared_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "check.json"
    result = runner.invoke(app, ["check", str(_pizza(shared_data)), "--json", str(file)])
    assert result.exit_code == 0, result.output
    assert "All within 0.002 of the published numbers: 3 models." in result.output
    assert len(json.loads(file.read_text())["findings"]) > 10


def test_check_fails_where_a_number_differs(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from adhere.modular import published

    wrong = published.Published(title="wrong", source="-", circularity=0.5)
    monkeypatch.setattr(published, "MODELS", {"l8k1hzciux": wrong})
    result = runner.invoke(app, ["check", str(_pizza(shared_data)), "--limit", "1"])
    assert result.exit_code == 1
    assert "DIFFERS" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--alpha", "1.5"], "alpha must lie between 0 and 1"),
        (["train", "--share", "1"], "share"),
        (["train", "--modulus", "3"], "modulus"),
        (["train", "--operation", "divide"], "no operation"),
        (["train", "--model", "epsilon"], "no model"),
        (["train", "--precision", "fp8"], "no precision"),
        (["train", "--device", "tpu"], "no device"),
        (["train", "--seed", "-1"], "seed"),
        (["sweep", "--alphas", "0:1"], "--alphas"),
        (["sweep", "--moduli", "59.5"], "no whole number"),
        (["classify", "nothing.pt"], "no such file"),
        (["check", "nowhere"], "no such folder"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    if arguments[0] in ("train", "sweep"):
        arguments = [*arguments, "--out", str(tmp_path)]
    result = runner.invoke(app, arguments)
    assert isinstance(result.exception, UserError)
    assert words in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_composite_modulus_works_and_says_what_changes(tmp_path: Path) -> None:
    result = runner.invoke(app, ["train", "--modulus", "12", *SMALL[2:], "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "12 is composite" in " ".join(result.output.split())


def test_lists_of_numbers() -> None:
    assert _numbers("0:1:11", "") == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert _numbers("0.2, 0.8", "") == [0.2, 0.8]
    assert _numbers("0.5:0.5:1", "") == [0.5]
    with pytest.raises(UserError):
        _numbers("a", "--alphas")
