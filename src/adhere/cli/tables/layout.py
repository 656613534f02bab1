"""Tables that never lose what identifies a row.

    table = Table("Instructions followed", ("model", Column("n", number=True), Column("95 %", number=True, rank=1)))
    table.add("gpt-5", 60, "97–99")
    table.print(console)

Rules:

- Where a table is too wide, the columns with the highest rank are left out first, and a line says which.
- What is left is never cut: where it is still too wide, every row becomes a record of its own, a line for each column,
  with all columns.
- Cells that are no rich texts are foreign: they are made visible and are never read as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from adhere.core.terminal import cell as foreign

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

GAP = "  "
NARROWEST = 24
"""Columns that a folded cell needs."""


class Column(NamedTuple):
    """One column.

    Attributes:
        name: its heading.
        number: whether it is set to the right.
        rank: 0 is always shown; the columns of the highest rank are left out first.
        style: of its cells.
        folds: whether its cells may run over several lines, where at least `NARROWEST` columns are left for them.
    """

    name: str
    number: bool = False
    rank: int = 0
    style: str = ""
    folds: bool = False


class Table:
    """A table that is drawn for the width at hand."""

    def __init__(self, title: object, columns: Iterable[Column | str]) -> None:
        self.title = title
        self.columns = tuple(Column(one) if isinstance(one, str) else one for one in columns)
        self.rows: list[tuple[Text, ...]] = []
        self._ends: set[int] = set()

    def add(self, *cells: object, end_section: bool = False) -> None:
        """One row, a cell for each column.

        Args:
            cells: rich texts, or foreign values.
            end_section: leave an empty line behind it.

        Raises:
            ValueError: too few or too many cells.
        """
        pairs = zip(cells, self.columns, strict=True)
        self.rows.append(tuple(_text(value, column.style) for value, column in pairs))
        if end_section:
            self._ends.add(len(self.rows))

    def print(self, console: Console) -> None:
        """Draw it; nothing where there are no rows."""
        if not self.rows:
            return
        if self.title:
            console.print()
            console.print(foreign(self.title, "bold"), overflow="fold")
        widths = [self._width(place) for place in range(len(self.columns))]
        widths = self._folded(widths, console.width)
        shown = self._fitting(widths, console.width)
        if shown is None:
            self._print_records(console)
            return
        self._print_lines(console, shown, widths)
        missing = [column.name for place, column in enumerate(self.columns) if place not in shown and column.name]
        if missing:
            console.print(f"Columns left out, as the terminal is narrow: {', '.join(missing)}.", style="dim")

    def _width(self, place: int) -> int:
        from rich.cells import cell_len

        return max(cell_len(self.columns[place].name), *(row[place].cell_len for row in self.rows))

    def _folded(self, widths: list[int], most: int) -> list[int]:
        """`widths` with those of columns that fold narrowed, as far as that helps the table to fit."""
        excess = sum(widths) + len(GAP) * (len(widths) - 1) - most
        for place, column in enumerate(self.columns):
            if column.folds and excess > 0:
                narrowed = max(min(NARROWEST, widths[place]), widths[place] - excess)
                excess -= widths[place] - narrowed
                widths = [*widths[:place], narrowed, *widths[place + 1 :]]
        return widths

    def _fitting(self, widths: Sequence[int], most: int) -> list[int] | None:
        """The columns that fit; None where not even those do that must be shown."""
        shown = list(range(len(widths)))
        while sum(widths[place] + len(GAP) for place in shown) - len(GAP) > most:
            rank = max(self.columns[place].rank for place in shown)
            if rank == 0:
                return None
            shown.remove(max(place for place in shown if self.columns[place].rank == rank))
        return shown

    def _print_lines(self, console: Console, shown: Sequence[int], widths: Sequence[int]) -> None:
        from rich.text import Text

        heads = tuple(Text(column.name, style="dim") for column in self.columns)
        lines = [heads, tuple(Text("─" * width, style="dim") for width in widths), *self.rows]
        for number, line in enumerate(lines, start=-1):
            folded = [line[place].wrap(console, widths[place]) if line[place] else [Text()] for place in shown]
            for cells in zip_longest(*folded, fillvalue=Text()):
                pairs = zip(cells, shown, strict=True)
                drawn = Text(GAP).join(self._padded(cell, place, widths[place]) for cell, place in pairs)
                drawn.rstrip()
                console.print(drawn, no_wrap=True, overflow="ignore", crop=False)
            if number in self._ends and number < len(self.rows):
                console.print()

    def _padded(self, cell: Text, place: int, width: int) -> Text:
        cell = cell.copy()
        if self.columns[place].number:
            cell.pad_left(width - cell.cell_len)
        else:
            cell.pad_right(width - cell.cell_len)
        return cell

    def _print_records(self, console: Console) -> None:
        from rich.text import Text

        names = [column.name or " " for column in self.columns]
        indent = max(map(len, names[1:]), default=0)
        for head, *rest in self.rows:
            console.print(head, overflow="fold")
            for name, cell in zip(names[1:], rest, strict=True):
                if cell.plain:
                    console.print(Text.assemble((f"  {name:<{indent}}  ", "dim"), cell), overflow="fold")


def _text(value: object, style: str) -> Text:
    from rich.text import Text

    return value if isinstance(value, Text) else foreign(value, style)
