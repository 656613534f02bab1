"""What `adhere explain` prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adhere.cli.tables.layout import Column, Table
from adhere.core.terminal import cell as foreign
from adhere.core.terminal import visible

if TYPE_CHECKING:
    from rich.console import Console

    from adhere.explain.results import Explained


def show(explained: Explained, page: Path, console: Console) -> None:
    """A row for each skill, and how many findings hold against their controls."""
    numbers = [("cases", 3), ("AUC", 0), ("95 %", 1), ("surface", 1), ("untrained", 1), ("before", 2), ("end", 2)]
    columns = [Column(name, number=True, rank=rank) for name, rank in numbers]
    table = Table("", ["skill", "best read at", *columns, "beyond every control"])
    readable = explained.specialists.readable()
    for skill in explained.skills:
        best = explained.specialists.best_position(skill)
        low, high = best.specialist.interval
        cells = [str(explained.used[skill]), f"{best.specialist.value:.2f}", f"{low:.2f} to {high:.2f}"]
        cells += ["–" if one is None else f"{one.value:.2f}" for one in (best.surface, best.untrained)]
        for position in ("prompt", "eos"):
            at = explained.timing.at(skill, position)
            cells.append("–" if at is None else f"{at.specialist.value:.2f}")
        holds = skill in readable
        row = (skill, f"{explained.place(best.layer)}, {best.position}", *cells, "yes" if holds else "no")
        table.add(*(foreign(cell, "" if holds else "dim") for cell in row))
    table.print(console)
    for line in explained.left_out:
        console.print(f"left out: {visible(line)}", soft_wrap=True)
    for analysis, claims in explained.claims().items():
        holding = sum(claim.holds for claim in claims)
        console.print(f"{analysis}: {holding} of {len(claims)} findings hold against their controls")
    console.print(f"Report, with what supports each and what speaks against it: {visible(page)}", soft_wrap=True)
