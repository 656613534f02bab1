"""`adhere modular`: train and analyse networks for modular addition (Clock and Pizza, arXiv 2306.17844)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adhere.cli import console as output
from adhere.cli.options import Json, Limit, Out, Report, Seed
from adhere.cli.runs import command_line, resumable
from adhere.core.errors import UserError
from adhere.core.terminal import visible

if TYPE_CHECKING:
    from rich.console import Console

    from adhere.core.findings import Finding
    from adhere.modular.network import Kind
    from adhere.modular.run_spec import Job, Recipe
    from adhere.modular.task import Operation

app = typer.Typer(
    help="Train, classify and check networks for modular addition: Clock and Pizza (arXiv 2306.17844).",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Steps = Annotated[int, typer.Option(min=1, help="Steps of training; the paper's are 20,000.")]
Seeds = Annotated[int, typer.Option(min=1, help="How many seeds, counted up from --seed.")]
Stable = Annotated[
    bool, typer.Option("--until-stable", help="End early, once the metrics have hardly moved for 1,000 steps.")
]
Model = Annotated[str, typer.Option(help="transformer, or a linear model: alpha, beta, gamma, delta, x.")]
Width = Annotated[int | None, typer.Option(help="Width; the paper's if not given (128, linear models 256).")]
Precision = Annotated[
    str, typer.Option(help="float32, bfloat16 for the large products, or auto: bfloat16 where it is faster.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; one for each core if not given.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto: CUDA where there is one.")]
Decay = Annotated[float, typer.Option(help="Weight decay of AdamW.")]


@app.command()
def train(
    alpha: Annotated[float, typer.Option(help="Attention rate: 0 constant, 1 standard attention.")] = 0.0,
    seeds: Seeds = 1,
    seed: Seed = 0,
    steps: Steps = 20_000,
    until_stable: Stable = False,
    modulus: Annotated[int, typer.Option(help="Modulus.")] = 59,
    operation: Annotated[str, typer.Option(help="add, subtract or multiply.")] = "add",
    share: Annotated[float, typer.Option(help="Share of all pairs to train on.")] = 0.8,
    model: Model = "transformer",
    width: Width = None,
    weight_decay: Decay = 2.0,
    precision: Precision = "auto",
    workers: Workers = None,
    device: Device = "auto",
    limit: Limit = None,
    out: Out = None,
    json: Json = None,
    report: Report = None,
) -> None:
    """Train networks and show loss, accuracy and metrics as they develop; the same --out again resumes."""
    from adhere.modular.runs import grid

    recipe = _recipe(seed, steps, until_stable, weight_decay, precision, device)
    jobs = grid(
        recipe=recipe,
        kind=_kind(model),
        rates=[alpha],
        seeds=seeds,
        moduli=[modulus],
        operations=[_operation(operation)],
        shares=[share],
        width=width,
    )
    _train(jobs[:limit], out, workers, device, json, report)


@app.command()
def sweep(
    alphas: Annotated[str, typer.Option(metavar="LIST", help="Attention rates: 0,0.5,1 or first:last:how-many.")] = (
        "0:1:11"
    ),
    seeds: Seeds = 8,
    seed: Seed = 0,
    steps: Steps = 20_000,
    until_stable: Stable = False,
    moduli: Annotated[str, typer.Option(metavar="LIST", help="Moduli, as 59,53.")] = "59",
    operations: Annotated[str, typer.Option(metavar="LIST", help="Of add, subtract, multiply.")] = "add",
    shares: Annotated[str, typer.Option(metavar="LIST", help="Shares of pairs to train on, as 0.2:0.95:6.")] = "0.8",
    model: Model = "transformer",
    width: Width = None,
    weight_decay: Decay = 2.0,
    precision: Precision = "auto",
    workers: Workers = None,
    device: Device = "auto",
    limit: Limit = None,
    out: Out = None,
    json: Json = None,
    report: Report = None,
) -> None:
    """Train a grid of attention rates, seeds, tasks and training shares: the phase diagram of generalisation.

    Finished trainings are kept: the same --out again, also with more seeds or other rates, trains only what is missing.
    """
    from adhere.modular.runs import grid

    recipe = _recipe(seed, steps, until_stable, weight_decay, precision, device)
    jobs = grid(
        recipe=recipe,
        kind=_kind(model),
        rates=_numbers(alphas, "--alphas"),
        seeds=seeds,
        moduli=[_whole(value, "--moduli") for value in _numbers(moduli, "--moduli")],
        operations=[_operation(name.strip()) for name in operations.split(",")],
        shares=_numbers(shares, "--shares"),
        width=width,
    )
    _train(jobs[:limit], out, workers, device, json, report)


@app.command()
def classify(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="model.safetensors, or a released model_*.pt.")
    ],
    alpha: Annotated[
        float | None, typer.Option(help="Attention rate of a released file that has no configuration beside it.")
    ] = None,
    triples: Annotated[int, typer.Option(min=2, help="Triples for gradient symmetricity; the paper's are 100.")] = 100,
    seed: Seed = 0,
    limit: Limit = None,
    out: Out = None,
    json: Json = None,
) -> None:
    """Classify networks as Clock, Pizza or undecided; every metric stands beside its value for an untrained network."""
    import adhere.modular.stored as stored
    from adhere.cli.tables.modular import examination
    from adhere.modular.examine import examine, findings, untrained

    console = _console()
    measured: list[Finding] = []
    refused = 0
    for path in files[:limit]:
        try:
            network, recipe = stored.load(path, rate=alpha)
        except UserError as error:
            if len(files) == 1:
                raise
            refused += 1
            typer.echo(f"left out: {error}", err=True)
            continue
        split = network.task.split(recipe["share"], recipe["seed"]) if recipe else None
        seen = examine(network, split, triples=triples)
        start = examine(untrained(network, seed), split, triples=triples)
        examination(console, network, seen, start)
        measured += findings(
            seen,
            start,
            {
                "task": network.task.name,
                "model": network.architecture.kind,
                "alpha": network.architecture.rate,
                "name": path.stem,
            },
            evidence=(path.as_posix(),),
            recompute=f"adhere modular classify {path.as_posix()}",
        )
    _write(measured, out, json)
    if refused:
        raise UserError(f"{refused} of {len(files[:limit])} files could not be measured; see the lines above")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of released model_*.pt and config_*.json.")],
    table: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The released table of runs, for models that no notebook prints."),
    ] = None,
    seed: Seed = 0,
    limit: Limit = None,
    out: Out = None,
    json: Json = None,
) -> None:
    """Compare our metrics on the authors' released models with the published numbers; exit code 1 if they disagree."""
    import adhere.modular.stored as stored
    from adhere.cli.tables.modular import agreement
    from adhere.modular import published
    from adhere.modular.examine import examine, findings, untrained

    console = _console()
    known = {**(published.table(table) if table else {}), **published.MODELS}
    results: list[Finding] = []
    off: list[str] = []
    checked = 0
    for path in list(stored.released(folder))[:limit]:
        run = path.stem.removeprefix("model_")
        try:
            network, _ = stored.load(path)
        except UserError as error:
            console.print(f"{visible(run)}: left out: {visible(error)}")
            continue
        seen = examine(network)
        wanted = known.get(run, published.Published(title="no published numbers", source="-"))
        off += agreement(console, run, seen, wanted, published.TOLERANCE)
        checked += run in known
        results += findings(
            seen,
            examine(untrained(network, seed)),
            {"model": network.architecture.kind, "alpha": network.architecture.rate, "name": run, "task": "add-59"},
            evidence=(path.as_posix(),),
            recompute=f"adhere modular check {folder.as_posix()}",
        )
    _write(results, out, json)
    if off:
        for line in off:
            console.print(f"DIFFERS: {visible(line)}")
        raise typer.Exit(1)
    if not checked:
        raise UserError(f"{folder}: none of its models has published numbers")
    console.print(f"All within {published.TOLERANCE} of the published numbers: {checked} models.")


