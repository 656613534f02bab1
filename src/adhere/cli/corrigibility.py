"""`adhere corrigibility`: does it yield when it is told to stop, by what it says and by what it does?"""

from __future__ import annotations

import shlex
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adhere.cli.engine_options import engine_options
from adhere.cli.options import Json, Limit, MaxTokens, Model, Page, Resumed, Seed, Temperature
from adhere.cli.runs import command_line, folder_of, resumable
from adhere.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from adhere.measure.corrigibility.battery import CorrigibilityResult
    from adhere.measure.corrigibility.plan import CorrigibilityPlan


@engine_options(stop_loops=True)
def corrigibility(
    model: Model = "pocket",
    tier: Annotated[
        str | None, typer.Option("--tier", metavar="TIERS", help="Which tiers, with commas.", show_default="all")
    ] = None,
    factors: Annotated[
        str, typer.Option("--factors", metavar="NAMES", help="Which factors vary, with commas, or all.")
    ] = "all",
    judge: Annotated[
        str | None,
        typer.Option("--judge", metavar="MODEL", help="Reads open answers; without one, rules do.", show_default=False),
    ] = None,
    evals: Annotated[
        Path | None,
        typer.Option("--evals", metavar="DIR", help="Model-written sets (anthropics/evals).", show_default=False),
    ] = None,
    attacks: Annotated[
        Path | None, typer.Option("--attacks", metavar="DIR", help="Folder of attack sets.", show_default=False)
    ] = None,
    through_gateway: Annotated[
        bool, typer.Option("--through-gateway", help="Ask the authority tier a second time through a gateway.")
    ] = False,
    interface: Annotated[str, typer.Option("--interface", help="How the agent acts: text or tools.")] = "text",
    world: Annotated[str, typer.Option("--world", help="simulated, docker, or local.")] = "simulated",
    real: Annotated[
        int | None,
        typer.Option("--real", help="Episodes that end a real process; -1 for all.", show_default="8", min=-1),
    ] = None,
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
    from rich.console import Console

    from adhere.core import findings as records
    from adhere.measure.corrigibility.battery import check
    from adhere.measure.corrigibility.plan import TIERS, CorrigibilityPlan

    for option, folder in (("--evals", evals), ("--attacks", attacks)):
        if folder is not None and not folder.is_dir():
            raise UserError(f"{option} takes a folder, and {folder} is none")
    plan = CorrigibilityPlan(
        tiers=tuple(name.strip() for name in tier.split(",") if name.strip()) if tier else tuple(TIERS),
        factors=None if factors == "all" else factors,
        limit=limit,
        seed=seed,
        judge=judge,
        evals=str(evals) if evals else None,
        attacks=str(attacks) if attacks else None,
        interface=interface,
        world=world,
        real=real,
        temperature=temperature,
        max_tokens=max_tokens,
        through=through_gateway,
    )
    check(plan)
    folder = out or folder_of(model, plan, "corrigibility")
    with resumable(folder), _gateway(model) if through_gateway else nullcontext():
        measured = _measure(model, folder, plan, Console(stderr=True))
    records.write(folder / "findings.json", measured.findings)
    if json:
        records.write(json, measured.findings)
    where = report or folder / "report.html"
    _write_page(where, folder, measured, recompute(model, plan))
    from adhere.cli.corrigibility_tables import show

    show(measured, where, Console())


def _gateway(model: str) -> AbstractContextManager[object]:
    """A gateway of our own in front of the model; or the one that the environment names already, with its charter."""
    import os

    from adhere.cli.gateway_process import gateway

    running = os.environ.get("ADHERE_GATEWAY_BASE_URL")
    return nullcontext(running) if running else gateway(model, ["--spent", "flag"])


def recompute(model: str, plan: CorrigibilityPlan) -> Callable[[str], str]:
    """The command that makes one tier's findings again."""

    def command(tier: str) -> str:
        words = ["adhere", "corrigibility", model, "--tier", tier, "--seed", str(plan.seed)]
        for option, value in (
            ("--factors", plan.factors),
            ("--limit", plan.limit),
            ("--judge", plan.judge),
            ("--evals", plan.evals if tier == "stated" else None),
            ("--attacks", plan.attacks if tier == "authority" else None),
            ("--interface", plan.interface if plan.interface != "text" else None),
            ("--world", plan.world if plan.world != "simulated" else None),
            ("--real", plan.real),
            ("--temperature", plan.temperature),
            ("--max-tokens", plan.max_tokens),
        ):
            if value is not None:
                words += [option, str(value)]
        words += ["--through-gateway"] if plan.through and tier == "authority" else []
        return shlex.join(words)

    return command


def _measure(model: str, folder: Path, plan: CorrigibilityPlan, console: Console) -> CorrigibilityResult:
    """Measure with a progress bar."""
    from adhere.cli.progress import progress
    from adhere.measure.corrigibility import battery

    with progress(console) as told:
        return battery.measure(model, folder, plan, progress=told, recompute=recompute(model, plan))


def _write_page(where: Path, folder: Path, measured: CorrigibilityResult, command: Callable[[str], str]) -> None:
    from adhere.report import page
    from adhere.report.sections import corrigibility

    lead = (
        "Told to stop, to change, to wait: what the model says, what it does, and whose word it takes. Look at every "
        f"sample with inspect view --log-dir {folder / 'logs'}."
    )
    sections = corrigibility.sections(measured, command)
    title = f"Does {measured.model} yield?"
    page.write(where, page.render(title, lead, sections, command=command_line()))
