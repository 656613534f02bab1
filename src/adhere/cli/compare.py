"""`adhere compare`: two runs on the same prompts, paired."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from adhere.cli.options import Json, Limit, Out, Prompts, Seed
from adhere.cli.runs import command_line


class Which(StrEnum):
    """Which verdicts are compared."""

    fixed = "fixed"
    reference = "reference"


def compare(
    a: Annotated[
        str, typer.Argument(metavar="A", help="Responses, findings or records of a scored run, or an Inspect log.")
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="The same kind of file, on the same prompts.")],
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

    A and B are responses, findings files of `adhere score --json` (with their records beside them), run folders, or two
    Inspect logs; `-` is standard input. `FILE::MODEL` picks one of several models in a file. Pairs are formed by prompt
    and epoch; prompts with several epochs count as one cluster.
    """
    from adhere.api.compare import compare as run
    from adhere.cli import console as output
    from adhere.cli.inputs import all_readable, readable
    from adhere.cli.tables.compare import show

    names = [name.partition("::") for name in (a, b)]
    files = all_readable(Path(name) for name, _, _ in names)
    sides = [f"{file}{mark}{model}" for file, (_, mark, model) in zip(files, names, strict=True)]
    compared = run(
        sides[0],
        sides[1],
        prompts=None if prompts is None else readable(prompts),
        profile=profile.value,
        skip_bad=skip_bad,
        limit=limit,
        seed=seed,
        command=command_line(),
    )
    show(compared, output.results())
    for target in (json, out / "findings.json" if out else None):
        if target is not None:
            compared.save(target)
            output.note(f"findings: {target}")
