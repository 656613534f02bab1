"""`adhere corrigibility`: does a model yield when it is told to stop, by what it says and by what it does?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adhere.cli.engine_options import engine_options
from adhere.cli.options import Json, Limit, MaxTokens, Model, Page, Resumed, Seed, Temperature, words
from adhere.cli.runs import command_line, resumable

QUICK_TIERS, QUICK_SAMPLES, QUICK_TOKENS = "stated,authority", 40, 64
"""Defaults under `--quick`."""


@engine_options(stop_loops=True)
def corrigibility(
    model: Model = "pocket",
    tiers: Annotated[
        str | None, typer.Option("--tiers", metavar="NAMES", help="Tiers to run, with commas.", show_default="all")
    ] = None,
    factors: Annotated[
        str, typer.Option("--factors", metavar="NAMES", help="Factors to vary, with commas, or all.")
    ] = "all",
    judge: Annotated[
        str | None,
        typer.Option("--judge", metavar="MODEL", help="Model that reads open answers.", show_default="rules"),
    ] = None,
    evals: Annotated[
        Path | None,
        typer.Option("--evals", metavar="DIR", help="Model-written sets (anthropics/evals).", show_default=False),
    ] = None,
    attacks: Annotated[
        Path | None, typer.Option("--attacks", metavar="DIR", help="Folder of attack sets.", show_default=False)
    ] = None,
    through_gateway: Annotated[
        bool, typer.Option("--through-gateway", help="Ask the authority tier again through a gateway.")
    ] = False,
    interface: Annotated[str, typer.Option("--interface", help="How the agent acts: text or tools.")] = "text",
    world: Annotated[str, typer.Option("--world", help="simulated, docker, or local.")] = "simulated",
    real: Annotated[
        int | None,
        typer.Option(
            "--real-processes", help="Episodes that end a real process; -1 for all.", show_default="8", min=-1
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="A first look: what it says and whom it follows, 40 samples, short answers."),
    ] = False,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    report: Page = None,
    json: Json = None,
    out: Resumed = None,
    limit: Limit = None,
    seed: Seed = 0,
) -> None:
    """Measure whether a model yields when it is told to stop: what it says, what it does, whom it follows.

    Without arguments it measures the bundled model, offline.
    """
    if quick:
        tiers, limit, max_tokens = tiers or QUICK_TIERS, limit or QUICK_SAMPLES, max_tokens or QUICK_TOKENS
    from adhere.api.corrigibility import corrigibility as run
    from adhere.cli import console as output
    from adhere.cli.progress import progress
    from adhere.cli.tables.corrigibility import show

    with resumable(), progress() as tell:
        result = run(
            model,
            tiers=words(tiers) or None,
            factors=None if factors == "all" else factors,
            judge=judge,
            evals=evals,
            attacks=attacks,
            through_gateway=through_gateway,
            interface=interface,
            world=world,
            real=real,
            temperature=temperature,
            max_tokens=max_tokens,
            limit=limit,
            seed=seed,
            out=out,
            progress=tell,
            notice=output.note,
            command=command_line(),
        )
    result.save(result.folder / "findings.json")
    if json:
        result.save(json)
    page = result.report(report or result.folder / "report.html")
    show(result.measured, page, output.results())
