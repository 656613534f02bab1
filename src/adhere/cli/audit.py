"""`adhere audit`: ask a model, check its answers, and write the page."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adhere.cli.options import Json, Limit, MaxTokens, Model, Page, Resumed, Seed, Temperature
from adhere.cli.runs import command_line, folder_of, resumable
from adhere.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from adhere.explain.explained import Explained
    from adhere.measure.audit import Measured, Plan
    from adhere.measure.enforced import Enforced
    from adhere.measure.sustain.run import Done
    from adhere.modular.runs import Finished
    from adhere.report.page import Section

PARTS = ("measure", "sustain", "explain")
"""What an audit is made of: what the model does of what it is told, what that costs it, and where inside it happens."""
EXPLAINED = 80
"""Cases of each skill that an audit explains by; `adhere explain` takes more, erases, and saves monitors."""
SUSTAINED = 40
"""Problems of each of the pocket world's domains on which bare and enforced obedience are compared."""
STUDIES = ("modular",)
"""What `--with` can add: studies that have nothing to do with the model audited."""


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
    task_set: Annotated[str, typer.Option("--set", help="pocket, ifeval, ifbench or own.")] = "pocket",
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="Prompts, for any set but pocket.", show_default=False)
    ] = None,
    per_skill: Annotated[int, typer.Option("--per-skill", min=1, help="Prompts for each skill (pocket).")] = 60,
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
    """Measure a model live: does it do what it is told, and how sure is that?

    Without arguments it measures the small model that ships inside, offline.
    """
    from rich.console import Console

    from adhere import findings as records
    from adhere.measure.audit import Plan

    _check("--only", only, PARTS)
    _check("--with", study, STUDIES)
    if "measure" not in only.split(","):
        raise UserError("an audit measures, whatever it does besides: see adhere sustain, adhere explain")
    if certify is not None and not 0 < certify < 1:
        raise UserError(f"--certify takes a share between 0 and 1, such as 0.999, not {certify}")
    plan = Plan(
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
    compared = cost = explained = None
    with resumable(folder):
        measured = _measure(model, folder, plan, Console(stderr=True), command)
        if through_gateway:
            compared = _enforced(model, folder, plan, measured, command)
        if "sustain" in only.split(","):
            cost = _cost(model, folder / "obedience", plan, command)
        if "explain" in only.split(","):
            explained = _explained(measured.model, folder / "explain", seed, command)
    trained = _modular(folder / "modular", seed) if study else ()
    found = [*measured.findings, *(finding for one in trained for finding in one.findings)]
    found += compared.findings if compared else ()
    found += cost.findings if cost else ()
    found += explained.findings(command) if explained else ()
    records.write(folder / "findings.json", found)
    if json:
        records.write(json, found)
    where = report or folder / "report.html"
    _write_page(where, measured, compared, cost, explained, trained, folder, plan, command)
    _print(measured, compared, where, Console())
    if cost:
        from adhere.cli.sustain_tables import print_done

        print_done(cost, Console())


def _check(option: str, value: str | None, known: tuple[str, ...]) -> None:
    for part in filter(None, (value or "").split(",")):
        if part not in known:
            raise UserError(f"{option} knows {', '.join(known)}; not {part!r}")


def _measure(model: str, folder: Path, plan: Plan, console: Console, command: str) -> Measured:
    """Measure with a progress bar."""
    from adhere.cli.progress import progress
    from adhere.measure import audit as auditing

    with progress(console) as told:
        return auditing.measure(model, folder, plan, progress=told, recompute=command)


def _enforced(model: str, folder: Path, plan: Plan, measured: Measured, command: str) -> Enforced:
    """The same prompts through a gateway, compared with what they gave bare."""
    import dataclasses

    from rich.console import Console

    from adhere.cli.gateway_process import gateway
    from adhere.measure.enforced import compare, with_sustain
    from adhere.measure.sustain.plan import Plan as Sustain
    from adhere.measure.sustain.run import measure as sustain

    asked = Sustain(
        arms="control,constraint",
        constraints=(1, 4),
        problems=min(SUSTAINED, plan.limit or SUSTAINED),
        seed=plan.seed,
        temperature=1.0,
        max_tokens=128,
    )
    with gateway(model, ("--spent", "flag")) as name:
        enforced = dataclasses.replace(plan, enforce=True, claim=None)
        through = _measure(name, folder / "gateway", enforced, Console(stderr=True), command)
        compared = compare(measured, through, recompute=command)
        if plan.task_set != "pocket":
            return compared
        held = sustain(name, folder / "gateway" / "sustain", dataclasses.replace(asked, enforce=True))
    return with_sustain(compared, sustain(model, folder / "sustain", asked), held, recompute=command)


def _cost(model: str, folder: Path, plan: Plan, command: str) -> Done:
    """What obedience costs, on the pocket world's problems; `limit` is problems of each domain."""
    from adhere.cli.sustain import live
    from adhere.measure.sustain.plan import Plan as Sustain

    return live(model, folder, Sustain(problems=plan.limit, seed=plan.seed, temperature=plan.temperature), command)


def _explained(model: str, folder: Path, seed: int, command: str) -> Explained | None:
    """A small explanation of an open model: four lenses and their controls, nothing erased, no monitors. None, with a
    line that says why, where it cannot be explained: what was measured is not lost by that."""
    from rich.console import Console

    from adhere.cli.explain import open_named
    from adhere.cli.progress import progress
    from adhere.explain.plan import Plan
    from adhere.explain.run import explain

    if not model.startswith("adhere/"):
        typer.echo(f"not explained: that needs the weights, and {model} is asked over an API", err=True)
        return None
    plan = Plan(
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


def _modular(folder: Path, seed: int) -> Sequence[Finished]:
    """One network without attention and one with it, trained until their metrics settle."""
    from adhere.modular import runs
    from adhere.modular.job import Recipe

    jobs = runs.grid(recipe=Recipe(seed=seed, until_stable=True), rates=(0.0, 1.0))
    return runs.run(jobs, folder, workers=min(len(jobs), os.cpu_count() or 1))


def _write_page(
    where: Path,
    measured: Measured,
    compared: Enforced | None,
    cost: Done | None,
    explained: Explained | None,
    trained: Sequence[Finished],
    folder: Path,
    plan: Plan,
    command: str,
) -> None:
    from adhere.report import page
    from adhere.report.sections import adherence, certificate

    sections = [adherence.section(measured.run, recompute=command)]
    if measured.certificate:
        sections.append(certificate.section(measured.certificate, recompute=command))
    if compared:
        from adhere.report.sections import enforced

        sections.append(enforced.section(compared, recompute=command))
    if cost:
        from adhere.cli.sustain import section_of

        sections += [made for made in (section_of(cost, command),) if made]
    if explained:
        from adhere.report.sections.explain import sections as explaining

        sections += explaining(explained, recompute=f"adhere explain {shlex.quote(measured.model)}")
    if trained:
        from adhere.report.sections import modular

        sections.append(modular.section(trained, recompute=command))
    lead = (
        f"Asked live: {len(measured.run.kept):,} prompts of the set {plan.task_set}. Look at every sample with "
        f"inspect view --log-dir {folder / 'logs'}."
    )
    sections.append(_evidence(measured, where, command))
    page.write(where, page.render(f"Does {measured.model} do what it is told?", lead, sections, command=command))


def _evidence(measured: Measured, where: Path, command: str) -> Section:
    """Where the samples can be looked at, and how far a judge can be believed."""
    from adhere.report.numbers import between, percent
    from adhere.report.page import Block, Section, Table

    logs = tuple(
        (Path(log).parent.name, os.path.relpath(log, where.parent), f"inspect view --log-dir {Path(log).parent}")
        for log in measured.logs
    )
    blocks: list[Block] = [Table("Inspect logs", ("run", "file", "to look at every sample"), logs)]
    judged = [finding for finding in measured.findings if finding.what.startswith("judge.")]
    if judged:
        rows = tuple((one.what, percent(one.estimate), between(one.interval), str(one.n)) for one in judged)
        caption = "Beside the word lists on these answers, and against ten ways of arguing for a pass."
        blocks.append(Table("The judge", ("", "share", "95 %", "n"), rows, caption, command))
    return Section("evidence", "Evidence", "What the figures above rest on.", tuple(blocks))


def _print(measured: Measured, compared: Enforced | None, where: Path, console: Console) -> None:
    from adhere.cli.score_tables import percent, print_run

    print_run(measured.run, seed=0, console=console)
    if measured.errors:
        console.print(
            f"{measured.errors} prompts were not answered: their provider failed. The same command asks again."
        )
    if measured.certificate:
        console.print(str(measured.certificate))
    if compared:
        whole, tokens = compared.sides[0], compared.tokens
        console.print(
            f"Through the gateway {percent(whole.enforced.estimate)} % of {whole.enforced.n} prompts are followed "
            f"whole, bare {percent(whole.bare.estimate)} %, for {tokens.estimate:.2f} times the tokens."
        )
    for finding in measured.findings:
        if finding.what.startswith("judge.") and finding.estimate is not None:
            console.print(f"{finding.what}: {100 * finding.estimate:.1f} % of {finding.n} ({finding.unit})")
    subject = measured.run.tally.subjects()[0]
    skills = measured.run.tally.skills(subject)
    groups = skills or measured.run.tally.families(subject)
    name, rate = min(groups.items(), key=lambda item: item[1].estimate)
    console.print(
        f"Weakest: {name}, {percent(rate.estimate)} % of {rate.n}. The page shows where its answers broke: {where}",
        soft_wrap=True,
    )
