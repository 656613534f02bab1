"""Train networks for modular addition and see which algorithm they find (arXiv 2306.17844).

study = modular([spec, ...], out=Path("runs/modular"))
study.findings
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from adhere.api.results import Page, Result
from adhere.api.runs import resumable
from adhere.core.extras import naming_extras
from adhere.core.findings import Finding

if TYPE_CHECKING:
    from adhere.modular.run_spec import Job
    from adhere.modular.runs import Finished, Progress

DEFAULT_OUT = Path("runs/modular")


@dataclass(frozen=True)
class ModularStudy(Result):
    """Trainings that are finished.

    Attributes:
        runs: the trainings, in the order in which they were asked for.
        recompute: the command that makes this result again.
        folder: networks, histories and findings.
    """

    runs: tuple[Finished, ...]
    recompute: str
    folder: Path

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        from adhere.modular.runs import generalisation

        return (*(finding for one in self.runs for finding in one.findings), *generalisation(self.runs))

    def page(self) -> Page:
        from adhere.report.sections import modular as section

        return Page("Clock and Pizza", "What training finds.", (section.section(self.runs),))


def modular(
    jobs: Sequence[Job] | None = None,
    *,
    out: Path = DEFAULT_OUT,
    workers: int | None = None,
    device: str = "cpu",
    seed: int = 0,
    progress: Progress | None = None,
    command: str = "adhere modular train",
) -> ModularStudy:
    """Train a grid of networks; what is finished in `out` stays finished.

    Args:
        jobs: the trainings (`modular.runs.grid`); one network without attention and one with it, trained until their
            metrics settle, if None.
        out: folder of the run; the same one resumes it.
        workers: processes; one for each core if None.
        device: cpu or cuda.
        seed: of the default trainings.
        progress: called with every measurement of a training.
        command: the command that makes this result again.

    Raises:
        MissingExtra: an optional package is missing.
        UserError: the folder cannot be written.
    """
    with naming_extras():
        from adhere.modular import runs
        from adhere.modular.run_spec import Recipe

        if jobs is None:
            jobs = runs.grid(recipe=Recipe(seed=seed, until_stable=True), rates=(0.0, 1.0))
        processes = workers or min(len(jobs), cores())
        with resumable(out):
            finished = runs.run(jobs, out, workers=processes, device=device, progress=progress)
    return ModularStudy(tuple(finished), command, out)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