def _train(
    jobs: list[Job], out: Path | None, workers: int | None, device: str, json: Path | None, report: Path | None
) -> None:
    from adhere.api.modular import DEFAULT_OUT, modular
    from adhere.cli.tables.modular import live, outcome
    from adhere.modular.generalization_odds import Odds

    console = _console()
    for note in dict.fromkeys(note for job in jobs for note in job.task.notes()):
        console.print(f"Note: {note}.")
    with resumable(), live(output.notices(), len(jobs)) as progress:
        study = modular(
            jobs,
            out=out or DEFAULT_OUT,
            workers=workers,
            device=_device(device),
            progress=progress,
            command=command_line(),
        )
    outcome(console, study.runs)
    first = jobs[0]
    console.print(f"Expected before training ({first.task.name}, share {first.recipe.share:g}): {Odds.of(first).words}")
    perfect = sum(run.generalised for run in study.runs)
    console.print(f"Measured: {perfect} of {len(study.runs)} trainings are right on every held-out pair.")
    _write(list(study.findings), out, json)
    console.print(f"Networks, histories and findings are in {visible(study.folder)}.")
    page = report or (out / "report.html" if out else None)
    if page:
        console.print(f"Report: {visible(study.report(page))}")


def _write(results: list[Finding], out: Path | None, json: Path | None) -> None:
    from adhere.core import findings as records

    for target in filter(None, (json, out / "findings.json" if out else None)):
        records.write(target, results)


