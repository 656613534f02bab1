"""Tables on terminals of any width: what identifies a row is always there, whole."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from adhere.cli.tables.layout import Column, Table

LONG = "organisation/a-model-with-a-very-long-name-7b-instruct-2026"


def _table() -> Table:
    columns = ["model", Column("share", True), Column("95 %", True, 1), Column("n", True, 2)]
    table = Table("Followed", [*columns, Column("example", folds=True, rank=3)])
    table.add(LONG, "77.3", "73.1–80.2", "541", "Use at most fifty words, all of them in lowercase, please.")
    table.add("[bold]\x1b[31mhostile\u202e", "12.0", "8.1–17.2", "541", "Short.")
    return table


def _drawn(table: Table, width: int) -> str:
    file = io.StringIO()
    table.print(Console(file=file, width=width, markup=False, highlight=False))
    return file.getvalue()


@pytest.mark.parametrize("width", [20, 40, 60, 70, 80, 100, 120, 200])
def test_names_and_shares_survive_at_every_width_and_nothing_is_wider(width: int) -> None:
    drawn = _drawn(_table(), width)
    joined = "".join(drawn.split())
    assert LONG in joined
    assert "77.3" in joined
    assert max(map(len, drawn.splitlines())) <= width


def test_numbers_of_the_highest_rank_are_left_out_first_and_named() -> None:
    drawn = _drawn(_table(), 80)
    assert "73.1–80.2" in drawn
    assert "541" not in drawn
    assert "Columns left out, as the terminal is narrow: n, example." in drawn


def test_where_not_even_names_fit_every_row_is_a_record_with_all_columns() -> None:
    drawn = _drawn(_table(), 40)
    assert drawn.count("541") == 2
    assert "Short." in drawn


def test_a_hostile_name_neither_colours_nor_hides() -> None:
    assert "[bold]\\x1b[31mhostile\\u202e" in _drawn(_table(), 120)


def test_a_row_of_the_wrong_length_is_a_defect() -> None:
    with pytest.raises(ValueError, match="zip"):
        _table().add("only a name")
