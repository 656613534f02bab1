"""Measure how often a model follows its instructions, and on request its cost, its place inside, a gateway's effect.

    run = audit("pocket", per_skill=20, also=("sustain",))
    run.findings
    run.report("page.html")

Every part keeps what it did in a folder of its own, so that the same call carries on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from adhere.api.claims import claims
from adhere.api.explain import Explanation, explain
from adhere.api.gateway_process import gateway, upstream_of
from adhere.api.modular import ModularStudy, modular
from adhere.api.results import Notice, Page, Progress, Result
from adhere.api.runs import command_of, folder_of, resumable
from adhere.api.sustain import Sustain, sustain
from adhere.core.errors import UserError
from adhere.core.extras import naming_extras
from adhere.core.findings import Finding

if TYPE_CHECKING:
    from adhere.measure.adherence.audit import AuditPlan, AuditResult
    from adhere.measure.enforced import Enforced
    from adhere.report.page import Section

PARTS = ("sustain", "explain", "modular")
"""What an audit can add to adherence: its cost, where inside it happens, the study of modular addition."""
EXPLAINED = 80
"""Cases of each skill that an audit explains by; `explain` takes more, erases, and saves monitors."""
SUSTAINED = 40
"""Problems of each of the pocket world's domains on which obedience bare and through a gateway are compared."""


@dataclass(frozen=True)
class Audit(Result):
    """All parts of an audit; those that were not asked for, or could not be done, are None.

    Attributes:
        measured: adherence, and the certificate where one was asked for.
        enforced: the same prompts through a gateway.
        cost: what obedience costs.
        explanation: where inside the model it happens.
        study: the study of modular addition.
        task_set: the set of prompts.
        recompute: the command that makes this result again.
        folder: of the run.
    """

    measured: AuditResult
    enforced: Enforced | None
    cost: Sustain | None
    explanation: Explanation | None
    study: ModularStudy | None
    task_set: str
    recompute: str
    folder: Path

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        parts = (self.measured, self.study, self.enforced, self.cost, self.explanation)
        return tuple(finding for part in parts if part is not None for finding in part.findings)

    def page(self) -> Page:
        """A section for each part; the claims of the literature on top where every part ran."""
        from adhere.report.sections import adherence, certificate, enforced, evidence

        measured, command = self.measured, self.recompute
        sections: list[Section] = []
        if self.cost and self.explanation and self.study:
            sections += claims(findings=self.findings, command=f"adhere claims {self.folder}").page().sections
        sections.append(adherence.section(measured.run, recompute=command))
        if measured.certificate:
            sections.append(certificate.section(measured.certificate, recompute=command))
        if self.enforced:
            sections.append(enforced.section(self.enforced, recompute=command))
        if self.cost and (section := self.cost.section):
            sections.append(section)
        if self.explanation:  # these two import torch, which a model behind an API does not need
            from adhere.report.sections.explain import sections as explaining

            sections += explaining(self.explanation.explained, recompute=self.explanation.recompute)
        if self.study:
            from adhere.report.sections import modular

            sections.append(modular.section(self.study.runs, recompute=command))
        sections.append(evidence.section(measured.logs, measured.findings, command, self.folder))
        lead = (
            f"Asked live: {len(measured.run.kept):,} prompts of the set {self.task_set}. Look at every sample with "
            f"inspect view --log-dir {self.folder / 'logs'}."
        )
        return Page(f"Does {measured.model} do what it is told?", lead, tuple(sections))