def _console() -> Console:
    from adhere.core.extras import require

    require("torch", "safetensors")
    import torch

    torch.set_num_threads(1)
    return output.results()


def _recipe(seed: int, steps: int, until_stable: bool, weight_decay: float, precision: str, device: str) -> Recipe:
    _console()
    from adhere.modular.kernel import half_pays
    from adhere.modular.run_spec import Recipe

    if precision not in ("auto", "float32", "bfloat16"):
        raise UserError(f"no precision {precision!r}; there are: auto, float32, bfloat16")
    if seed < 0:
        raise UserError("--seed must not be negative")
    on_cpu = _device(device) == "cpu"
    half = precision == "bfloat16" or (precision == "auto" and on_cpu and half_pays())
    return Recipe(seed=seed, steps=steps, until_stable=until_stable, weight_decay=weight_decay, half=half)


def _device(device: str) -> str:
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"no device {device!r}; there are: auto, cpu, cuda")
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise UserError("--device cuda, but torch sees no CUDA device")
    return "cuda" if device != "cpu" and available else "cpu"


def _kind(model: str) -> Kind:
    from adhere.modular.network import KINDS

    for kind in KINDS:
        if kind == model:
            return kind
    raise UserError(f"no model {model!r}; there are: {', '.join(KINDS)}")


def _operation(name: str) -> Operation:
    from adhere.modular.task import OPERATIONS

    for operation in OPERATIONS:
        if operation == name:
            return operation
    raise UserError(f"no operation {name!r}; there are: {', '.join(OPERATIONS)}")


def _numbers(text: str, option: str) -> list[float]:
    """Numbers of "a,b,c" or "first:last:how-many"."""
    try:
        if ":" not in text:
            return [float(part) for part in text.split(",")]
        first, last, count = text.split(":")
        low, high, steps = float(first), float(last), int(count)
    except ValueError:
        raise UserError(f"{option} {text}: wanted numbers as 0,0.5,1 or first:last:how-many as 0:1:11") from None
    if steps < 1 or (steps == 1 and low != high):
        raise UserError(f"{option} {text}: how-many must be at least 2, or 1 for a single number")
    return [round(low + (high - low) * k / max(1, steps - 1), 6) for k in range(steps)]


def _whole(value: float, option: str) -> int:
    if value != int(value):
        raise UserError(f"{option}: {value:g} is no whole number")
    return int(value)
