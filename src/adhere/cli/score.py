"""`adhere score`: saved responses against their instructions."""

from __future__ import annotations

from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from adhere.cli.options import Json, Limit, Out, Prompts, Report, Seed
from adhere.cli.progress import progress
from adhere.cli.runs import command_line

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from adhere.api.score import Scores
    from adhere.measure.adherence.scoring import BadInput, Progress
    from adhere.measure.adherence.sharded.run import ShardProgress


class Engines(StrEnum):
    """Where shards are scored."""

    local = "local"
    ray = "ray"


class Profiles(StrEnum):
    """Which verdicts are asked for."""

    both = "both"
    fixed = "fixed"
    reference = "reference"


def score(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES...", help="Files or folders of responses; `-` is standard input."),
    ],
    prompts: Prompts = None,
    read_prompt: Annotated[
        bool,
        typer.Option("--read-prompt", help="Read the constraints from the words of prompts that list none (English)."),
    ] = False,
    report: Report = None,
    json: Json = None,
    out: Out = None,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Write JUnit XML: a case for each response.", show_default=False),
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(
            "--summary", metavar="FILE", help="Write a Markdown summary, for $GITHUB_STEP_SUMMARY.", show_default=False
        ),
    ] = None,
    sarif: Annotated[
        Path | None,
        typer.Option(
            "--sarif",
            metavar="FILE",
            help="Write SARIF, which code scanning shows beside the lines.",
            show_default=False,
        ),
    ] = None,
    fail_under: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
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
        bool, typer.Option("--skip-bad", help="Count rows that cannot be read as not followed, and continue.")
    ] = False,
    answered_only: Annotated[
        bool,
        typer.Option("--answered-only", help="Leave out prompts of --prompts that have no response at all."),
    ] = False,
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--no-resume",
            help="Continue a run that was stopped, or start again. By default a run continues where --out, --json or "
            "--report name the same files.",
            show_default=False,
        ),
    ] = None,
    limit: Limit = None,
    seed: Seed = 0,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Processes.", show_default="all cores for a large input"),
    ] = None,
    engine: Annotated[
        Engines | None,
        typer.Option(
            help="Score in shards: on this machine's processes or on Ray. Memory does not grow with the input; --out "
            "gets the verdicts as Parquet. FILES may be patterns and s3:// or gs:// URLs.",
            show_default=False,
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Ray cluster for --engine ray; `auto` finds one.",
            show_default="one on this machine",
        ),
    ] = None,
    max_mb: Annotated[float, typer.Option("--max-mb", min=0.001, help="Longest line that is read, in MB.")] = 16,
) -> None:
    """Score saved responses against their instructions.

    A row is `{"prompt": ..., "response": ..., "constraints": [{"kind": "length.words", "at_most": 50}]}`, or IFEval's
    and IFBench's form (`instruction_id_list`, `kwargs`), or a `key` and a `response` to join with `--prompts`, or a
    prompt and a response whose constraints `--read-prompt` reads from the prompt. Formats:
    JSON, CSV, Parquet, Arrow, Hugging Face folders, Inspect logs, lm-eval samples, and batch outputs of OpenAI and
    Anthropic. An answer that is null, failed or missing counts as not followed. Exit code 1: `--fail-under` is missed.
    """
    from adhere.api import ci
    from adhere.api.score import score as run_score
    from adhere.cli import console as output
    from adhere.cli.inputs import readable
    from adhere.cli.tables.score import print_failures, print_run
    from adhere.core.errors import UserError
    from adhere.core.extras import require
    from adhere.core.files import write_text
    from adhere.measure.adherence.scoring import BadInput
    from adhere.measure.files.places import join, object_store, write

    if resume and not (out or json or report):
        raise UserError("--resume needs the --out, --json or --report of the run that was stopped")
    if address and engine is not Engines.ray:
        raise UserError("--address is for --engine ray")
    if engine is not None and (out is None or junit or sarif):
        raise UserError(
            "--engine needs --out" if out is None else "--junit and --sarif need every record: leave --engine out"
        )
    if report is not None:
        require(*PAGE)
    bucket = None if out is None or engine is None else object_store(out)
    journal = None if engine is not None else _journal(out, json, report)
    try:
        with _Shown() as shown:
            scores = run_score(
                files,
                prompts=None if prompts is None else readable(prompts),
                read_prompt=read_prompt,
                profile=profile.value,
                journal=journal,
                keep=bool(report or junit or sarif or summary) or _size(files) <= KEPT,
                resume=resume,
                skip_bad=skip_bad,
                answered_only=answered_only,
                limit=limit,
                seed=seed,
                jobs=jobs,
                line_limit=int(max_mb * 1_000_000),
                engine=None if engine is None else engine.value,
                address=address,
                out=None if engine is None else bucket or out,
                progress=shown,
                shard_progress=shown.shards,
                command=command_line(),
            )
    except BadInput as error:
        _stopped(error, journal, seed)
    print_run(scores.run, seed=seed, console=output.results())
    print_failures(scores.run, output.results())
    if bucket is not None:
        write(join(bucket, "findings.json"), scores.document().encode())
        output.note(f"findings: {join(bucket, 'findings.json')}")
    for target in (json, out / "findings.json" if out and not bucket else None):
        if target is not None:
            scores.save(target)
            output.note(f"findings: {target}")
    if junit:
        write_text(junit, ci.junit(scores))
    if sarif:
        write_text(sarif, ci.sarif(scores))
    if summary:
        write_text(summary, ci.summary(scores))
    _page(scores, report, out if not bucket else None)
    if journal is not None and not (out or json):
        journal.unlink(missing_ok=True)
    missed = [] if fail_under is None else scores.missing(fail_under)
    for line in missed:
        typer.echo(f"adhere: {line}", err=True)
    if missed:
        raise typer.Exit(1)


