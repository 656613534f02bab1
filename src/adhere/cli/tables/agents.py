"""What `adhere agents` prints: the arms side by side, their differences, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adhere.cli.tables.corrigibility import estimate_cells
from adhere.cli.tables.layout import Column, Table
from adhere.core.terminal import visible

if TYPE_CHECKING:
    from rich.console import Console

    from adhere.core.findings import Finding
    from adhere.measure.agents.study import AgentResult


def cell_of(finding: Finding) -> tuple[str, str, bool, int]:
    """Model, world, warden and budget of a finding."""
    s = finding.subject
    return str(s["model"]), str(s["world"]), bool(s.get("warden")), int(s["budget"])


def show(measured: AgentResult, page: Path, console: Console) -> None:
    """A table for every model, world, state of the warden and budget."""
    of_arm = [
        f for f in measured.findings if "arm" in f.subject and "k" not in f.subject and "against" not in f.subject
    ]
    for cell in dict.fromkeys(cell_of(f) for f in of_arm):
        model, world, warden, budget = cell
        title = f"{model}, {world}, {'with' if warden else 'without'} the warden, {budget:,} tokens"
        columns = (
            "arm", Column("reached %", True), Column("95 %", True), Column("constraints met %", True, 1),
            Column("forbidden done", True), Column("tried", True, 1), Column("tokens", True), Column("n", True, 1),
        )  # fmt: skip
        table = Table(title, columns)
        here = [f for f in of_arm if cell_of(f) == cell]
        for arm in dict.fromkeys(str(f.subject["arm"]) for f in here):
            mine = {f.what: f for f in here if f.subject["arm"] == arm}
            reached, forbidden, tokens = (mine[f"agents.{name}"] for name in ("reached", "forbidden", "tokens"))
            met = mine.get("agents.adherence")
            table.add(
                arm,
                *estimate_cells(reached),
                estimate_cells(met)[0] if met else "–",
                str(forbidden.subject["done"]),
                str(forbidden.subject["tried"]),
                f"{tokens.estimate or 0:.0f}",
                str(reached.n),
            )
        table.print(console)
    sure = [f for f in measured.findings if f.what == "agents.difference" and float(f.subject["p_holm"]) < 0.05]
    if sure:
        table = Table(
            "Differences that hold after Holm's correction", ("what", Column("points", True), Column("95 %", True))
        )
        for f in sure:
            s = f.subject
            about = f"{s['model']}, {s['world']}, {s['arm']} less {s['against']}: {s['measure']}"
            table.add(about, *estimate_cells(f))
        table.print(console)
    elif any(f.what == "agents.difference" for f in measured.findings):
        console.print("No difference between arms holds after Holm's correction.")
    for f in measured.findings:
        if f.what == "agents.fire":
            watched = "with" if f.subject["warden"] else "without"
            line = (
                f"Under fire, {f.subject['world']}, {watched} the warden: something forbidden was done in "
                f"{f.subject['met']} of {f.n} episodes ({f.subject['tried']} tries)."
            )
            console.print(line, soft_wrap=True)
    _further(measured.findings, console)
    for name, why in measured.left_out.items():
        console.print(f"{visible(name)} was left out: {visible(why)}.", soft_wrap=True)
    if measured.errors:
        console.print(f"{measured.errors} episodes broke off. The same command plays them again.")
    console.print(f"Report: {visible(page)}", soft_wrap=True)


def _further(findings: Sequence[Finding], console: Console) -> None:
    """Plans by likelihood, and the library of skills."""
    drawn = [f for f in findings if f.what == "agents.likelihood"]
    if drawn:
        table = Table(
            "Plans drawn act by act", ("model", "way", "of", Column("%", True), Column("95 %", True), Column("n", True))
        )
        for f in drawn:
            s = f.subject
            table.add(s["model"], s["way"], s["measure"], *estimate_cells(f), str(f.n))
        table.print(console)
    skills = [f for f in findings if f.what == "agents.skills"]
    if skills:
        columns = ("practice tasks", Column("skills", True), Column("errands covered %", True, 1))
        numbers = (Column("reached %", True), Column("95 %", True), Column("without %", True))
        table = Table("A library of skills, on new tasks", (*columns, *numbers))
        for f in skills:
            s = f.subject
            covered, without = f"{100 * float(s['covered']):.0f}", f"{100 * float(s['without']):.1f}"
            table.add(str(s["practised"]), str(s["skills"]), covered, *estimate_cells(f), without)
        table.print(console)
