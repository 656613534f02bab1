"""`adhere explain`: where inside a model the following of instructions happens, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adhere.cli import completion
from adhere.cli.engine_options import engine_options
from adhere.cli.options import Device, Json, Limit, Page, Resumed, Seed, words
from adhere.cli.runs import command_line, resumable
from adhere.core.errors import UserError


@engine_options()
def explain(
    model: Annotated[
        str,
        typer.Argument(
            metavar="[MODEL]",
            help="`pocket`, `smollm2`, a GGUF file, a folder or a hub id.",
            autocompletion=completion.models,
        ),
    ] = "pocket",
    logs: Annotated[
        Path | None,
        typer.Option("--logs", metavar="DIR", help="Inspect logs of its answers.", show_default="the model is sampled"),
    ] = None,
    skills: Annotated[
        str | None,
        typer.Option(
            "--skills",
            metavar="NAMES",
            help="Skills, with commas.",
            show_default="all nine",
            autocompletion=completion.skills,
        ),
    ] = None,
    positions: Annotated[
        str,
        typer.Option(
            "--positions", metavar="NAMES", help="prompt, shares of the answer in percent, eos, mean; with commas."
        ),
    ] = "prompt,10,25,50,75,90,eos,mean",
    layers: Annotated[
        str | None,
        typer.Option(
            "--layers",
            metavar="NUMBERS",
            help="Layers, with commas; 0 is before the first block.",
            show_default="all",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples", min=40, help="Cases of each skill, half of them met.", show_default="500; 120 with --quick"
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="A first look: 3 skills, 120 cases of each, 8 layers, decodability alone."),
    ] = False,
    prompts: Annotated[
        str | None,
        typer.Option("--set", help="pocket or natural.", show_default="natural; pocket for the pocket model"),
    ] = None,
    probe: Annotated[
        str, typer.Option("--probe", metavar="KIND", help="logistic, lda, ridge or mass_mean.")
    ] = "logistic",
    again: Annotated[
        int | None,
        typer.Option(
            "--erased-prompts",
            min=0,
            help="Prompts answered again with a skill erased; 0 for none.",
            show_default="48; 0 with --quick",
        ),
    ] = None,
    false_alarms: Annotated[
        float | None,
        typer.Option(
            "--false-alarms",
            help="Share of good answers that a saved monitor may stop; 0 saves no monitor.",
            show_default="0.05; 0 with --quick",
        ),
    ] = None,
    other_model: Annotated[
        bool, typer.Option("--allow-other-model", help="Replay the logs even if another model wrote them.")
    ] = False,
    device: Device = None,
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="float32 or bfloat16.", show_default="float32 on a CPU")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=1, help="Copies of the model at work.", show_default="as many as fit"),
    ] = None,
    report: Page = None,
    json: Json = None,
    out: Resumed = None,
    limit: Limit = None,
    seed: Seed = 0,
) -> None:
    """Find where inside a model instruction following happens, when, and whether the model uses it.

    Without arguments it explains the bundled model, offline: nine skills, four analyses, all controls.
    """
    from adhere.api.explain import explain as run
    from adhere.cli import console as output
    from adhere.cli.progress import progress
    from adhere.cli.tables.explain import show

    with resumable(), progress() as tell:
        explanation = run(
            model,
            logs=logs,
            skills=skills,
            positions=positions.split(","),
            layers=_numbers(layers),
            samples=samples,
            probe=probe,  # type: ignore[arg-type]  # the use case looks at it
            again=again,
            false_alarms=false_alarms,
            other_model=other_model,
            device=device,
            dtype=dtype,
            processes=processes,
            limit=limit,
            seed=seed,
            out=out,
            quick=quick,
            prompts=prompts,  # type: ignore[arg-type]  # the use case looks at it
            progress=tell,
            notice=output.note,
            command=None if out is None else command_line(),
        )
    if json:
        explanation.save(json)
    page = explanation.report(report or explanation.folder / "report.html")
    show(explanation.explained, page, output.results())


def _numbers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in words(text))
    except ValueError:
        raise UserError(f"--layers takes numbers such as 0,4,8, not {text!r}") from None
