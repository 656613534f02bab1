"""Findings in tracking tools. Those whose install is heavy are tried where they are installed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from adhere.api.exports import TARGETS, export
from adhere.api.exports.labels import label
from adhere.cli.export import Target
from adhere.core import findings as records
from adhere.core.errors import UserError
from adhere.core.findings import Finding

FINDINGS = [
    Finding(
        what="adherence.prompt.strict",
        subject={"model": "=cmd|' /C calc'!A0", "set": "own", "profile": "fixed"},
        estimate=0.5,
        interval=(0.4, 0.6),
        n=90,
    ),
    Finding(what="degenerate.loop", subject={"model": "m", "set": "own"}, estimate=None, n=0),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    records.write(tmp_path / "findings.json", FINDINGS)
    return tmp_path / "findings.json"


def test_the_command_offers_every_target() -> None:
    assert tuple(target.value for target in Target) == TARGETS


def test_csv_has_a_row_for_each_finding_and_no_formula(file: Path, tmp_path: Path) -> None:
    export([file], to="csv", out=str(tmp_path / "out.csv"))
    first, second = csv.DictReader((tmp_path / "out.csv").open())
    assert first["what"] == "adherence.prompt.strict"
    assert (first["estimate"], first["low"], first["n"]) == ("0.5", "0.4", "90")
    assert first["model"].startswith("'=")
    assert second["estimate"] == ""


def test_errors_say_what_is_missing(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="csv needs --out"):
        export([file], to="csv")
    with pytest.raises(UserError, match="there are: csv, mlflow"):
        export([file], to="excel")
    (tmp_path / "empty.json").write_text('{"findings": []}')
    with pytest.raises(UserError, match="no findings in"):
        export([tmp_path / "empty.json"], to="csv", out="-")


def test_opentelemetry_gets_gauges_with_the_subject() -> None:
    metrics = pytest.importorskip("opentelemetry.sdk.metrics.export")
    from adhere.api.exports.to_otel import record

    reader = metrics.InMemoryMetricReader()
    assert record(FINDINGS, reader, "nightly")
    sent = json.loads(reader.get_metrics_data().to_json())["resource_metrics"][0]
    assert sent["resource"]["attributes"]["service.name"] == "nightly"
    gauges = {one["name"]: one["data"]["data_points"] for one in sent["scope_metrics"][0]["metrics"]}
    assert gauges["adhere.estimate"][0]["value"] == 0.5
    assert gauges["adhere.low"][0]["value"] == 0.4
    assert gauges["adhere.estimate"][0]["attributes"]["finding"] == "adherence.prompt.strict"


def test_mlflow_gets_estimates_bounds_and_the_file(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # the other stores need the whole package
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    line = export([file], to="mlflow", name="nightly")
    (run,) = mlflow.search_runs(experiment_names=["nightly"], output_format="list")
    assert run.info.run_id in line
    assert sorted(run.data.metrics.values()) == [0.4, 0.5, 0.6]


def test_wandb_keeps_an_offline_run(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    assert "2 findings in" in export([file], to="wandb", name="nightly")
    assert list((tmp_path / "wandb").glob("offline-run-*"))


def test_a_label_tells_subjects_apart() -> None:
    assert label(FINDINGS[1]) == "degenerate.loop/m/own"
