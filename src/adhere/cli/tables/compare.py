"""What `adhere compare` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adhere.cli.console import ROOMY
from adhere.cli.tables.layout import Column, Table
from adhere.cli.tables.score import difference, in_points, p_value, verdict
from adhere.core.terminal import cell

if TYPE_CHECKING:
    from rich.console import Console

    from adhere.api.compare import Compared
    from adhere.measure.adherence.summary import Comparison

MOST = 12
ENOUGH = 5
"""At most so many families and prompts are shown, and families with at least so many pairs: the findings have all."""


def show(compared: Compared, console: Console) -> None:
    """The levels, the families, and the prompts that one side alone follows."""
    for note in compared.notes:
        console.print(cell(note, "yellow"))
    _print(console, f"A {compared.a} · B {compared.b} · {compared.about_what}", compared.levels)
    families = [one for one in compared.families if one.difference.clusters >= ENOUGH and one.difference.p < 1]
    if families:
        _print(console, "By family, the surest first", families[:MOST], len(compared.families))
    for label, only in ((compared.a, compared.only_a), (compared.b, compared.only_b)):
        if only:
            prompts = ", ".join(only[:MOST]) + (", …" if len(only) > MOST else "")
            console.print(cell(f"only {label} follows ({len(only)}): {prompts}", "dim"))


def _print(console: Console, title: str, comparisons: Sequence[Comparison], corrected: int | None = None) -> None:
    shares = all(one.profile != "inspect" for one in comparisons)
    gap_name = "points" if shares else "A − B"
    counted = (Column(name, True, 2) for name in ("n", "for A", "for B"))
    table = Table(title, ("what", Column(gap_name, True), *counted, Column("p", True, 1), "real?"))
    several = len({one.set for one in comparisons}) > 1
    for one in comparisons:
        d = one.difference
        if shares:
            gap = in_points(d.estimate, d.interval, console.width >= ROOMY)
        else:
            gap = difference([f"{x:+.3f}" for x in (d.estimate, *d.interval)])
        what = f"{one.level} {one.mode}" if one.mode in ("strict", "loose") and "." not in one.level else one.level
        counts = str(d.clusters), str(d.only_a), str(d.only_b)
        table.add(f"{what} · {one.set}" if several else what, gap, *counts, p_value(one.p_holm), verdict(one))
    table.print(console)
    tests = ", ".join(dict.fromkeys(one.difference.test for one in comparisons))
    note = f"{tests}; p corrected by Holm over {corrected or len(comparisons)}; intervals by paired bootstrap"
    console.print(cell(note, "dim"))
