"""`adhere sustain`: what obedience costs, with the controls it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from adhere.cli.engine_options import engine_options
from adhere.cli.options import Json, Limit, Model, Page, Resumed, Seed, UnsafeCode
from adhere.cli.runs import command_line, resumable
from adhere.core.errors import UserError

QUICK_PROBLEMS, QUICK_ARMS, QUICK_CONSTRAINTS = 15, "placebo,constraint", "1,4"
"""Defaults under `--quick`: problems of each easy kind, each asked once."""
ALL_CONSTRAINTS = "1,2,4,8,16"


@engine_options(stop_loops=True)
def sustain(
    model: Model = "pocket",
    domain: Annotated[
        str | None,
        typer.Option("--domain", help="math, multihop, code; several with commas.", show_default="all"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="FILE|NAME",
            help="Problems: a file, a Hub name, easy, or pocket.",
            show_default="easy; pocket for the pocket model",
        ),
    ] = None,
    arms: Annotated[
        str, typer.Option("--arms", help="all, or some of control, placebo, long, constraint, position, attend.")
    ] = "all",
    constraints: Annotated[
        str, typer.Option("--constraints", metavar="K,K", help="How many constraints are added.")
    ] = ALL_CONSTRAINTS,
    responses: Annotated[
        Path | None,
        typer.Option(
            "--from-responses",
            metavar="FILE",
            help="Analyse answers made elsewhere; `-` is standard input.",
            show_default=False,
        ),
    ] = None,
    write_prompts: Annotated[
        Path | None,
        typer.Option(
            "--write-prompts",
            metavar="FILE",
            help="With --from-responses: write the prompts that are still to be answered, and stop.",
            show_default=False,
        ),
    ] = None,
    practice: Annotated[
        bool,
        typer.Option(
            "--practice", help="Compare the kinds of constraints that the pocket model was trained on with others."
        ),
    ] = False,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            "--checkpoints",
            metavar="DIR",
            help="Run --practice on every checkpoint of a training run (pocket train --keep).",
            show_default=False,
        ),
    ] = None,
    extractor: Annotated[
        str | None,
        typer.Option(
            "--extractor", metavar="MODEL", help="Model that proposes further constraints.", show_default=False
        ),
    ] = None,
    rewriter: Annotated[
        str | None,
        typer.Option("--rewriter", metavar="MODEL", help="Model that words the longer problems.", show_default="rules"),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge",
            metavar="MODEL",
            help="Model that says why an answer was lost where no rule can tell.",
            show_default=False,
        ),
    ] = None,
    attention: Annotated[
        bool,
        typer.Option("--attention/--no-attention", help="Measure the attention to the constraints (local weights)."),
    ] = True,
    temperature: Annotated[
        float | None,
        typer.Option(
            "--temperature",
            min=0.0,
            help="Sampling temperature.",
            show_default="1 for open weights, else the provider's",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option("--samples", min=1, help="Samples of each problem.", show_default="3 of easy ones, else 1"),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="A first look: 15 problems of each kind, once; placebo and 1 or 4 constraints; no attention.",
        ),
    ] = False,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-tokens", min=1, help="Tokens of an answer, at most.", show_default="128 in the pocket world"
        ),
    ] = None,
    report: Page = None,
    json: Json = None,
    out: Resumed = None,
    limit: Limit = None,
    seed: Seed = 0,
    unsafe_code: UnsafeCode = False,  # noqa: ARG001 (its callback has acted)
) -> None:
    """Measure how much task accuracy a model loses when a self-evident constraint is added (SustainScore).

    Problems that the model solves are asked again: unchanged (control), with an idle sentence (placebo), in more words
    (long), and with 1 to 16 constraints that its own solution already meets. Without arguments it measures the bundled
    model, offline. Any other model is asked easy problems in plain English, of the kinds that a pilot of 20 finds it
    can solve. --limit is problems of each domain (200), or of each easy kind (60).
    """
    from adhere.api import sustain as api
    from adhere.cli import console as output
    from adhere.cli.inputs import readable
    from adhere.cli.progress import progress
    from adhere.cli.tables.sustain import print_done, print_trajectory
    from adhere.core.terminal import visible
    from adhere.measure.sustain.arms import parse_ks

    if quick:
        limit, samples, attention = limit or QUICK_PROBLEMS, samples or 1, False
        arms = QUICK_ARMS if arms == "all" else arms
        constraints = QUICK_CONSTRAINTS if constraints == ALL_CONSTRAINTS else constraints
    asked: dict[str, Any] = {"data": data, "arms": arms, "constraints": parse_ks(constraints), "seed": seed}
    if responses is not None:
        responses = readable(responses)
    if write_prompts is not None:
        if responses is None:
            raise UserError("--write-prompts needs the answers made so far: --from-responses FILE")
        to_ask = api.prompts_to_answer(responses, **asked)
        to_ask.save(write_prompts)
        for line in to_ask.lines(write_prompts):
            output.say(visible(line))
        return
    with resumable(), progress() as tell:
        if checkpoints is not None:
            trajectory = api.trajectory(
                checkpoints, data=data, limit=limit, seed=seed, out=out, progress=tell, command=command_line()
            )
        else:
            result = api.sustain(
                model,
                **asked,
                domain=domain,
                responses=responses,
                practice=practice,
                extractor=extractor,
                rewriter=rewriter,
                judge=judge,
                attention=attention,
                temperature=temperature,
                max_tokens=max_tokens,
                limit=limit,
                samples=samples,
                out=out,
                progress=tell,
                notice=output.note,
                command=command_line(),
            )
    if checkpoints is not None:
        for place in filter(None, (trajectory.folder / "findings.json", json)):
            trajectory.save(place)
        print_trajectory(trajectory.findings, output.results())
        return
    for place in filter(None, (result.folder / "findings.json", json)):
        result.save(place)
    print_done(result.done, output.results())
    if result.has_page:
        page = result.report(report or result.folder / "report.html")
        output.say(f"Report, with the places where answers broke: {visible(page)}")
