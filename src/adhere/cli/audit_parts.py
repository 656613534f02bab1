"""What an audit is made of: what a model does of what it is told, bare and enforced, at what cost, where inside.

Each part keeps what it did in a folder of its own, so that the same command goes on.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from adhere.core.errors import UserError

if TYPE_CHECKING:
    from adhere.core.findings import Finding
    from adhere.explain.results import Explained
    from adhere.measure.adherence.audit import AuditPlan, AuditResult
    from adhere.measure.enforced import Enforced
    from adhere.measure.sustain.run import Done
    from adhere.modular.runs import Finished

EXPLAINED = 80
"""Cases of each skill that an audit explains by; `adhere explain` takes more, erases, and saves monitors."""
SUSTAINED = 40
"""Problems of each of the pocket world's domains on which bare and enforced obedience are compared."""


@dataclass(frozen=True)
class Audited:
    """All parts of an audit; those that were not asked for are None, or empty."""

    measured: AuditResult
    enforced: Enforced | None
    cost: Done | None
    explained: Explained | None
    trained: Sequence[Finished]

    def findings(self, command: str) -> list[Finding]:
        """Those of all parts."""
        found = [*self.measured.findings, *(finding for one in self.trained for finding in one.findings)]
        found += self.enforced.findings if self.enforced else ()
        found += self.cost.findings if self.cost else ()
        found += self.explained.findings(command) if self.explained else ()
        return found


def measure(model: str, folder: Path, plan: AuditPlan, command: str) -> AuditResult:
    """Measure with a progress bar."""
    from rich.console import Console

    from adhere.cli.progress import progress
    from adhere.measure.adherence import audit as auditing

    with progress(Console(stderr=True)) as told:
        return auditing.measure(model, folder, plan, progress=told, recompute=command)


def enforced(model: str, folder: Path, plan: AuditPlan, measured: AuditResult, command: str) -> Enforced:
    """The same prompts through a gateway, compared with what they gave bare."""
    from adhere.cli.gateway_process import gateway
    from adhere.measure.enforced import compare, with_sustain
    from adhere.measure.sustain.plan import SustainPlan
    from adhere.measure.sustain.run import measure as sustain

    asked = SustainPlan(
        arms="control,constraint",
        constraints=(1, 4),
        problems=min(SUSTAINED, plan.limit or SUSTAINED),
        seed=plan.seed,
        temperature=1.0,
        max_tokens=128,
    )
    with gateway(model, ("--spent", "flag")) as name:
        held_to = replace(plan, enforce=True, claim=None)
        through = measure(name, folder / "gateway", held_to, command)
        compared = compare(measured, through, recompute=command)
        if plan.task_set != "pocket":
            return compared
        held = sustain(name, folder / "gateway" / "sustain", replace(asked, enforce=True))
    return with_sustain(compared, sustain(model, folder / "sustain", asked), held, recompute=command)


def cost(model: str, folder: Path, plan: AuditPlan, command: str) -> Done:
    """What obedience costs, on the pocket world's problems; `limit` is problems of each domain."""
    from adhere.cli.sustain import live
    from adhere.measure.sustain.plan import SustainPlan

    return live(model, folder, SustainPlan(problems=plan.limit, seed=plan.seed, temperature=plan.temperature), command)


def explained(model: str, folder: Path, seed: int, command: str) -> Explained | None:
    """A small explanation of an open model: four lenses and their controls, nothing erased, no monitors. None, with a
    line that says why, where it cannot be explained: what was measured is not lost by that."""
    from rich.console import Console

    from adhere.cli.explain import open_named
    from adhere.cli.progress import progress
    from adhere.explain.plan import ExplainPlan
    from adhere.explain.run import explain

    if not model.startswith("adhere/"):
        typer.echo(f"not explained: that needs the weights, and {model} is asked over an API", err=True)
        return None
    plan = ExplainPlan(
        positions=("prompt", "25", "50", "75", "eos", "mean"),
        samples=EXPLAINED,
        kind="lda",
        seed=seed,
        free=40,
        again=0,
        watched=0,
    )
    try:
        opened, name = open_named(model)
        with progress(Console(stderr=True)) as told:
            return explain(opened, name, folder, plan, progress=told, recompute=command)
    except UserError as error:
        typer.echo(f"not explained: {error}", err=True)
        return None


def modular(folder: Path, seed: int) -> Sequence[Finished]:
    """One network without attention and one with it, trained until their metrics settle."""
    from adhere.modular import runs
    from adhere.modular.run_spec import Recipe

    jobs = runs.grid(recipe=Recipe(seed=seed, until_stable=True), rates=(0.0, 1.0))
    return runs.run(jobs, folder, workers=min(len(jobs), os.cpu_count() or 1))