PAGE = ("jinja2", "matplotlib")
"""What a page is drawn with."""


def _page(scores: Scores, report: Path | None, out: Path | None) -> None:
    """Write the page where it was asked for; into a run's folder where its libraries are installed."""
    from adhere.cli import console as output
    from adhere.core.extras import MissingExtra, require

    if report is None and out is not None:
        try:
            require(*PAGE)
        except MissingExtra as error:
            output.note(f"without a page: {error}")
            return
    if (page := report or (out / "report.html" if out else None)) is not None:
        output.note(f"report: {scores.report(page)}")


KEPT = 64_000_000
"""Bytes of responses whose verdicts are held in memory where no file keeps them: enough to show the first failures."""


def _size(files: list[Path]) -> int:
    """Bytes of the files, as far as they are files."""
    return sum(file.stat().st_size for file in files if file.is_file())


def _journal(out: Path | None, json: Path | None, report: Path | None) -> Path | None:
    """Where the records go: into the run's folder, or beside a file of the output."""
    from adhere.core.files import is_special, is_standard_output

    if out is not None:
        return out / "records.jsonl"
    for beside in (json, report):
        if beside is not None and not is_standard_output(beside) and not is_special(beside):
            return beside.with_name(beside.name + ".records.jsonl")
    return None


class _Shown:
    """How far it is, on standard error: a bar from the second batch on; without a terminal, a line a minute."""

    def __init__(self) -> None:
        from adhere.cli import console as output

        self._console = output.notices()
        self._bar: Bar | None = None
        self._lines = ExitStack()
        self._told = 0

    def __enter__(self) -> _Shown:
        if not self._console.is_terminal:
            self._tell = self._lines.enter_context(progress())
        return self

    def __call__(self, done: Progress) -> None:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        if not self._console.is_terminal:
            self._tell("scoring, bytes", done.read - self._told, done.size)
            self._told = done.read
            return
        if self._bar is None and done.read >= done.size:
            return
        if self._bar is None:
            columns = BarColumn(), TextColumn("{task.percentage:3.0f} %"), TextColumn("{task.fields[n]:,} responses")
            self._bar = Bar(*columns, TimeRemainingColumn(), console=self._console, transient=True)
            self._bar.start()
            self._bar.add_task("score", total=done.size, n=0)
        self._bar.update(self._bar.task_ids[0], completed=done.read, n=done.responses)

    def shards(self, progress: ShardProgress) -> None:
        """A shard is finished."""
        from adhere.measure.adherence.scoring import Progress

        self(Progress(progress.shards, progress.of, progress.responses))

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        if self._bar is not None:
            self._bar.stop()


def _stopped(error: BadInput, journal: Path | None, seed: int) -> NoReturn:
    """A bad line ends the run: what is scored is shown, and kept where there is a place for it."""
    from adhere.cli import console as output
    from adhere.cli.tables.score import print_run
    from adhere.core.errors import UserError

    run = error.run
    hint = (
        "correct the line, or skip such lines with --skip-bad" if error.bad.line else "--skip-bad continues without it"
    )
    if error.bad.problem.startswith("a line of"):
        hint = "--max-mb reads longer lines, --skip-bad skips them"
    if run.responses:
        print_run(run, seed=seed, partial=True, console=output.results())
        if journal is not None:
            hint += f"; the {run.responses:,} responses before it are kept, and the same command continues"
    raise UserError(f"{error} ({hint})") from None
