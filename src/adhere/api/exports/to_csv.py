"""A table: a row for each finding, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from adhere.api.results import row
from adhere.core.errors import UserError
from adhere.core.files import write_text
from adhere.core.findings import Finding

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def send(findings: Sequence[Finding], paths: Sequence[Path], *, name: str, out: str | None) -> str:
    """Write the table to `out`; `-` is standard output."""
    del paths, name
    if out is None:
        raise UserError("csv needs --out FILE; `-` is standard output")
    rows = [row(finding) for finding in findings]
    columns = list(dict.fromkeys(column for one in rows for column in one))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: _cell(value) for column, value in one.items()} for one in rows)
    write_text(out, text.getvalue())
    return f"{len(rows):,} findings in {out}"


def _cell(value: object) -> object:
    """Text that a spreadsheet would run as a formula is led by an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
