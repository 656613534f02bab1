"""The table of claims in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from adhere.cli.tables.layout import Table
from adhere.core.terminal import visible

if TYPE_CHECKING:
    from adhere.measure.claims.table import Row


def show(rows: Sequence[Row], console: Console) -> None:
    """Claims and answers; below them the figure, or the command, of each."""
    table = Table("claims of the literature", ["claim", "answer", "model", "says"])
    for row in rows:
        table.add(row.claim.id, row.decided.answer, visible(row.decided.model) or "-", row.claim.says)
    table.print(console)
    for row in rows:
        if row.decided.answer == "not measured":
            console.print(f"{row.claim.id}: not measured. Run: {visible(row.decided.recompute)}")
        else:
            where = f" ({visible(row.decided.model)})" if row.decided.model else ""
            console.print(f"{row.claim.id}{where}: {visible(row.decided.why)}")
