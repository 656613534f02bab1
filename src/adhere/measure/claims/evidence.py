"""The findings that claims are decided by, from any number of runs.

Rules:

- A run is a folder with `findings.json`, or such a file. Every findings file below a folder counts, so that the folder
  of an audit brings its parts.
- Two runs of the same model that measured the same thing: the one with more units counts, and of equals the later.
- The trainings of `adhere modular` are no language model; they are kept apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from adhere.core import findings as records
from adhere.core.errors import UserError
from adhere.core.findings import Finding, Scalar

RESULTS = frozenset(
    "met clusters p p_holm lost won real undecided judged unread odds_ratio odds_low odds_high spread explained "
    "verdict purity frequency by_seed random_loss random_worst drop discordance power_here asked why steps".split()
)
"""Keys of a subject whose values are results: two runs of one thing may differ in them."""


@dataclass(frozen=True)
class Evidence:
    """Findings, one for each thing measured."""

    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Evidence:
        """Of all findings the best of each subject."""
        best: dict[tuple[object, ...], Finding] = {}
        for finding in findings:
            about = frozenset((key, value) for key, value in finding.subject.items() if key not in RESULTS)
            key = (finding.what, about)
            if key not in best or finding.n >= best[key].n:
                best[key] = finding
        return cls(tuple(best.values()))

    @cached_property
    def _by_name(self) -> dict[str, list[Finding]]:
        by_name: dict[str, list[Finding]] = {}
        for finding in self.findings:
            by_name.setdefault(finding.what, []).append(finding)
        return by_name

    def all(self, what: str, **subject: Scalar) -> list[Finding]:
        """Findings of that name with these values in their subject, in order."""
        return [finding for finding in self._by_name.get(what, ()) if finding.of(**subject)]

    def models(self, *names: str) -> list[str]:
        """Models with findings under any of these names."""
        return list(
            dict.fromkeys(
                str(one.subject["model"]) for name in names for one in self.all(name) if "model" in one.subject
            )
        )

    def about(self, model: str) -> Evidence:
        """Only what was measured of `model`."""
        return Evidence(tuple(one for one in self.findings if one.subject.get("model") == model))


def read(runs: Iterable[Path]) -> Evidence:
    """The evidence in findings files, and in all such files below folders.

    Raises:
        UserError: a path is not there, a file holds no findings, or a folder has no findings file.
    """
    findings: list[Finding] = []
    for run in runs:
        if not run.exists():
            raise UserError(f"{run}: no such file or folder")
        files = sorted(run.rglob("findings.json")) if run.is_dir() else [run]
        if not files:
            raise UserError(f"{run}: no findings.json in it; give the folder of a run, or the file of --json")
        for file in files:
            findings += records.read(file)
    return Evidence.of(findings)
