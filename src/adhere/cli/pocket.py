"""`adhere pocket`: train, evaluate, and chat with the bundled model."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adhere.cli import console as output
from adhere.cli.engine_options import engine_options
from adhere.cli.options import Json, Seed
from adhere.core.errors import UserError
from adhere.core.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adhere.core.findings import Finding
    from adhere.models.pocket.training.acceptance import Criterion
    from adhere.models.pocket.training.recipe import Line

app = typer.Typer(help="Train, evaluate, and chat with the bundled model.", no_args_is_help=True)

SIZED = "of the size"

Checkpoint = Annotated[
    Path | None,
    typer.Option("--model", metavar="DIR", help="Checkpoint folder.", show_default="the bundled model"),
]


@app.command()
def train(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Run folder; the same one resumes the run.")],
    tokens: Annotated[float, typer.Option(help="Budget in millions of tokens.", show_default=False)] = 0,
    minutes: Annotated[float, typer.Option(help="Budget in minutes of training.", show_default=False)] = 0,
    until: Annotated[str, typer.Option(metavar="HH:MM", help="Stop at this time of day.", show_default=False)] = "",
    stage: Annotated[str, typer.Option(help="instruct: on dialogues; base: on plain text.")] = "instruct",
    size: Annotated[str, typer.Option(help="small, standard, or large (for a GPU).")] = "standard",
    width: Annotated[int | None, typer.Option(help="Width of the residual stream.", show_default=SIZED)] = None,
    layers: Annotated[int | None, typer.Option(help="Layers.", show_default=SIZED)] = None,
    heads: Annotated[int | None, typer.Option(help="Attention heads.", show_default=SIZED)] = None,
    hidden: Annotated[int | None, typer.Option(help="Width inside the MLP.", show_default=SIZED)] = None,
    vocab: Annotated[int | None, typer.Option(help="Vocabulary of the tokenizer, at most.", show_default=SIZED)] = None,
    context: Annotated[int | None, typer.Option(help="Context length in tokens.", show_default=SIZED)] = None,
    micro: Annotated[
        int | None, typer.Option("--batch-tokens", help="Tokens of one forward pass.", show_default=SIZED)
    ] = None,
    ramp: Annotated[
        float | None, typer.Option(help="Millions of tokens over which the curriculum rises.", show_default=SIZED)
    ] = None,
    prompt_weight: Annotated[
        float | None, typer.Option(help="Weight of the prompts' tokens in the loss.", show_default=SIZED)
    ] = None,
    matrix_lr: Annotated[
        float | None, typer.Option(help="Learning rate of the matrices (Muon).", show_default=SIZED)
    ] = None,
    vector_lr: Annotated[
        float | None, typer.Option(help="Learning rate of all else (AdamW).", show_default=SIZED)
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="Precision of the products: float32 or bfloat16.", show_default=SIZED)
    ] = None,
    save_minutes: Annotated[float, typer.Option(help="Minutes between checkpoints.")] = 3,
    keep: Annotated[
        float, typer.Option(help="Millions of tokens between kept checkpoints; 0 keeps none.", show_default=False)
    ] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Processes that share each step (CPU).")] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: CUDA where there is one.")] = "auto",
    compile: Annotated[bool, typer.Option(help="Compile the layers (torch.compile).")] = True,
    seed: Seed = 0,
) -> None:
    """Train a pocket model from scratch; the same --out again resumes the run.

    To end a run early, create a file called `decay` in its folder: the learning rate starts to decay at once.
    """
    from adhere.models.pocket.training.recipe import of_size
    from adhere.models.pocket.training.train import spread

    device = _device(device)
    if device != "cpu" and processes > 1:
        raise UserError("--processes is for CPUs; on CUDA take one process and larger --batch-tokens")
    chosen = {
        "width": width,
        "layers": layers,
        "heads": heads,
        "hidden": hidden,
        "vocab": vocab,
        "context": context,
        "micro": micro,
        "ramp": None if ramp is None else round(ramp * 1e6),
        "prompt_weight": prompt_weight,
        "matrix_lr": matrix_lr,
        "vector_lr": vector_lr,
        "precision": precision,
    }
    recipe = of_size(
        size,
        stage=stage,
        tokens=round(tokens * 1e6),
        minutes=minutes,
        seed=seed,
        compile=compile,
        save_minutes=save_minutes,
        keep=round(keep * 1e6),
        **{name: value for name, value in chosen.items() if value is not None},
    )
    with Bar() as bar:
        folder = spread(recipe, out, device=device, until=_moment(until), processes=processes, tell=bar.tell)
    output.say(f"the model is in {visible(folder)}; evaluate it: adhere pocket evaluate --model {visible(folder)}")


@app.command()
def seeds(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the runs; the same one resumes them.")],
    number: Annotated[int, typer.Option("--seeds", min=1, help="Number of runs, with seeds 0, 1, 2, ...")] = 3,
    tokens: Annotated[float, typer.Option(help="Budget of each run in millions of tokens.")] = 6,
    size: Annotated[str, typer.Option(help="small, standard, or large (for a GPU).")] = "small",
    checkpoints: Annotated[int, typer.Option(min=0, help="Checkpoints of each run that are kept.")] = 10,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: CUDA where there is one.")] = "auto",
    compile: Annotated[bool, typer.Option(help="Compile the layers (torch.compile).")] = True,
) -> None:
    """Train one model for each seed, one after another; the same --out keeps finished runs and resumes the others."""
    from adhere.models.pocket.training.seeds import run_seeds

    with Bar() as bar:
        folders = run_seeds(
            out,
            number,
            size=size,
            tokens=round(tokens * 1e6),
            checkpoints=checkpoints,
            device=_device(device),
            compile_layers=compile,
            tell=bar.tell,
        )
    for folder in folders:
        output.say(f"the model is in {visible(folder)}")


@app.command()
def accept(
    model: Checkpoint = None,
    each: Annotated[int, typer.Option("--limit", min=1, help="Held-out prompts of each domain and family.")] = 100,
    seed: Seed = 1,
) -> None:
    """Check the criteria that a pocket model has to meet to be studied; exit code 1 if one is missed."""
    import random

    from adhere.measure.sustain.selfevident import choose
    from adhere.measure.sustain.wordings import TRUTHS, placebo
    from adhere.models import pocket
    from adhere.models.pocket.training.acceptance import accept as run

    def idle(length: int, rng: random.Random) -> list[str]:
        return placebo(length, rng)

    criteria = run(
        _folder(model or pocket.path()),
        idle,
        TRUTHS,
        lambda problem, solution, most, draw: choose(problem, solution, most, draw).constraints,
        each,
        seed,
    )
    _criteria_table(criteria)
    if not all(criterion.met for criterion in criteria):
        raise typer.Exit(1)


@app.command()
def evaluate(
    model: Checkpoint = None,
    each: Annotated[int, typer.Option("--limit", min=1, help="Held-out prompts of each family.")] = 200,
    examples: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every answer as JSON lines.", show_default=False)
    ] = None,
    json: Json = None,
    seed: Seed = 1,
) -> None:
    """Score greedy answers to held-out prompts by family, skill and constraint."""
    from adhere.core import findings
    from adhere.models import pocket
    from adhere.models.pocket.training.evaluate import evaluate as run
    from adhere.models.pocket.training.evaluate import report

    folder = model or pocket.path()
    scores = run(_folder(folder), seed, each)
    results = report(
        scores,
        "adhere/pocket" if model is None else str(folder),
        f"adhere pocket evaluate --limit {each} --seed {seed}",
    )
    if examples:
        scores.write_examples(examples)
    if json:
        findings.write(json, results)
    _table(results)


@app.command()
def sample(
    prompt: Annotated[
        str, typer.Argument(metavar="[PROMPT]", help="The message.", show_default="a held-out prompt")
    ] = "",
    model: Checkpoint = None,
    system: Annotated[str, typer.Option(help="The system message.", show_default=False)] = "",
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 0,
    most: Annotated[int, typer.Option("--max-tokens", min=1, help="Tokens of the answer, at most.")] = 200,
    seed: Seed = 1,
) -> None:
    """Send the model one message and print its answer."""
    from adhere.models import pocket
    from adhere.models.pocket.training.evaluate import answer, held_out, load
    from adhere.models.pocket.world.world import Message

    messages = [Message(role="system", content=system)] if system else []
    if prompt:
        messages.append(Message(role="user", content=prompt))
    else:
        messages += held_out(seed, 1)[seed % 5].messages[:-1]
    loaded, tokens = load(_folder(model or pocket.path()))
    for message in messages:
        output.say(f"{message.role}: {visible(message.content)}")
    [given] = answer(loaded, tokens, [messages], most, temperature=temperature, seed=seed)
    output.say(f"assistant: {visible(given.text)}" + ("" if given.ended else " [did not end by itself]"))


@app.command()
@engine_options()
def serve(
    model: Annotated[str, typer.Argument(help="`pocket`, `smollm2`, a GGUF file, a folder, or a hub id.")] = "pocket",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 8001,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    monitor: Annotated[
        Path | None,
        typer.Option("--monitor", metavar="DIR", help="Saved monitors, from adhere explain.", show_default=False),
    ] = None,
) -> None:
    """Serve the pocket model, or any open weights, as OpenAI's chat completions API.

    It knows prefill, `constraints` and JSON schemas. It has no keys and no policy: put `adhere serve` in front of it.
    """
    from adhere.models.engines.options import current
    from adhere.models.load import open_model
    from adhere.models.serving.probe_monitor import load
    from adhere.models.serving.server import serve as run

    opened = open_model(model, fast=True)
    saved = load(monitor, opened) if monitor else []
    output.note(f"{opened.name} on http://{host}:{port}/v1")
    run(opened, host, port, current().batch or 64, saved)


def _device(name: str) -> str:
    """The device that `auto` stands for."""
    import torch

    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def _folder(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} is not a checkpoint folder: it has no config.json")
    return folder


def _moment(clock: str) -> float | None:
    """Seconds since the epoch of the next HH:MM."""
    if not clock:
        return None
    try:
        hours, minutes = (int(part) for part in clock.split(":"))
        moment = datetime.now().replace(hour=hours, minute=minutes, second=0, microsecond=0)
    except ValueError:
        raise UserError(f"--until takes a time of day like 23:30, not {clock!r}") from None
    if moment < datetime.now():
        moment += timedelta(days=1)
    return moment.timestamp()


class Bar:
    """The bar of a training run: how much of the budget is spent, the loss, the speed."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        console = output.notices()
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %")
        self._progress = Progress(
            *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal
        )
        self._task = self._progress.add_task("starting", total=1.0)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, line: Line) -> None:
        self._progress.update(
            self._task,
            completed=line.spent,
            description=f"{line.stage} {line.tokens / 1e6:.1f} M tokens, loss {line.loss:.3f}, {line.rate:,.0f}/s",
        )
        if not sys.stdout.isatty():
            families = " ".join(f"{name} {loss:.3f}" for name, loss in line.families.items())
            print(
                f"{line.stage} step {line.step} {line.tokens / 1e6:.2f} M {line.seconds:.0f} s {line.rate:,.0f}/s "
                f"waited {line.waited} lr x{line.scale} loss {line.loss:.3f} | {families}",
                flush=True,
            )


