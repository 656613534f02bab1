"""`adhere compare`: two runs on the same prompts, paired."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adhere.cli.options import Json, Limit, Out, Prompts, Seed
from adhere.cli.runs import command_line

if TYPE_CHECKING:
    from rich.console import Console

    from adhere.core.findings import Finding
    from adhere.measure.adherence.summary import Comparison


class Which(StrEnum):
    fixed = "fixed"
    reference = "reference"


def compare(
    a: Annotated[
        str, typer.Argument(metavar="A", help="Responses, findings or records of a scored run, or .eval log.")
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="The same kind of thing, on the same prompts.")],
    prompts: Prompts = None,
    profile: Annotated[Which, typer.Option(help="Which verdicts are compared.")] = Which.fixed,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Count rows that cannot be read as not followed.")
    ] = False,
    json: Json = None,
    out: Out = None,
    limit: Limit = None,
    seed: Seed = 0,
) -> None:
    """Compare two runs on the same prompts: which differences are real?

    A and B are JSONL files of responses, findings files of `adhere score --json` (with their records beside them), run
    folders, or two Inspect logs. `FILE::MODEL` picks one of several models in a file. Pairs are formed by prompt and
    epoch; prompts with several epochs count as one cluster.
    """
    from adhere.measure.adherence.logs import is_log

    if is_log(a) != is_log(b):
        from adhere.core.errors import UserError

        raise UserError("an Inspect log compares with an Inspect log only")
    found = _logs(a, b, seed) if is_log(a) else _runs(a, b, prompts, profile, skip_bad, limit, seed)
    targets = [target for target in (json, out / "findings.json" if out else None) if target is not None]
    if targets:
        from adhere.core import findings as record

        shared = {"recompute": command_line(), "evidence": (a, b)}
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
            record.write(target, [finding.model_copy(update=shared) for finding in found], seed=seed)
            typer.echo(f"findings: {target}", err=True)


def _runs(
    a: str, b: str, prompts: Path | None, profile: Which, skip_bad: bool, limit: int | None, seed: int
) -> list[Finding]:
    from rich.console import Console
    from rich.text import Text

    from adhere.measure.adherence.comparison import compare as compare_runs
    from adhere.measure.adherence.comparison import one_model, open_run

    sides = []
    for given in (a, b):
        name, _, model = given.partition("::")
        run = open_run(Path(name), prompts=prompts, skip_bad=skip_bad, limit=limit)
        subjects = one_model(run, Path(name), model or None)
        sides.append((run, subjects, subjects[0].model))
    if sides[0][2] == sides[1][2]:
        sides = [(run, subjects, given) for (run, subjects, _), given in zip(sides, (a, b), strict=True)]
    result = compare_runs(sides[0], sides[1], profile=profile.value, seed=seed)
    console = Console()
    missing = (result.a, result.unanswered_a, result.unpaired_a), (result.b, result.unanswered_b, result.unpaired_b)
    for label, unanswered, unpaired in missing:
        if unanswered:
            console.print(Text(f"{label}: {unanswered} answers are missing; they count as not followed", "yellow"))
        if unpaired:
            console.print(Text(f"{label}: {unpaired} prompts that the other was not asked are left out", "yellow"))
    _print(console, f"A {result.a} · B {result.b} · {result.profile}", result.levels)
    families = [c for c in result.families if c.difference.clusters >= ENOUGH and c.difference.p < 1]
    if families:
        _print(console, "By family, the surest first", families[:MOST], len(result.families))
    for label, only in ((result.a, result.only_a), (result.b, result.only_b)):
        if only:
            shown = ", ".join(only[:MOST]) + (", …" if len(only) > MOST else "")
            console.print(Text(f"only {label} follows ({len(only)}): {shown}", style="dim"))
    return [comparison.finding() for comparison in (*result.levels, *result.families)]


MOST = 12
ENOUGH = 5
"""At most so many families and prompts are shown, and families with at least so many pairs: the findings have all."""


def _logs(a: str, b: str, seed: int) -> list[Finding]:
    from rich.console import Console
    from rich.text import Text

    from adhere.measure.adherence.logs import paired_scores, read_scores
    from adhere.measure.adherence.summary import Pairing, compared

    first, second = read_scores(a), read_scores(b)
    labels = (first.model, second.model) if first.model != second.model else (a, b)
    pairings = [
        Pairing(*labels, first.task, "inspect", metric, "score", clusters)
        for metric, clusters in paired_scores(first, second).items()
    ]
    comparisons = compared(pairings, seed)
    console = Console()
    _print(console, f"A {labels[0]} · B {labels[1]} · {first.task}", comparisons)
    for label, log in zip(labels, (first, second), strict=True):
        if log.failed:
            line = f"{label}: {len(log.failed)} samples ended with an error; they count as 0"
            console.print(Text(line, style="yellow"))
    left_out = first.left_out + second.left_out
    if left_out:
        console.print(Text(f"{left_out} scores are missing or no numbers, and left out", style="yellow"))
    return [comparison.finding() for comparison in comparisons]


def _print(console: Console, title: str, comparisons: Sequence[Comparison], corrected: int | None = None) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from adhere.cli.score_tables import ROOMY, difference, in_points, p_value

    shares = all(c.profile != "inspect" for c in comparisons)
    table = Table(
        title=title, title_justify="left", title_style="bold", header_style="dim", box=SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("what", no_wrap=True)
    for name in ("points" if shares else "A − B", "n", "for A", "for B", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("real?", no_wrap=True)
    several = len({c.set for c in comparisons}) > 1
    for c in comparisons:
        d = c.difference
        if shares:
            gap = in_points(d.estimate, d.interval, console.width >= ROOMY)
        else:
            gap = difference([f"{x:+.3f}" for x in (d.estimate, *d.interval)])
        verdict = Text("yes", style="green") if c.real else Text("cannot tell", style="dim")
        what = f"{c.level} {c.mode}" if c.mode in ("strict", "loose") and "." not in c.level else c.level
        only = str(d.clusters), str(d.only_a), str(d.only_b)
        table.add_row(f"{what} · {c.set}" if several else what, gap, *only, p_value(c.p_holm), verdict)
    console.print(table)
    tests = ", ".join(dict.fromkeys(c.difference.test for c in comparisons))
    note = f"{tests}; p corrected by Holm over {corrected or len(comparisons)}; intervals by paired bootstrap"
    console.print(Text(note, style="dim"))
