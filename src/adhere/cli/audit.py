"""`adhere audit`: ask a model, check its answers, and write the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adhere.cli.engine_options import engine_options
from adhere.cli.options import Json, Limit, MaxTokens, Model, Page, Resumed, Seed, Temperature
from adhere.cli.runs import command_line, folder_of, resumable
from adhere.core.errors import UserError

PARTS = ("measure", "sustain", "explain")
"""What an audit is made of: what the model does of what it is told, what that costs it, and where inside it happens."""
STUDIES = ("modular",)
"""What `--with` can add: studies that have nothing to do with the model audited."""


@engine_options(stop_loops=True)
def audit(
    model: Model = "pocket",
    only: Annotated[
        str,
        typer.Option(
            "--only", metavar="PARTS", help="measure; with commas sustain (the cost), explain (where inside)."
        ),
    ] = "measure",
    study: Annotated[
        str | None,
        typer.Option("--with", metavar="STUDY", help="Add a study: modular (trains for minutes).", show_default=False),
    ] = None,
    task_set: Annotated[
        str | None,
        typer.Option(
            "--set",
            help="pocket, natural, ifeval, ifbench or own.",
            show_default="natural; pocket for the pocket model",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="Prompts of the other sets.", show_default=False)
    ] = None,
    per_skill: Annotated[
        int | None,
        typer.Option("--per-skill", min=1, help="Prompts for each skill.", show_default="pocket 60, natural all 604"),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option("--judge", metavar="MODEL", help="Decides what only reading can tell.", show_default=False),
    ] = None,
    certify: Annotated[
        float | None,
        typer.Option("--certify", metavar="SHARE", help="Settle whether it follows more than SHARE of prompts: 0.999."),
    ] = None,
    confidence: Annotated[float, typer.Option("--confidence", help="Of the certificate.")] = 0.95,
    budget: Annotated[
        int | None,
        typer.Option("--budget", min=1, help="Most answers the certificate may take.", show_default="twice the fewest"),
    ] = None,
    through_gateway: Annotated[
        bool,
        typer.Option("--through-gateway", help="Ask everything a second time through a gateway that enforces it."),
    ] = False,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    report: Page = None,
    json: Json = None,
    out: Resumed = None,
    limit: Limit = None,
    seed: Seed = 0,
) -> None:
    """Measure how often a model follows its instructions, and write a report.

    Without arguments it measures the bundled model, offline.
    """
    from rich.console import Console

    from adhere.cli import audit_page
    from adhere.cli import audit_parts as parts
    from adhere.core import findings as records
    from adhere.measure.adherence.audit import AuditPlan, default_set

    _check("--only", only, PARTS)
    _check("--with", study, STUDIES)
    asked = only.split(",")
    if "measure" not in asked:
        raise UserError("an audit measures, whatever it does besides: see adhere sustain, adhere explain")
    if certify is not None and not 0 < certify < 1:
        raise UserError(f"--certify takes a share between 0 and 1, such as 0.999, not {certify}")
    task_set = task_set or default_set(model)
    plan = AuditPlan(
        task_set=task_set,
        data=str(data) if data else None,
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
    command = command_line()
    with resumable(folder):
        measured = parts.measure(model, folder, plan, command)
        through = parts.enforced(model, folder, plan, measured, command) if through_gateway else None
        cost = parts.cost(model, folder / "obedience", plan, command) if "sustain" in asked else None
        inside = parts.explained(measured.model, folder / "explain", seed, command) if "explain" in asked else None
        trained = parts.modular(folder / "modular", seed) if study else ()
    audited = parts.Audited(measured, through, cost, inside, trained)
    found = audited.findings(command)
    records.write(folder / "findings.json", found)
    if json:
        records.write(json, found)
    where = report or folder / "report.html"
    audit_page.write(where, audited, folder, task_set, command)
    audit_page.show(audited, where, Console())


def _check(option: str, value: str | None, known: tuple[str, ...]) -> None:
    for part in filter(None, (value or "").split(",")):
        if part not in known:
            raise UserError(f"{option} knows {', '.join(known)}; not {part!r}")