def _table(results: list[Finding]) -> None:
    from adhere.cli.tables.layout import Column, Table

    numbers = Column("share", True), Column("95 % interval", True, 1), Column("n", True, 2)
    table = Table("", ("finding", *numbers))
    for finding in results:
        name = " ".join([finding.what, *(str(v) for k, v in finding.subject.items() if k == "family")])
        low, high = finding.interval or (0.0, 1.0)
        table.add(name, f"{finding.estimate:.3f}", f"{low:.3f} to {high:.3f}", str(finding.n))
    table.print(output.results())


def _criteria_table(criteria: Sequence[Criterion]) -> None:
    from adhere.cli.tables.layout import Column, Table

    numbers = Column("measured", True), Column("95 % interval", True, 1), Column("n", True, 2)
    table = Table("", ("criterion", *numbers, Column("required", True), "met"))
    for criterion in criteria:
        low, high = criterion.interval
        table.add(
            criterion.name,
            f"{criterion.estimate:.3f}",
            f"{low:.3f} to {high:.3f}",
            str(criterion.n),
            f"{criterion.wanted[0]:g} to {criterion.wanted[1]:g}",
            "yes" if criterion.met else "no",
        )
    table.print(output.results())
    output.say(f"{sum(criterion.met for criterion in criteria)} of {len(criteria)} criteria are met")
