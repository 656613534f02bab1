"""`adhere export`: findings for tracking tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Target(StrEnum):
    """Where findings can go."""

    csv = "csv"
    langfuse = "langfuse"
    mlflow = "mlflow"
    otel = "otel"
    wandb = "wandb"


def export(
    files: Annotated[list[Path], typer.Argument(metavar="FINDINGS...", help="Files that --json wrote.")],
    to: Annotated[Target, typer.Option("--to", help="The tool to send them to.")],
    name: Annotated[str, typer.Option("--name", help="Experiment, project or service.")] = "adhere",
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="The file for csv; `-` is standard output.", show_default=False),
    ] = None,
) -> None:
    """Send findings to MLflow, W&B, Langfuse or an OpenTelemetry collector, or write them as CSV."""
    from adhere.api.exports import export as run_export
    from adhere.cli import console as output

    output.note(run_export(files, to.value, name=name, out=out))
