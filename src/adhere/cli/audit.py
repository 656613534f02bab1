"""`adhere audit`: ask a model, check its answers, and write the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adhere.cli.engine_options import engine_options
from adhere.cli.options import Json, Limit, MaxTokens, Model, Page, Resumed, Seed, Temperature, UnsafeCode, words
from adhere.cli.runs import command_line, resumable

ALWAYS = "measure"
"""The part that every audit has: it may be named, and changes nothing."""


QUICK_PROMPTS, QUICK_TOKENS = 60, 256
"""What `--quick` takes."""


@engine_options(stop_loops=True)
def audit(
    model: Model = "pocket",
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also",
            metavar="PARTS",
            help="More parts, with commas: sustain (the cost), explain (where inside), modular (trains for minutes).",
            show_default=False,
        ),
    ] = None,
    task_set: Annotated[
        str | None,
        typer.Option(
            "--set",
            help="pocket, natural, ifeval, ifbench, own or multi-turn.",
            show_default="natural; pocket for the pocket model",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="Prompts of the other sets.", show_default=False)
    ] = None,
    per_skill: Annotated[
        int | None,
        typer.Option("--per-skill", min=1, help="Prompts for each skill.", show_default="pocket 60, natural all 604"),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge", metavar="MODEL", help="Model that judges topic, sentiment, register.", show_default=False
        ),
    ] = None,
    certify: Annotated[
        float | None,
        typer.Option(
            "--certify",
            metavar="SHARE",
            help="Ask until it is settled whether the model follows more than SHARE of prompts, such as 0.999.",
        ),
    ] = None,
    confidence: Annotated[float, typer.Option("--confidence", help="Confidence of the certificate.")] = 0.95,
    budget: Annotated[
        int | None,
        typer.Option(
            "--budget",
            min=1,
            help="Answers that the certificate may take, at most.",
            show_default="twice the fewest possible",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A first look: 60 prompts drawn with the seed, short answers.")
    ] = False,
    through_gateway: Annotated[
        bool,
        typer.Option("--through-gateway", help="Ask everything again through a gateway that enforces the constraints."),
    ] = False,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    report: Page = None,
    json: Json = None,
    out: Resumed = None,
    limit: Limit = None,
    seed: Seed = 0,
    unsafe_code: UnsafeCode = False,  # noqa: ARG001 (its callback has acted)
) -> None:
    """Measure how often a model follows its instructions, and write a report.

    Without arguments it measures the bundled model, offline.
    """
    if quick:
        limit, max_tokens = limit or QUICK_PROMPTS, max_tokens or QUICK_TOKENS
    from adhere.api.audit import audit as run
    from adhere.cli import console as output
    from adhere.cli.progress import progress
    from adhere.cli.tables.audit import show

    parts = [part for option in also or () for part in words(option) if part != ALWAYS]
    with resumable(), progress() as tell:
        audited = run(
            model,
            also=parts,
            through_gateway=through_gateway,
            task_set=task_set,
            data=data,
            per_skill=per_skill,
            judge=judge,
            certify=certify,
            confidence=confidence,
            budget=budget,
            temperature=temperature,
            max_tokens=max_tokens,
            limit=limit,
            seed=seed,
            out=out,
            progress=tell,
            notice=output.note,
            command=command_line(),
        )
    audited.save(audited.folder / "findings.json")
    if json:
        audited.save(json)
    page = audited.report(report or audited.folder / "report.html")
    show(audited, page, output.results())
