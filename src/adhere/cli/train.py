"""`adhere train`: sample and check answers, make pairs, tune with SFT, DPO or GRPO, and the study of all of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adhere.cli import console as output
from adhere.cli.engine_options import engine_options
from adhere.cli.options import Json, Seed, words
from adhere.core.errors import UserError
from adhere.core.terminal import visible

if TYPE_CHECKING:
    from adhere.core.findings import Finding
    from adhere.train.tuning import Method

app = typer.Typer(help="Tune a model on constraints, and measure what that does.", no_args_is_help=True)

Prompts = Annotated[Path, typer.Option("--prompts", metavar="FILE", help="Prompts with constraints (JSON Lines).")]
Data = Annotated[
    Path, typer.Option("--data", metavar="DIR|FILE", help="A pool, or JSON Lines of the method's columns.")
]
Run = Annotated[Path, typer.Option("--out", metavar="DIR", help="Run folder; the same one resumes the run.")]
Tuned = Annotated[str, typer.Argument(metavar="[MODEL]", help="`pocket`, a folder, a GGUF file, or a hub id.")]
Lora = Annotated[int, typer.Option("--lora", min=0, help="Rank of LoRA's matrices; 0 trains all weights.")]
Steps = Annotated[
    int | None, typer.Option("--steps", min=1, help="Optimiser steps.", show_default="one pass over the data")
]
Rate = Annotated[
    float | None, typer.Option("--learning-rate", min=0, help="Peak learning rate.", show_default="by method")
]


@app.command("filter")
@engine_options()
def filter_(
    prompts: Prompts,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Pool folder; the same one resumes the run.")],
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="`pocket`, `smollm2`, a GGUF file, a folder, a URL, or Inspect's.")
    ] = "pocket",
    samples: Annotated[int, typer.Option("--n", min=1, help="Answers sampled for each prompt.")] = 8,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="Sampling temperature.")] = 1.0,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Tokens of an answer, at most.")] = 512,
    exclude: Annotated[
        list[Path] | None,
        typer.Option("--exclude", metavar="FILE", help="Prompts of an evaluation set; repeatable.", show_default=False),
    ] = None,
    held_out: Annotated[
        str, typer.Option("--held-out", metavar="KIND,KIND", help="Kinds kept out of training.", show_default=False)
    ] = "",
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Take the first N prompts.", show_default=False)
    ] = None,
    seed: Seed = 0,
) -> None:
    """Sample answers, check each, and keep those that pass (rejection sampling)."""
    from adhere.api.train_sampling import filter_answers
    from adhere.cli.progress import progress
    from adhere.constraints.registry import family

    kinds = words(held_out)
    for kind in kinds:
        family(kind)
    with progress() as tell:
        summary = filter_answers(
            model,
            prompts,
            out,
            samples=samples,
            temperature=temperature,
            max_tokens=max_tokens,
            evaluation=tuple(exclude or ()),
            held_out=kinds,
            limit=limit,
            seed=seed,
            progress=tell,
        )
    share = summary.passing / summary.answers
    output.say(f"{summary.answers} answers to {summary.prompts} prompts; {summary.passing} pass ({share:.1%})")
    output.say(
        f"{summary.kept} kept, of prompts of difficulty 0.1 to 0.9; too easy {summary.too_easy}, "
        f"too hard {summary.too_hard} prompts"
    )
    excluded = {
        "the same as an evaluation prompt": summary.same,
        "overlapping with one": summary.overlapping,
        "of held-out kinds": summary.held_out,
        "duplicates": summary.duplicates,
    }
    if any(excluded.values()):
        output.say("left out: " + ", ".join(f"{number} {why}" for why, number in excluded.items() if number))
    output.say(f"rows for SFT: {visible(out / 'kept.jsonl')}; the pool: {visible(out / 'pool.jsonl')}")


@app.command()
def pairs(
    pool: Annotated[Path, typer.Argument(metavar="DIR", help="Pool, from adhere train filter.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Pairs, as JSON Lines.")],
) -> None:
    """Make preference pairs from a pool's verdicts."""
    from adhere.api.train_sampling import make_pairs

    output.say(f"{make_pairs(pool, out)} pairs in {visible(out)}")


@app.command()
def sft(
    data: Data,
    out: Run,
    model: Tuned = "pocket",
    lora: Lora = 0,
    steps: Steps = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Answers of a step.")] = 16,
    learning_rate: Rate = None,
    seed: Seed = 0,
) -> None:
    """Tune on answers that pass (supervised fine-tuning)."""
    _train(
        "sft", model, data=data, out=out, lora=lora, steps=steps, batch=batch, learning_rate=learning_rate, seed=seed
    )


@app.command()
def dpo(
    data: Data,
    out: Run,
    model: Tuned = "pocket",
    lora: Lora = 0,
    steps: Steps = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Pairs of a step.")] = 16,
    learning_rate: Rate = None,
    beta: Annotated[float, typer.Option("--beta", min=0, help="Strength of the tie to the model at the start.")] = 0.1,
    seed: Seed = 0,
) -> None:
    """Tune on preference pairs (direct preference optimisation)."""
    _train(
        "dpo",
        model,
        data=data,
        out=out,
        lora=lora,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        beta=beta,
        seed=seed,
    )


