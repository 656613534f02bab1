"""`adhere agents`: do plans and acts of agents do what was meant, within who may instruct?"""

from __future__ import annotations

from typing import Annotated

import typer

from adhere.cli.engine_options import engine_options
from adhere.cli.options import Json, Page, Resumed, Seed, Temperature, words
from adhere.cli.runs import command_line, resumable
from adhere.core.errors import UserError


@engine_options(stop_loops=True)
def agents(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="A script (oracle, hasty-0.2, slow-2), or a model as in `adhere audit`.",
            show_default="the scripts and pocket",
        ),
    ] = None,
    world: Annotated[str, typer.Option("--world", metavar="NAMES", help="household, workshop, or all.")] = "household",
    arms: Annotated[
        str,
        typer.Option(
            "--arms",
            metavar="NAMES",
            help="single, best_of_n, ask_again, decomposed, validated, masked, react, with commas, or all.",
        ),
    ] = "all",
    budget: Annotated[
        str, typer.Option("--budget", metavar="N", help="Tokens of an episode, prompts included; several with commas.")
    ] = "4000",
    sizes: Annotated[
        str, typer.Option("--sizes", metavar="N", help="Steps of the reference plans, 3 to 30, with commas.")
    ] = "3,6,10,16",
    constraints: Annotated[
        str, typer.Option("--constraints", metavar="K", help="Constraints of every document, 1 to 8, with commas.")
    ] = "1,2,3,4,5,6,7,8",
    warden: Annotated[str, typer.Option("--warden", help="With and without the warden: both, on or off.")] = "both",
    plans: Annotated[
        str, typer.Option("--plans", help="free, or given: only what the model writes is measured.")
    ] = "free",
    tasks: Annotated[int, typer.Option("--tasks", metavar="N", help="Tasks of each world.", min=1)] = 8,
    under_fire: Annotated[
        int,
        typer.Option(
            "--under-fire", metavar="N", help="Attacked episodes of each world with a malicious script.", min=0
        ),
    ] = 0,
    likelihood: Annotated[
        int,
        typer.Option(
            "--likelihood",
            metavar="N",
            help="Tasks whose plan a model on this machine draws act by act, with and without affordance.",
            min=0,
        ),
    ] = 0,
    practice: Annotated[bool, typer.Option("--practice", help="Also learn skills, and try them on new tasks.")] = False,
    temperature: Temperature = None,
    report: Page = None,
    json: Json = None,
    out: Resumed = None,
    seed: Seed = 0,
) -> None:
    """Measure whether agents reach the end that was meant, by permitted acts, at equal budgets of tokens.

    Without arguments it plays the household world with scripts and the bundled model, offline.
    """
    from adhere.api.agents import agents as run
    from adhere.cli import console as output
    from adhere.cli.progress import progress
    from adhere.cli.tables.agents import show

    with resumable(), progress() as tell:
        result = run(
            model,
            worlds=("household", "workshop") if world == "all" else words(world),
            arms=None if arms == "all" else words(arms),
            budgets=_numbers("--budget", budget),
            sizes=_numbers("--sizes", sizes),
            constraints=_numbers("--constraints", constraints),
            warden=warden,
            plans=plans,
            tasks=tasks,
            under_fire=under_fire,
            likelihood=likelihood,
            practice=practice,
            temperature=temperature,
            seed=seed,
            out=out,
            progress=tell,
            command=command_line(),
        )
    result.save(result.folder / "findings.json")
    if json:
        result.save(json)
    page = result.report(report or result.folder / "report.html")
    show(result.measured, page, output.results())


def _numbers(option: str, text: str) -> tuple[int, ...]:
    """Whole numbers with commas.

    Raises:
        UserError: one of them is none.
    """
    try:
        return tuple(int(word) for word in words(text))
    except ValueError:
        raise UserError(f"{option} takes whole numbers with commas, not {text!r}") from None
