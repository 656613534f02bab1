"""Measure whether plans and acts of agents do what was meant, within who may instruct.

result = agents("pocket", worlds=("workshop",), arms=("best_of_n", "validated"), tasks=8)
result.findings
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from adhere.api.results import Page, Progress, Result
from adhere.api.runs import command_of, folder_of, resumable
from adhere.core.extras import naming_extras
from adhere.core.findings import Finding

if TYPE_CHECKING:
    from adhere.measure.agents.study import AgentPlan, AgentResult


MISS = 0.2
"""Steps that the script leaves out on whose tasks skills are tried."""


@dataclass(frozen=True)
class Agents(Result):
    """What the arms came to.

    Attributes:
        measured: episodes and findings.
        models: who was measured.
        plan: what was asked for.
        recompute: the command that makes this result again.
        folder: of the run.
    """

    measured: AgentResult
    models: tuple[str, ...]
    plan: AgentPlan
    recompute: str
    folder: Path

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.measured.findings

    def page(self) -> Page:
        from adhere.report.sections import agents as section

        lead = (
            "From a request to acts: which way of planning and writing reaches the end that was meant, at equal "
            f"budgets of tokens. Look at every episode with inspect view --log-dir {self.folder / 'logs'}."
        )
        return Page("Do plans hold?", lead, tuple(section.sections(self.findings, self.recompute)))


def agents(
    model: str | None = None,
    *,
    worlds: Iterable[str] = ("household",),
    arms: Iterable[str] | None = None,
    budgets: Iterable[int] | None = None,
    sizes: Iterable[int] | None = None,
    constraints: Iterable[int] | None = None,
    warden: str = "both",
    plans: str = "free",
    tasks: int = 8,
    under_fire: int = 0,
    likelihood: int = 0,
    practice: bool = False,
    temperature: float | None = None,
    seed: int = 0,
    out: Path | None = None,
    progress: Progress | None = None,
    command: str | None = None,
) -> Agents:
    """Play the arms at equal budgets of tokens.

    Args:
        model: a script (`oracle`, `hasty-0.2`, `slow-2`), `pocket`, a folder, a hub id, or any model Inspect knows; the
            scripts and `pocket` if None.
        worlds: household, workshop.
        arms: single, best_of_n, ask_again, decomposed, validated, masked, react; all but react if None.
        budgets: tokens of an episode, prompts included; several give a curve.
        sizes: steps of the reference plans, 3 to 30.
        constraints: of every document in the workshop, 1 to 8.
        warden: both, on or off.
        plans: free, or given: only what the model writes is measured.
        tasks: of each world.
        under_fire: attacked episodes of each world with a malicious script, with and without the warden.
        likelihood: tasks for which a model on this machine draws its plan act by act, with and without affordance.
        practice: also learn skills from practice tasks, and try them on new ones with a script.
        temperature: of first answers; the model's own if None.
        seed: of everything random.
        out: folder of the run; the same one resumes it.
        progress: called with what is being done.
        command: the command that makes this result again; composed from the arguments if None.

    Raises:
        MissingExtra: an optional package is missing.
        UserError: an unknown world or arm, a number out of bounds, or the model cannot be used.
    """
    with naming_extras():
        from adhere.measure.agents import study
        from adhere.measure.agents.study import OFFLINE, AgentPlan

        plan = AgentPlan(
            worlds=tuple(worlds), warden=warden, plans=plans, tasks=tasks, temperature=temperature, seed=seed
        )
        given = {"arms": arms, "budgets": budgets, "sizes": sizes, "ks": constraints}
        plan = replace(plan, **{name: tuple(value) for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        study.check(plan)
        models = OFFLINE if model is None else (model,)
        place = out or folder_of(model or "offline", (plan, under_fire, likelihood, practice), "agents")
        again = command or command_of(
            "agents",
            () if model is None else (model,),
            {
                "world": plan.worlds,
                "arms": plan.arms,
                "budget": plan.budgets,
                "sizes": plan.sizes,
                "constraints": plan.ks,
                "warden": warden,
                "plans": plans,
                "tasks": tasks,
                "under_fire": under_fire or None,
                "likelihood": likelihood or None,
                "practice": practice,
                "temperature": temperature,
                "seed": seed,
            },
        )
        with resumable(place):
            measured = study.measure(models, place, plan, progress=progress, recompute=again)
            if under_fire:
                from adhere.measure.agents.fire import findings_under_fire

                attacked = findings_under_fire(plan.worlds, under_fire, place, seed, progress, again)
                measured = replace(measured, findings=(*measured.findings, *attacked))
            more = _further(models, likelihood, practice, progress, again)
            measured = replace(measured, findings=(*measured.findings, *more))
    return Agents(measured, models, plan, again, place)


def _further(
    models: Sequence[str], likelihood: int, practice: bool, progress: Progress | None, recompute: str
) -> list[Finding]:
    """Plans drawn by likelihood, and what a library of skills is worth."""
    from adhere.measure.agents.scripted import is_scripted

    tell = progress or (lambda *_: None)
    findings: list[Finding] = []
    for name in models if likelihood else ():
        if not is_scripted(name):
            from adhere.measure.agents import likelihood as drawing

            title = f"{name}, plans by likelihood"
            tell(title, 0, likelihood)
            more = drawing.measure(
                name, likelihood, progress=functools.partial(_one_more, tell, title), recompute=recompute
            )
            findings += more
    if practice:
        from adhere.measure.agents import learning
        from adhere.measure.agents.run_charter import episode_charter

        with episode_charter("household") as run:
            findings += learning.findings_of(learning.curve(run, miss=MISS), MISS, recompute)
    return findings


def _one_more(tell: Progress, title: str, done: int) -> None:
    tell(title, done, None)