@app.command()
def grpo(
    data: Data,
    out: Run,
    model: Tuned = "pocket",
    constraints: Annotated[
        str | None,
        typer.Option(
            "--constraints",
            metavar="POLICY|TEXT",
            help="Rules for every answer: a policy (.yaml) or an instruction.",
            show_default="those of each prompt",
        ),
    ] = None,
    lora: Lora = 0,
    steps: Steps = None,
    batch: Annotated[int, typer.Option("--batch", min=2, help="Sampled answers of a step.")] = 64,
    generations: Annotated[int, typer.Option("--generations", min=2, help="Sampled answers of a prompt.")] = 8,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Tokens of an answer, at most.")] = 128,
    aggregation: Annotated[
        str, typer.Option("--aggregation", help="all, share, or distance: how verdicts become a reward.")
    ] = "all",
    without: Annotated[
        str, typer.Option("--without", metavar="GUARD,...", help="Guards that do not apply.", show_default=False)
    ] = "",
    problem_weight: Annotated[
        float, typer.Option("--problem-weight", min=0, help="Weight of the problem's own grade; constraints have 1.")
    ] = 0.0,
    learning_rate: Rate = None,
    beta: Annotated[float, typer.Option("--beta", min=0, help="Weight of the KL term.")] = 0.0,
    seed: Seed = 0,
) -> None:
    """Tune with constraints as the reward (group relative policy optimisation)."""
    _train(
        "grpo",
        model,
        data=data,
        out=out,
        constraints=constraints,
        lora=lora,
        steps=steps,
        batch=batch,
        generations=generations,
        max_tokens=max_tokens,
        aggregation=aggregation,
        without=words(without),
        problem_weight=problem_weight,
        learning_rate=learning_rate,
        beta=beta,
        seed=seed,
    )


@app.command()
@engine_options()
def domain(
    constraints: Annotated[
        str, typer.Option("--constraints", metavar="POLICY|TEXT", help="The rules: a policy (.yaml) or an instruction.")
    ],
    prompts: Prompts,
    out: Run,
    model: Tuned = "pocket",
    lora: Annotated[int, typer.Option("--lora", min=0, help="Rank of LoRA's matrices; 0 trains all weights.")] = 8,
    steps: Steps = None,
    learning_rate: Rate = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Tokens of an answer, at most.")] = 128,
    problems: Annotated[int, typer.Option("--problems", min=1, help="Plain problems of each kind.")] = 30,
    json: Json = None,
    seed: Seed = 0,
) -> None:
    """Train an organisation's own rules in, and compare that with the gateway and with both."""
    from adhere.api.train_domain import domain as run
    from adhere.cli.runs import resumable
    from adhere.core import findings

    with resumable():
        results = run(
            model,
            constraints=constraints,
            prompts=prompts,
            out=out,
            lora=lora,
            steps=steps,
            learning_rate=learning_rate,
            max_tokens=max_tokens,
            problems=problems,
            seed=seed,
            notice=output.note,
        )
    if json:
        findings.write(json, results)
    _domain_table(results)


@app.command()
def study(
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="`pocket`, or the folder of a pocket model.")
    ] = "pocket",
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Study folder; the same one resumes.")] = Path(
        "runs/train-study"
    ),
    size: Annotated[
        str, typer.Option("--size", help="full, short (20 minutes of processor time), or tiny (a trial).")
    ] = "full",
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0, help="Begin nothing new after so many minutes.", show_default=False),
    ] = None,
    json: Json = None,
) -> None:
    """Compare SFT, DPO and GRPO: adherence, problems solved, and what obedience costs, before and after."""
    from adhere.api.train_study import study as run
    from adhere.cli.runs import resumable
    from adhere.core import findings

    with resumable():
        results = run(model, size=size, out=out, minutes=minutes, notice=output.note)
    if json:
        findings.write(json, results)
    _table(results)
    output.say(f"all findings: {visible(out / 'findings.json')}")


def _train(method: Method, model: str, **options: Any) -> None:
    from adhere.api.train import train
    from adhere.cli.runs import resumable
    from adhere.train.reward import BrokenCheckError

    notice: Callable[[str], None] = functools.partial(output.note)
    try:
        with resumable():
            folder = train(method, model, notice=notice, **options)
    except BrokenCheckError as error:
        raise UserError(f"{error}; nothing is paid for such an answer, so the run has stopped") from error
    output.say(f"the tuned model is in {visible(folder)}; measure it: adhere audit {visible(folder)}")


def _domain_table(results: list[Finding]) -> None:
    from adhere.cli.tables.layout import Column, Table

    numbers = Column("estimate", True), Column("95 % interval", True), Column("n", True, 1)
    table = Table("", ("arm", "measure", *numbers))
    for one in results:
        low, high = one.interval or (one.estimate or 0.0,) * 2
        shown = f"{one.estimate:.3f}", f"{low:.3f} to {high:.3f}", str(one.n)
        table.add(str(one.subject["arm"]), str(one.subject["measure"]), *shown)
    table.print(output.results())


def _table(results: list[Finding]) -> None:
    from adhere.cli.tables.layout import Column, Table

    numbers = Column("less base", True), Column("95 % interval", True), Column("p (Holm)", True), Column("n", True, 1)
    table = Table("", ("arm", Column("measure"), *numbers))
    for one in results:
        if one.what == "train.difference" and one.subject["against"] == "base":
            low, high = one.interval or (0.0, 0.0)
            p = float(one.subject["p_holm"])
            cells = f"{one.estimate:+.3f}", f"{low:+.3f} to {high:+.3f}", f"{p:.3g}", str(one.n)
            table.add(str(one.subject["arm"]), str(one.subject["measure"]), *cells)
    table.print(output.results())
