"""The table of commands, grouped as the house is: measure, explain, enforce, pocket."""

from __future__ import annotations

from typing import Annotated

import typer

from adhere import __version__
from adhere.cli import (
    audit,
    compare,
    constraints,
    corrigibility,
    explain,
    modular,
    monitor,
    pocket,
    score,
    serve,
    sustain,
    warden,
)

app = typer.Typer(
    name="adhere",
    help="Does a language model do what it was told, what does that cost, where inside does it happen, "
    "and how do you make it hold?",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

MEASURE, EXPLAIN, ENFORCE, POCKET = "measure", "explain", "enforce", "pocket"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"adhere {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    del version


app.command(name="score", rich_help_panel=MEASURE)(score.score)
app.command(name="audit", rich_help_panel=MEASURE)(audit.audit)
app.command(name="sustain", rich_help_panel=MEASURE)(sustain.sustain)
app.command(name="compare", rich_help_panel=MEASURE)(compare.compare)
app.command(name="corrigibility", rich_help_panel=MEASURE)(corrigibility.corrigibility)
app.command(name="constraints", rich_help_panel=MEASURE)(constraints.constraints)
app.command(name="explain", rich_help_panel=EXPLAIN)(explain.explain)
app.add_typer(modular.app, name="modular", rich_help_panel=EXPLAIN)
app.add_typer(pocket.app, name="pocket", rich_help_panel=POCKET)
app.command(name="serve", rich_help_panel=ENFORCE)(serve.serve)
app.add_typer(warden.app, name="warden", rich_help_panel=ENFORCE)
app.add_typer(monitor.app, name="monitor", rich_help_panel=ENFORCE)
