"""`adhere sustain`: what obedience costs, with the controls it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adhere.cli.engine_options import engine_options
from adhere.cli.options import Json, Limit, Model, Page, Resumed, Seed
from adhere.cli.runs import command_line, folder_of, resumable
from adhere.core.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from adhere.core.findings import Finding
    from adhere.explain.analyses.attention import AttentionCase
    from adhere.measure.sustain.plan import SustainPlan
    from adhere.measure.sustain.run import Done
    from adhere.report.page import Section


@engine_options(stop_loops=True)
def sustain(
    model: Model = "pocket",
    domain: Annotated[
        str | None, typer.Option("--domain", help="math, multihop, code; several with commas.", show_default="all")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="FILE|NAME", help="Problems: a file or a Hub name.", show_default="pocket world"
        ),
    ] = None,
    arms: Annotated[
        str, typer.Option("--arms", help="all, or some of control, placebo, long, constraint, position, attend.")
    ] = "all",
    constraints: Annotated[
        str, typer.Option("--constraints", metavar="K,K", help="How many constraints are inserted.")
    ] = "1,2,4,8,16",
    saved: Annotated[
        Path | None,
        typer.Option("--from-responses", metavar="FILE", help="Analyse answers made elsewhere.", show_default=False),
    ] = None,
    plan_file: Annotated[
        Path | None,
        typer.Option(
            "--plan", metavar="FILE", help="With --from-responses: write the prompts to be asked.", show_default=False
        ),
    ] = None,
    study: Annotated[
        bool, typer.Option("--practice", help="The pocket study: kinds trained with reasoning against the others.")
    ] = False,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            "--checkpoints",
            metavar="DIR",
            help="The study's course over the checkpoints of a training run (pocket train --keep).",
            show_default=False,
        ),
    ] = None,
    extractor: Annotated[
        str | None, typer.Option("--extractor", metavar="MODEL", help="Proposes further constraints.")
    ] = None,
    rewriter: Annotated[
        str | None, typer.Option("--rewriter", metavar="MODEL", help="Words the longer problems.", show_default="rules")
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option("--judge", metavar="MODEL", help="Says why an answer was lost where no rule can tell."),
    ] = None,
    attention: Annotated[
        bool, typer.Option("--attention/--no-attention", help="Look at the attention of a model that runs here.")
    ] = True,
    temperature: Annotated[
        float | None,
        typer.Option("--temperature", min=0.0, help="Of sampling.", show_default="1 for open weights, else its own"),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", min=1, help="Longest answer.", show_default="128 in the pocket world"),
    ] = None,
    report: Page = None,
    json: Json = None,
    out: Resumed = None,
    limit: Limit = None,
    seed: Seed = 0,
) -> None:
    """Measure how much task accuracy a model loses when a self-evident constraint is added (SustainScore).

    Solved problems are asked again: as they are (control), with an idle sentence (placebo), in more words (long), and
    with 1 to 16 constraints that the solution meets by itself. Without arguments it asks the pocket model, offline;
    its --limit is problems of each domain (200).
    """
    from rich.console import Console

    from adhere.measure.sustain.arms import parse_arms, parse_ks
    from adhere.measure.sustain.plan import SustainPlan

    plan = SustainPlan(
        domain=domain,
        data=data,
        arms=arms,
        constraints=parse_ks(constraints),
        problems=limit,
        seed=seed,
        temperature=temperature,
        max_tokens=max_tokens,
        extractor=extractor,
        rewriter=rewriter,
        kinds="practice" if study or checkpoints else None,
    )
    parse_arms(arms, None)
    if plan.kinds and data is not None:
        raise UserError("the study of practice is about the pocket world: it takes no --data")
    command = command_line()
    console = Console()
    if plan_file is not None:
        if saved is None:
            raise UserError("--plan writes what to ask of problems solved elsewhere: give them with --from-responses")
        _write_plan(saved, plan, plan_file, console)
        return
    folder = out or folder_of(model if saved is None else saved.stem, plan, "sustain")
    with resumable(folder):
        if checkpoints is not None:
            _course(checkpoints, folder, plan, command, json, console)
            return
        done = _saved(saved, plan, command) if saved is not None else live(model, folder, plan, command)
    if judge is not None:
        done = _judged(done, judge, seed, command)
    if attention:
        done = _attended(done, seed, command, console)
    _write(done, folder, report, json, command, console)


def live(model: str, folder: Path, plan: SustainPlan, command: str) -> Done:
    """Ask with a progress bar."""
    from rich.console import Console

    from adhere.cli.progress import progress
    from adhere.measure.sustain import run

    with progress(Console(stderr=True)) as told:
        return run.measure(
            model, folder, plan, progress=lambda what, *rest: told(f"{model}: {what}", *rest), recompute=command
        )


def _saved(path: Path, plan: SustainPlan, command: str) -> Done:
    from dataclasses import asdict

    from adhere.measure.sustain import run, saved

    found = saved.read(path, plan.data)
    if all(outcome.arm == "base" for outcome in found.outcomes):
        solved = sum(bool(outcome.correct) for outcome in found.outcomes)
        raise UserError(
            f"{path}: base answers only, {solved} of {len(found.outcomes)} right; "
            "write what to ask next with --plan FILE"
        )
    about = tuple({**asdict(one), "problems": len(one.problems)} for one in found.material)
    return run.conclude(
        found.outcomes, found.exclusions, model=found.model, data=about, seed=plan.seed, recompute=command
    )


def _judged(done: Done, judge: str, seed: int, command: str) -> Done:
    """`done` with the lost answers that were open decided by a judge where it can, and the judge's error."""
    import asyncio
    from dataclasses import replace

    from adhere.measure.adherence.judge import judge_of
    from adhere.measure.sustain import judging, patterns

    if done.scores is None or done.lost is None:
        return done
    pairs, tried = asyncio.run(judging.judged(done.lost.pairs, judge_of(judge)))
    lost = patterns.lost(done.scores.selection, decided=pairs, seed=seed)
    evidence = (done.log,) if done.log else ()
    found = [one for one in done.findings if not one.what.startswith("sustain.lost")]
    found += patterns.findings(lost, done.model, recompute=command, evidence=evidence)
    return replace(done, lost=lost, findings=(*found, tried.finding(judge, recompute=command)))


