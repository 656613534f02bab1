"""Decide the claims of the literature from the findings of earlier runs.

table = claims("runs/first", "runs/second")
table.rows[0].decided.answer       # confirmed, refuted, cannot tell, not measured
table.report("claims.html")

Nothing is measured here. The phase diagram of Clock and Pizza, which takes hours, comes with the package; trainings of
your own add to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from adhere.api.results import Page, Result
from adhere.api.runs import command_of
from adhere.core import findings as records
from adhere.core.extras import naming_extras
from adhere.core.findings import Finding

if TYPE_CHECKING:
    from adhere.measure.claims.evidence import Evidence
    from adhere.measure.claims.table import Row


@dataclass(frozen=True)
class Claims(Result):
    """The table of claims.

    Attributes:
        rows: a row for each claim on each model.
        evidence: the findings that decided.
        recompute: the command that makes this result again.
    """

    rows: tuple[Row, ...]
    evidence: Evidence
    recompute: str

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(row.finding() for row in self.rows)

    def page(self) -> Page:
        from adhere.report.sections import claims as section

        lead = "What earlier runs say about published claims. Every rule was fixed before the data were seen."
        return Page("Claims of the literature", lead, (section.section(self.rows, self.evidence, self.recompute),))


def claims(
    *runs: str | os.PathLike[str], findings: Iterable[Finding] = (), shipped: bool = True, command: str | None = None
) -> Claims:
    """Decide every claim from findings.

    Args:
        runs: folders of runs, or their findings files.
        findings: further findings.
        shipped: add the phase diagram that comes with the package.
        command: the command that makes this result again; composed from the arguments if None.

    Raises:
        MissingExtra: an optional package is missing.
        UserError: a run is not there or holds no findings.
    """
    with naming_extras():
        from adhere.measure.claims.evidence import Evidence, read
        from adhere.measure.claims.table import decided

        paths = [Path(run) for run in runs]
        gathered = [*(phase_diagram() if shipped else ()), *read(paths).findings, *findings]
        evidence = Evidence.of(gathered)
        rows = decided(evidence)
    return Claims(tuple(rows), evidence, command or command_of("claims", tuple(map(str, paths)), {}))


def phase_diagram() -> list[Finding]:
    """The trainings of the phase diagram that come with the package; docs/explanation/modular.md says how they ran."""
    with as_file(files("adhere.modular") / "data" / "phase.json") as path:
        return records.read(path) if path.is_file() else []
