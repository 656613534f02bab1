"""Findings in tracking tools. Those whose install is heavy are tried where they are installed."""

from __future__ import annotations

import csv
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

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
    with pytest.raises(UserError, match="there are: csv, langfuse"):
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


class _Langfuse(BaseHTTPRequestHandler):
    """As much of Langfuse's server as its client talks to; keeps what it is sent."""

    sent: ClassVar[list[tuple[str, bytes]]] = []
    accepts = True

    def do_GET(self) -> None:
        self._answer(
            200 if self.accepts else 401,
            {"data": [{"id": "p", "name": "p", "metadata": {}, "organization": {"id": "o", "name": "o"}}]},
        )

    def do_POST(self) -> None:
        self.sent.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
        self._answer(207, {"successes": [], "errors": []})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def test_langfuse_gets_a_score_for_each_estimate(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("langfuse", reason="langfuse is not installed")
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-1")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-1")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Langfuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("LANGFUSE_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        assert "1 scores on trace" in export([file], to="langfuse", name="nightly")
        [[score]] = [json.loads(body) for path, body in _Langfuse.sent if path.endswith("/scores")]
        assert score["value"] == 0.5
        assert score["comment"] == "95% interval 0.4 to 0.6, n = 90"
        assert score["metadata"]["what"] == "adherence.prompt.strict"
        assert any(path.endswith("/otel/v1/traces") for path, _ in _Langfuse.sent)
        monkeypatch.setattr(_Langfuse, "accepts", False)
        with pytest.raises(UserError, match="Langfuse"):
            export([file], to="langfuse", name="nightly")
        server.shutdown()


def test_a_label_tells_subjects_apart() -> None:
    assert label(FINDINGS[1]) == "degenerate.loop/m/own"
