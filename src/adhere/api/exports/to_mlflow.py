"""MLflow: a run with a metric for each estimate and its bounds, and the findings as an artifact."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import mlflow

from adhere.api.exports.labels import label
from adhere.core.errors import UserError
from adhere.core.findings import Finding

_REFUSED = re.compile(r"[^\w\-./ :]")
"""Characters that MLflow refuses in a metric's name."""
_AT_ONCE = 1_000


def send(findings: Sequence[Finding], paths: Sequence[Path], *, name: str, out: str | None) -> str:
    """Log a run in the experiment `name`; `MLFLOW_TRACKING_URI` says where."""
    del out
    metrics: dict[str, float] = {}
    for finding in findings:
        if finding.estimate is None:
            continue
        key = _REFUSED.sub("_", label(finding))
        metrics[key] = finding.estimate
        if finding.interval is not None:
            metrics[f"{key}.low"], metrics[f"{key}.high"] = finding.interval
    try:
        mlflow.set_experiment(name)
        with mlflow.start_run() as run:
            items = list(metrics.items())
            for start in range(0, len(items), _AT_ONCE):
                mlflow.log_metrics(dict(items[start : start + _AT_ONCE]))
            for path in paths:
                mlflow.log_artifact(str(path))
    except mlflow.exceptions.MlflowException as error:
        raise UserError(f"MLflow refused: {error.message.splitlines()[0]}") from None
    return f"{len(metrics):,} metrics in run {run.info.run_id} of experiment {name}"
