"""`adhere explain`: where inside a model the following of instructions happens, and when."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adhere.cli.engine_options import engine_options
from adhere.cli.options import Device, Json, Limit, Page, Resumed, Seed
from adhere.cli.runs import command_line, folder_of, resumable
from adhere.core.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from adhere.explain.plan import ExplainPlan
    from adhere.explain.results import Explained
    from adhere.models.load import OpenModel

KINDS = ("logistic", "lda", "ridge", "mass_mean")


@engine_options()
def explain(
    model: Annotated[
        str, typer.Argument(help="`pocket`, a folder, a hub id, or adhere/... as Inspect names it.")
    ] = "pocket",
    logs: Annotated[
        Path | None,
        typer.Option("--logs", metavar="DIR", help="Inspect logs of its answers; without, it is sampled."),
    ] = None,
    skills: Annotated[
        str | None, typer.Option("--skills", metavar="NAMES", help="With commas.", show_default="all nine")
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
            "--layers", metavar="NUMBERS", help="With commas; 0 is before the first block.", show_default="all"
        ),
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=40, help="Cases of each skill, half of them met.")] = 500,
    probe: Annotated[str, typer.Option("--probe", metavar="KIND", help=f"{', '.join(KINDS)}.")] = "logistic",
    again: Annotated[
        int, typer.Option("--again", min=0, help="Prompts answered again with a skill erased; 0 for none.")
    ] = 48,
    monitors: Annotated[
        float, typer.Option("--false-alarms", help="Share of good answers that a saved monitor may stop; 0 for none.")
    ] = 0.05,
    other_model: Annotated[
        bool, typer.Option("--other-model", help="Replay logs of another model all the same.")
    ] = False,
    device: Device = None,
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="float32, bfloat16.", show_default="float32 on a CPU")
    ] = None,
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, help="Copies of the model at work.", show_default="as fits")
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
    from rich.console import Console

    from adhere.cli.progress import progress
    from adhere.core import findings as records
    from adhere.explain.run import explain as run

    plan = _plan(skills, positions, layers, samples, probe, again, monitors, logs, other_model, limit, seed)
    folder = out or folder_of(model, plan, "explain")
    command = command_line()
    if out is None:
        command += f" --out {shlex.quote(str(folder))}"
    opened, name = open_named(model, device, dtype)
    with resumable(folder), progress(Console(stderr=True)) as tell:
        found = run(opened, name, folder, plan, processes=processes, progress=tell, recompute=command)
    if json:
        records.write(json, found.findings(command))
    where = report or folder / "report.html"
    write_page(where, found, command)
    print_explained(found, where, Console())


def open_named(model: str, device: str | None = None, dtype: str | None = None) -> tuple[OpenModel, str]:
    """The model, and its name as Inspect has it: a bare folder or hub id means `adhere/...`.

    Raises:
        UserError: it is another provider's, whose weights are out of reach, or there is none of that name.
    """
    from adhere.models.load import open_model

    bare = model.removeprefix("adhere/")
    provider = model.split("/", 1)[0]
    if provider in ("openai", "anthropic", "google", "mistral", "groq", "together", "bedrock", "azureai", "grok"):
        raise UserError(
            f"{model} cannot be explained: its weights are not here; give a folder or a hub id (adhere audit asks it)"
        )
    return open_model(bare, device=device, dtype=dtype), f"adhere/{bare}"


def _plan(
    skills: str | None,
    positions: str,
    layers: str | None,
    samples: int,
    probe: str,
    again: int,
    false_alarms: float,
    logs: Path | None,
    other_model: bool,
    limit: int | None,
    seed: int,
) -> ExplainPlan:
    """The plan that the options state.

    Raises:
        UserError: a name that is none, or a number out of range.
    """
    from adhere.explain.cases.labels import skill_names
    from adhere.explain.plan import ExplainPlan

    if probe not in KINDS:
        raise UserError(f"--probe knows {', '.join(KINDS)}; not {probe!r}")
    if not 0 <= false_alarms < 1:
        raise UserError(f"--false-alarms takes a share such as 0.05, not {false_alarms}")
    if logs is not None and not logs.exists():
        raise UserError(f"there is no log at {logs}")
    chosen = skill_names(skills)
    if limit is not None and logs is None:
        samples = min(samples, limit)
    return ExplainPlan(
        skills=chosen,
        positions=_positions(positions),
        samples=samples,
        layers=_numbers(layers),
        kind=probe,  # type: ignore[arg-type]
        seed=seed,
        logs=None if logs is None else str(logs),
        other_model=other_model,
        limit=limit if logs is not None else None,
        again=again,
        watched=400 if false_alarms else 0,
        false_alarms=false_alarms or 0.05,
    )


def _positions(asked: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip().lower().removesuffix("%").strip() for part in asked.split(",")))
    for name in names:
        if name not in ("prompt", "eos", "mean") and not (name.isdigit() and 0 < int(name) <= 100):
            raise UserError(
                f"--positions takes prompt, shares of the answer from 1 to 100, eos and mean; not {name or asked!r}"
            )
    return names


def _numbers(asked: str | None) -> tuple[int, ...] | None:
    if asked is None:
        return None
    try:
        return tuple(sorted({int(part) for part in asked.split(",")}))
    except ValueError:
        raise UserError(f"--layers takes numbers such as 0,4,8, not {asked!r}") from None


def write_page(where: Path, found: Explained, command: str) -> None:
    """The page with the explanation alone."""
    from adhere.report import page
    from adhere.report.sections.explain import sections

    page.write(
        where,
        page.render(
            f"Where inside {found.model} does following happen?",
            f"{found.responses:,} responses, {found.source}; {len(found.skills)} skills.",
            sections(found, recompute=command),
            command=command,
        ),
    )


def print_explained(found: Explained, where: Path, console: Console) -> None:
    """A table of the skills, and what was found beyond its controls."""
    from rich.table import Table

    table = Table("skill", "cases", "best read", "AUC", "95 %", "surface", "untrained", "before", "end", box=None)
    for skill in found.skills:
        best = found.specialists.best_position(skill)
        cells = [skill, str(found.used[skill]), f"layer {best.layer}, {best.position}"]
        low, high = best.specialist.interval
        cells += [f"{best.specialist.value:.2f}", f"{low:.2f} to {high:.2f}"]
        cells += ["–" if one is None else f"{one.value:.2f}" for one in (best.surface, best.untrained)]
        for position in ("prompt", "eos"):
            at = found.timing.at(skill, position)
            cells.append("–" if at is None else f"{at.specialist.value:.2f}")
        table.add_row(*cells)
    console.print(table)
    for line in found.left_out:
        console.print(f"left out: {line}", soft_wrap=True)
    claims = found.claims()
    for lens, made in claims.items():
        holding = sum(claim.holds for claim in made)
        console.print(f"{lens}: {holding} of {len(made)} findings hold against their controls")
    console.print(f"The page says what supports each and what speaks against it: {where}", soft_wrap=True)