MOST_ATTENDED = 2_000
"""Answers whose attention is looked at; of more, those to problems drawn at random."""


def _attended(done: Done, seed: int, command: str, console: Console) -> Done:
    """`done` with the attention of its answers to their constraints, where the weights are here."""
    from dataclasses import replace

    local = done.model.removeprefix("adhere/")
    if local == done.model or done.scores is None:
        return done
    from rich.console import Console
    from rich.progress import Progress

    from adhere.explain.analyses import attention
    from adhere.models.load import open_model

    answers = _some(list(attention.cases(done.outcomes)), seed)
    try:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            shown = bar.add_task("attention", total=len(answers))
            attended = attention.attend(open_model(local), answers, progress=lambda n: bar.advance(shown, n))
        found = attention.findings(attention.compare(attended, seed=seed), model=done.model, recompute=command)
    except UserError as error:
        console.print(f"Attention was not looked at: {error}", soft_wrap=True)
        return done
    return replace(done, findings=(*done.findings, *found))


def _some(answers: list[AttentionCase], seed: int) -> list[AttentionCase]:
    """All answers, or all those to as many problems as make `MOST_ATTENDED`."""
    import random

    if len(answers) <= MOST_ATTENDED:
        return answers
    by_problem: dict[str, list[AttentionCase]] = {}
    for answer in answers:
        by_problem.setdefault(answer.problem, []).append(answer)
    problems = list(by_problem)
    random.Random(seed).shuffle(problems)
    kept: list[AttentionCase] = []
    for problem in problems:
        if len(kept) + len(by_problem[problem]) <= MOST_ATTENDED:
            kept += by_problem[problem]
    return kept


def _write_plan(path: Path, plan: SustainPlan, where: Path, console: Console) -> None:
    import json as jsons
    from collections import Counter

    from adhere.measure.sustain import arms, saved

    found = saved.read(path, plan.data)
    conditions = arms.plan(arms.parse_arms(plan.arms, attends=False), plan.constraints)
    lines, left_out = saved.plan(found, conditions, plan.seed)
    try:
        where.write_text("".join(jsons.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {where}: {error.strerror}") from error
    solved = sum(bool(outcome.correct) for outcome in found.outcomes if outcome.arm == "base")
    asked = sum(outcome.arm == "base" for outcome in found.outcomes)
    to_ask = sum(line["response"] is None for line in lines)
    console.print(f"{solved} of {asked} problems solved; {to_ask} prompts to be answered in {where}.", soft_wrap=True)
    for why, count in Counter(one.why for one in left_out).items():
        console.print(f"left out, {why}: {sum(one.count for one in left_out if one.why == why)} in {count} places")
    console.print(
        f'Fill in each "response" that is null, then: adhere sustain --from-responses {where}', soft_wrap=True
    )


def _write(done: Done, folder: Path, report: Path | None, json: Path | None, command: str, console: Console) -> None:
    from adhere.cli.sustain_tables import print_done
    from adhere.core import findings as records

    about = {"data": list(done.data), "temperature": done.temperature}
    folder.mkdir(parents=True, exist_ok=True)
    records.write(folder / "findings.json", done.findings, **about)
    if json:
        records.write(json, done.findings, **about)
    where = report or folder / "report.html"
    drawn = _page(done, where, command)
    print_done(done, console)
    if drawn:
        console.print(f"The page shows where answers broke: {where}", soft_wrap=True)


def section_of(done: Done, command: str) -> Section | None:
    """The page's section on a run; a study of kinds has none."""
    from adhere.report.sections import sustain as section

    if done.scores is None or done.lost is None:
        return None
    return section.section(
        done.scores,
        done.lost,
        attention=done.findings,
        exclusions=done.exclusions,
        judge=next((one for one in done.findings if one.what == "judge.error"), None),
        recompute=command,
    )


def _page(done: Done, where: Path, command: str) -> bool:
    """Write the page, if there is anything to draw."""
    from adhere.report import page

    made = section_of(done, command)
    if made is None:
        return False
    sources = "; ".join(f"{one['domain']}: {one['source']} (sha256 {str(one['sha256'])[:12]})" for one in done.data)
    lead = f"Problems: {sources or 'as given'}."
    if done.log:
        lead += f" Look at every sample with inspect view --log-dir {Path(done.log).parent}."
    where.parent.mkdir(parents=True, exist_ok=True)
    page.write(where, page.render(f"What does obedience cost {done.model}?", lead, [made], command=command))
    return True


def _course(folder: Path, runs: Path, plan: SustainPlan, command: str, json: Path | None, console: Console) -> None:
    from adhere.cli.sustain_tables import print_course
    from adhere.core import findings as records
    from adhere.measure.sustain.training_trajectory import checkpoints_in, course

    found: list[Finding] = []
    for checkpoint in checkpoints_in(folder):
        done = live(str(checkpoint.folder), runs / checkpoint.folder.name, plan, command)
        found += course(checkpoint, done)
    runs.mkdir(parents=True, exist_ok=True)
    records.write(runs / "findings.json", found)
    if json:
        records.write(json, found)
    print_course(found, console)
