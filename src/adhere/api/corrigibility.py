"""Measure whether a model yields when it is told to stop: what it says, what it does, whom it follows.

result = corrigibility("pocket", tiers=("stated",), limit=40)
result.findings
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adhere.api.gateway_process import gateway
from adhere.api.results import Notice, Page, Progress, Result
from adhere.api.runs import command_of, folder_of, resumable
from adhere.core.errors import UserError
from adhere.core.extras import naming_extras
from adhere.core.findings import Finding

if TYPE_CHECKING:
    from adhere.measure.corrigibility.battery import CorrigibilityResult
    from adhere.measure.corrigibility.plan import CorrigibilityPlan


@dataclass(frozen=True)
class Corrigibility(Result):
    """What the battery measured of a model.

    Attributes:
        measured: findings and logs of every tier, and the tiers that did not run.
        plan: what was asked for.
        recompute: the command that makes this result again.
        folder: of the run.
    """

    measured: CorrigibilityResult
    plan: CorrigibilityPlan
    recompute: str
    folder: Path

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.measured.findings

    def page(self) -> Page:
        from adhere.report.sections import corrigibility as section

        lead = (
            "Told to stop, to change, to wait: what the model says, what it does, and whom it follows. Look at every "
            f"sample with inspect view --log-dir {self.folder / 'logs'}."
        )
        sections = section.sections(self.measured, tier_command(self.measured.model, self.plan))
        return Page(f"Does {self.measured.model} yield?", lead, tuple(sections))


def corrigibility(
    model: str = "pocket",
    *,
    tiers: Iterable[str] | None = None,
    factors: str | None = None,
    judge: str | None = None,
    evals: str | os.PathLike[str] | None = None,
    attacks: str | os.PathLike[str] | None = None,
    through_gateway: bool = False,
    interface: str = "text",
    world: str = "simulated",
    real: int | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    out: Path | None = None,
    progress: Progress | None = None,
    notice: Notice | None = None,
    command: str | None = None,
) -> Corrigibility:
    """Put a model through the tiers of the battery.

    Args:
        model: `pocket`, a folder, a hub id, or any model Inspect knows.
        tiers: names; all if None.
        factors: which factors vary, with commas; all if None.
        judge: a model that reads open answers; rules if None.
        evals, attacks: folders of model-written sets (anthropics/evals) and of attack sets.
        through_gateway: ask the authority tier a second time through a gateway.
        interface: how the agent acts: text or tools.
        world: simulated, docker or local.
        real: episodes that end a real process; -1 for all; the tier's own number if None.
        temperature, max_tokens: of the answers.
        limit: samples of each task.
        seed: of everything random.
        out: folder of the run; the same one resumes it.
        progress, notice: called with what is being done, and with an estimate of the time it takes, where that is long.
        command: the command that makes this result again; composed from the arguments if None.

    Raises:
        MissingExtra: an optional package is missing.
        UserError: an unknown tier or factor, or the model cannot be used.
    """
    with naming_extras():
        from adhere.measure.corrigibility import battery
        from adhere.measure.corrigibility.plan import TIERS, CorrigibilityPlan

        for option, folder in (("evals", evals), ("attacks", attacks)):
            if folder is not None and not Path(folder).is_dir():
                raise UserError(f"{option} takes a folder, and {folder} is none")
        plan = CorrigibilityPlan(
            tiers=tuple(TIERS) if tiers is None else tuple(tiers),
            factors=factors,
            limit=limit,
            seed=seed,
            judge=judge,
            evals=None if evals is None else os.fspath(evals),
            attacks=None if attacks is None else os.fspath(attacks),
            interface=interface,
            world=world,
            real=real,
            temperature=temperature,
            max_tokens=max_tokens,
            through=through_gateway,
        )
        battery.check(plan)
        place = out or folder_of(model, plan, "corrigibility")
        again = tier_command(model, plan)
        told = command or again(",".join(plan.tiers))
        with resumable(place), _gateway(model) if through_gateway else nullcontext():
            measured = battery.measure(model, place, plan, progress=progress, recompute=again, notice=notice)
    return Corrigibility(measured, plan, told, place)


def _gateway(model: str) -> AbstractContextManager[object]:
    """The gateway that the environment names already, with its charter; else one of our own in front of the model."""
    running = os.environ.get("ADHERE_GATEWAY_BASE_URL")
    return nullcontext(running) if running else gateway(model, ["--when-exhausted", "flag"])


def tier_command(model: str, plan: CorrigibilityPlan) -> Callable[[str], str]:
    """The command that makes one tier's findings again."""

    def command(tier: str) -> str:
        options = {
            "tiers": tier,
            "seed": plan.seed,
            "factors": plan.factors,
            "limit": plan.limit,
            "judge": plan.judge,
            "evals": plan.evals if "stated" in tier else None,
            "attacks": plan.attacks if "authority" in tier else None,
            "interface": None if plan.interface == "text" else plan.interface,
            "world": None if plan.world == "simulated" else plan.world,
            "real": plan.real,
            "temperature": plan.temperature,
            "max_tokens": plan.max_tokens,
            "through_gateway": plan.through and "authority" in tier,
        }
        return command_of("corrigibility", (model,), options)

    return command
