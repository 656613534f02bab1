"""What an audit's figures rest on: the logs of every sample, and how far a judge can be believed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from adhere.core.findings import Finding
from adhere.report.numbers import between, percent
from adhere.report.page import Block, Section, Table


def section(logs: Iterable[str], findings: Sequence[Finding], recompute: str, folder: Path) -> Section:
    """Where the samples can be looked at; file names are relative to the run's `folder`."""
    rows = tuple(
        (Path(log).parent.name, os.path.relpath(log, folder), f"inspect view --log-dir {Path(log).parent}")
        for log in logs
    )
    blocks: list[Block] = [Table("Inspect logs", ("run", "file", "to look at every sample"), rows)]
    judged = [finding for finding in findings if finding.what.startswith("judge.")]
    if judged:
        cells = tuple((one.what, percent(one.estimate), between(one.interval), str(one.n)) for one in judged)
        caption = "Compared with the word lists on these answers, and against ten ways of arguing for a pass."
        blocks.append(Table("The judge", ("", "share", "95 %", "n"), cells, caption, recompute))
    return Section("evidence", "Evidence", "What the figures above rest on.", tuple(blocks))
