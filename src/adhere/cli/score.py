"""`adhere score`: saved responses against their instructions."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from adhere.cli.options import Json, Limit, Out, Prompts, Report, Seed
from adhere.cli.runs import command_line

if TYPE_CHECKING:
    from adhere.measure.adherence.run import ScoreRun
    from adhere.measure.adherence.scoring import Progress


class Profiles(StrEnum):
    """Which verdicts are asked for."""

    both = "both"
    fixed = "fixed"
    reference = "reference"


def score(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="Files or folders of responses; `-` is standard input.")
    ],
    prompts: Prompts = None,
    report: Report = None,
    json: Json = None,
    out: Out = None,
    fail_under: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            min=0,
            max=1,
            help="Exit with 1 if a model follows fewer than this share of prompts (strict).",
            show_default=False,
        ),
    ] = None,
    profile: Annotated[
        Profiles,
        typer.Option(help="fixed: what the instruction says; reference: what the benchmark's checker says."),
    ] = Profiles.both,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Count rows that cannot be read as not followed, and go on.")
    ] = False,
    answered_only: Annotated[
        bool,
        typer.Option("--answered-only", help="Leave out prompts of --prompts that have no response at all."),
    ] = False,
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--no-resume",
            help="Carry on with a killed run, or start anew. Carries on by itself where --out, --json or --report "
            "name the same files.",
            show_default=False,
        ),
    ] = None,
    limit: Limit = None,
    seed: Seed = 0,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Processes; all cores for a large input if not given.", show_default=False),
    ] = None,
    max_mb: Annotated[float, typer.Option("--max-mb", min=0.001, help="Longest line that is read, in MB.")] = 16,
) -> None:
    """Score saved responses against their instructions.

    A row is `{"prompt": ..., "response": ..., "constraints": [{"kind": "length.words", "at_most": 50}]}`, or IFEval's
    and IFBench's form (`instruction_id_list`, `kwargs`), or a `key` and a `response` to join with `--prompts`. Read are
    JSON, CSV, Parquet, Arrow, Hugging Face folders, Inspect logs, lm-eval samples, and batch outputs of OpenAI and
    Anthropic. An answer that is null, failed or missing counts as not followed.
    Exit codes: 0, 1 where `--fail-under` is missed, 2 where something must be mended.
    """
    from adhere.cli.score_tables import print_run
    from adhere.core.errors import UserError
    from adhere.measure.adherence.records import PROFILES
    from adhere.measure.adherence.scoring import BadInput
    from adhere.measure.adherence.scoring import score as run_score

    if resume and not (out or json or report):
        raise UserError("--resume needs the --out, --json or --report of the run that was stopped")
    journal = _journal(out, json, report)
    run: ScoreRun
    try:
        with _shown() as shown:
            run = run_score(
                files,
                prompts=prompts,
                profiles=[name for name in PROFILES if profile.value in ("both", name)],
                journal=journal,
                resume=resume,
                skip_bad=skip_bad,
                answered_only=answered_only,
                limit=limit,
                jobs=jobs,
                line_limit=int(max_mb * 1_000_000),
                progress=shown,
            )
    except BadInput as error:
        _stopped(error, journal, seed)
    print_run(run, seed=seed)
    _write(run, json, out, report, seed)
    if journal is not None and not (out or json):
        journal.unlink(missing_ok=True)
    _gate(run, fail_under)


def _journal(out: Path | None, json: Path | None, report: Path | None) -> Path | None:
    """Where the records go: into the run's folder, or beside the output."""
    if out is not None:
        return out / "records.jsonl"
    beside = json or report
    return None if beside is None else beside.with_name(beside.name + ".records.jsonl")


class _shown:
    """A progress bar on standard error, from the second batch on; nothing where nobody looks."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._bar: object | None = None

    def __enter__(self) -> _shown:
        return self

    def __call__(self, progress: Progress) -> None:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        if not self._console.is_terminal or (self._bar is None and progress.read >= progress.size):
            return
        if not isinstance(self._bar, Bar):
            columns = BarColumn(), TextColumn("{task.percentage:3.0f} %"), TextColumn("{task.fields[n]:,} responses")
            self._bar = Bar(*columns, TimeRemainingColumn(), console=self._console, transient=True)
            self._bar.start()
            self._bar.add_task("score", total=progress.size, n=0)
        self._bar.update(self._bar.task_ids[0], completed=progress.read, n=progress.responses)

    def __exit__(self, *_: object) -> None:
        from rich.progress import Progress as Bar

        if isinstance(self._bar, Bar):
            self._bar.stop()


def _stopped(error: Exception, journal: Path | None, seed: int) -> NoReturn:
    """A bad line ends the run: what is scored is shown, and kept where there is a place for it."""
    from adhere.cli.score_tables import print_run
    from adhere.core.errors import UserError
    from adhere.measure.adherence.scoring import BadInput

    assert isinstance(error, BadInput)
    run = error.run
    hint = (
        "mend the line, or pass over such lines with --skip-bad" if error.bad.line else "--skip-bad goes on without it"
    )
    if error.bad.problem.startswith("a line of"):
        hint = "--max-mb reads longer ones, --skip-bad passes over them"
    if run.responses:
        print_run(run, seed=seed, partial=True)
        if journal is not None:
            hint += f"; the {run.responses:,} responses before it are kept, and the same command carries on"
    raise UserError(f"{error} ({hint})") from None


def _write(run: ScoreRun, json: Path | None, out: Path | None, report: Path | None, seed: int) -> None:
    if not (json or out or report):
        return
    from adhere.core import findings as record
    from adhere.measure.adherence.summary import findings

    command = command_line()
    found = findings(run.tally, run.profiles, seed=seed, recompute=command, evidence=run.files)
    counts = {"responses": run.responses, "bad": run.bad_count, "seed": seed}
    for target in (json, out / "findings.json" if out else None):
        if target is not None:
            record.write(target, found, **counts)
            typer.echo(f"findings: {target}", err=True)
    page = report or (out / "report.html" if out else None)
    if page is not None:
        _report(page, run, command)
        typer.echo(f"report: {page}", err=True)


def _report(path: Path, run: ScoreRun, command: str) -> None:
    from adhere.core.errors import UserError

    try:
        from adhere.report import page
        from adhere.report.sections import adherence
    except ModuleNotFoundError as error:
        raise UserError(f"--report needs {error.name}: pip install 'adhere[measure]'") from None

    models = len({subject.model for subject in run.tally.subjects()})
    who = f"{models} models" if models > 1 else run.tally.subjects()[0].model
    lead = f"{run.responses:,} saved responses of {who}, each checked against every instruction of its prompt."
    page.write(path, page.render("Adherence", lead, [adherence.section(run, recompute=command)], command=command))


def _gate(run: ScoreRun, fail_under: float | None) -> None:
    if fail_under is None:
        return
    missed = False
    for subject in run.tally.subjects():
        share = run.tally.prompts(subject, run.profile).estimate
        if share < fail_under:
            missed = True
            line = f"{subject.model} follows {share:.1%} of the prompts ({run.profile}, strict), under {fail_under:.1%}"
            typer.echo(f"adhere: {line}", err=True)
    if missed:
        raise typer.Exit(1)