def audit(
    model: str = "pocket",
    *,
    also: Iterable[str] = (),
    through_gateway: bool = False,
    task_set: str | None = None,
    data: str | os.PathLike[str] | None = None,
    per_skill: int | None = None,
    judge: str | None = None,
    certify: float | None = None,
    confidence: float = 0.95,
    budget: int | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    out: Path | None = None,
    progress: Progress | None = None,
    notice: Notice | None = None,
    command: str | None = None,
) -> Audit:
    """Measure a model live.

    Args:
        model: `pocket`, a folder, a hub id, or any model Inspect knows.
        also: parts to add: sustain, explain, modular.
        through_gateway: ask everything a second time through a gateway that enforces the constraints.
        task_set: pocket, natural, ifeval, ifbench, own or multi-turn; if None natural, and pocket for the pocket
            model.
        data: file of prompts, for the other sets.
        per_skill: prompts for each skill; 60 of pocket and all of natural if None.
        judge: a model that decides what only reading can tell.
        certify: settle whether the model follows more than this share of prompts, as 0.999.
        confidence: of the certificate.
        budget: answers that the certificate may take; twice the fewest possible if None.
        temperature, max_tokens: of the answers.
        limit: prompts at the most.
        seed: of everything random.
        out: folder of the run; the same one resumes it.
        progress, notice: called with what is being done, and with lines that a user should read.
        command: the command that makes this result again; composed from the arguments if None.

    Raises:
        MissingExtra: an optional package is missing.
        UserError: an unknown part or set, a model that cannot be used, or nothing was answered.
    """
    parts = tuple(also)
    for part in parts:
        if part not in PARTS:
            raise UserError(f"an audit has no part {part!r}; there are: {', '.join(PARTS)}")
    if certify is not None and not 0 < certify < 1:
        raise UserError(f"a certificate takes a share between 0 and 1, such as 0.999, not {certify}")
    with naming_extras():
        from adhere.measure.adherence import audit as auditing

        task_set = task_set or auditing.default_set(model)
        plan = auditing.AuditPlan(
            task_set=task_set,
            data=None if data is None else os.fspath(data),
            per_skill=per_skill,
            limit=limit,
            seed=seed,
            judge=judge,
            claim=None if certify is None else round(1 - certify, 12),
            confidence=confidence,
            budget=budget,
            temperature=temperature,
            max_tokens=max_tokens,
        )
        folder = out or folder_of(model, plan)
        options = {"also": parts, "set": task_set, "data": data, "per_skill": per_skill, "limit": limit, "seed": seed}
        told = command or command_of("audit", (model,), {**options, "out": out})
    if through_gateway:
        upstream_of(model)  # before anything is measured that the gateway's part would be compared with
    enforced = cost = explanation = study = None
    with naming_extras(), resumable(folder):
        measured = auditing.measure(model, folder, plan, progress=progress, recompute=told, notice=notice)
        if through_gateway:
            enforced = _enforced(model, folder, plan, measured, progress, told)
        if "sustain" in parts:
            cost = sustain(
                model,
                limit=limit,
                seed=seed,
                temperature=temperature,
                attention=False,
                out=folder / "obedience",
                progress=progress,
                command=told,
            )
        if "explain" in parts:
            explanation = _explained(measured.model, seed, folder / "explain", progress, notice)
        if "modular" in parts:
            study = modular(out=folder / "modular", seed=seed, command=told)
    return Audit(measured, enforced, cost, explanation, study, task_set, told, folder)


def _enforced(
    model: str, folder: Path, plan: AuditPlan, measured: AuditResult, progress: Progress | None, command: str
) -> Enforced:
    """The same prompts through a gateway, compared with what they gave bare."""
    from adhere.measure.adherence import audit as auditing
    from adhere.measure.enforced import compare, with_sustain

    def cost(name: str, place: Path, enforce: bool) -> Sustain:
        return sustain(
            name,
            arms="control,constraint",
            constraints=(1, 4),
            limit=min(SUSTAINED, plan.limit or SUSTAINED),
            seed=plan.seed,
            temperature=1.0,
            data="pocket",
            max_tokens=128,
            attention=False,
            enforce=enforce,
            out=place,
            progress=progress,
            command=command,
        )

    with gateway(model, ("--when-exhausted", "flag")) as name:
        through = auditing.measure(
            name, folder / "gateway", replace(plan, enforce=True, claim=None), progress=progress, recompute=command
        )
        compared = compare(measured, through, recompute=command)
        if plan.task_set != "pocket":
            return compared
        held = cost(name, folder / "gateway" / "sustain", enforce=True)
    return with_sustain(compared, cost(model, folder / "sustain", enforce=False).done, held.done, recompute=command)


def _explained(
    model: str, seed: int, folder: Path, progress: Progress | None, notice: Notice | None
) -> Explanation | None:
    """A small explanation: four analyses and their controls, nothing erased, no monitors. None, with a notice that says
    why, where the model cannot be explained: what was measured is not lost by that."""
    try:
        if not model.startswith("adhere/"):
            raise UserError(f"that needs the weights, and {model} is asked over an API")
        return explain(
            model,
            positions=("prompt", "25", "50", "75", "eos", "mean"),
            samples=EXPLAINED,
            probe="lda",
            again=0,
            false_alarms=0,
            free=40,
            seed=seed,
            out=folder,
            progress=progress,
        )
    except UserError as error:
        if notice:
            notice(f"The explanation is missing: {error}")
        return None
