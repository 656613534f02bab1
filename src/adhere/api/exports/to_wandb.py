"""Weights & Biases: a run whose summary holds every estimate, with a table of all findings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import wandb

from adhere.api.exports.labels import label
from adhere.api.results import row
from adhere.core.findings import Finding


def send(findings: Sequence[Finding], paths: Sequence[Path], *, name: str, out: str | None) -> str:
    """Log a run in the project `name`; `WANDB_MODE=offline` keeps it on this machine."""
    del out
    rows = [row(finding) for finding in findings]
    columns = list(dict.fromkeys(column for one in rows for column in one))
    with wandb.init(project=name, job_type="adhere") as run:
        cells = [[None if one.get(c) is None else str(one[c]) for c in columns] for one in rows]
        run.log({"findings": wandb.Table(columns=columns, data=cells)})
        run.summary.update({label(one): one.estimate for one in findings if one.estimate is not None})
        for path in paths:
            run.save(str(path), policy="now")
        where = run.url or run.dir
    return f"{len(findings):,} findings in {where}"
