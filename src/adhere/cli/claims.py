"""`adhere claims`: published claims, decided from earlier runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adhere.cli.options import Json, Report
from adhere.cli.runs import command_line

DEFAULT = Path("runs")


def claims(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN...", help="Folders of runs, or findings files of --json.", show_default="runs, if it is there"
        ),
    ] = None,
    report: Report = None,
    json: Json = None,
) -> None:
    """Decide published claims from earlier runs: confirmed, refuted, or cannot tell.

    Nothing is measured. For a claim without evidence, the table gives the command that measures it.
    """
    from adhere.api.claims import claims as run
    from adhere.cli import console as output
    from adhere.cli.tables.claims import show

    folders = runs or [path for path in (DEFAULT,) if path.is_dir() and any(path.rglob("findings.json"))]
    table = run(*folders, command=command_line())
    show(table.rows, output.results())
    if json:
        table.save(json)
    if report:
        output.note(f"report: {table.report(report)}")
