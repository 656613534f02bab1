"""Tables as CSV: given columns, so many rows, a delimiter, and what is enclosed in double quotes."""

from __future__ import annotations

import csv
import io
import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from adhere.constraints.bases.bounds import NUMBER, number
from adhere.constraints.bases.reference_profile import Twofold
from adhere.constraints.constraint import BROKEN, HOLDS, Check
from adhere.constraints.registry import register

Quotes = Literal["any", "one_special", "all"]
"""What must be enclosed in double quotes: nothing in particular, one field with a special character, every field."""

_DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";"}
_CLAUSES: dict[str, str] = {
    "any": "",
    "one_special": " Add one field which contains a special character and enclose it in double quotes.",
    "all": " Enclose each single field in double quotes.",
}
_FENCED = re.compile(r"\s*```(?:csv|tsv|text)?[^\S\n]*\n(?P<table>.*?)\n?```\s*", re.I | re.S)
_SPECIAL = re.compile(r"[^\d\w\s]")
_FIELD = re.compile(r"\s*\"(?:[^\"]|\"\")*\"\s*")


@register
class CsvTable(Twofold):
    """A header of given columns and so many rows as wide as it; a Markdown fence around it is no harm.

    The reference takes no fence. Where all fields must be quoted, an empty one is a crash there, which counts as not
    followed here.
    """

    kind: ClassVar[str] = "format.csv"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\bgenerate CSV data: The column names are \[(?P<columns>[^\[\]\n]{1,400})\], the data should be "
            rf"(?P<delimiter>comma|tab|semicolon) delimited\. Please generate (?P<rows>{NUMBER}) rows?"
            r"(?:(?P<all>\.? (?:and )?Enclose each single field in double quotes)"
            r"|(?P<special>\. Add one field which contains a special character and enclose it in double quotes))?",
            re.I,
        ),
    )

    columns: Annotated[tuple[str, ...], Field(min_length=1)]
    rows: Annotated[int, Field(strict=True, ge=1)]
    delimiter: Literal["comma", "tab", "semicolon"] = "comma"
    quotes: Quotes = "any"

    def describe(self) -> str:
        columns = ", ".join(f'"{column}"' for column in self.columns)
        return (
            f"Generate CSV data: The column names are [{columns}], the data should be {self.delimiter} delimited. "
            f"Please generate {self.rows} {'row' if self.rows == 1 else 'rows'}.{_CLAUSES[self.quotes]}"
        )

    def followed(self, text: str) -> bool:
        delimiter = _DELIMITERS[self.delimiter]
        if self.quotes != "any":
            blanks = r"[ \t]*" if self.delimiter == "comma" else " *"
            joint = re.escape(delimiter) + blanks
            header = joint.join(f'(?:{re.escape(c)}|"{re.escape(c)}")' for c in self.columns)
            if not re.match(rf"{header}$", text.split("\n")[0].strip()):
                return False
            text = text.replace('"', '"""')
        try:
            table = list(csv.reader(io.StringIO(text), delimiter=delimiter))
        except csv.Error:
            return False
        if len(table) != self.rows + 1:
            return False
        width = len(self.columns)
        if self.quotes == "any":
            return table[0] == list(self.columns) and all(len(row) == width for row in table)
        if self.quotes == "all":
            stripped = ([field.strip() for field in row] for row in table)
            return all(len(row) == width and all(f[:1] == f[-1:] == '"' for f in row) for row in stripped)
        for row in table[1:]:
            if len(row) != width:
                return False
            if any(re.match(r"\".*[^\d\w\s].*\"", field) for field in row):
                return True
        return False

    def judge(self, text: str) -> Check:
        fenced = _FENCED.fullmatch(text)
        table = (fenced["table"] if fenced else text).strip("\r\n")
        delimiter = _DELIMITERS[self.delimiter]
        wanted = f"{self.rows} rows of {len(self.columns)} fields under the header"
        try:
            rows = list(csv.reader(io.StringIO(table), delimiter=delimiter, skipinitialspace=True, strict=True))
        except csv.Error as error:
            return Check(BROKEN, f"no CSV: {error}", wanted=wanted)
        if not rows or [field.strip() for field in rows[0]] != list(self.columns):
            return Check(BROKEN, "another header", found=delimiter.join(rows[0])[:80] if rows else "", wanted=wanted)
        if len(rows) != self.rows + 1:
            return Check(BROKEN, f"{len(rows) - 1} rows", len(rows) - 1, wanted)
        for index, row in enumerate(rows[1:], 1):
            if len(row) != len(self.columns):
                return Check(BROKEN, f"row {index} has {len(row)} fields", len(row), wanted)
        raw = [field for line in table.splitlines() for field in _raw_fields(line, delimiter)]
        quoted = [field for field in raw if _FIELD.fullmatch(field)]
        if self.quotes == "all" and len(quoted) < len(raw):
            return Check(BROKEN, f"{len(raw) - len(quoted)} fields without double quotes", wanted=wanted)
        if self.quotes == "one_special" and not any(_SPECIAL.search(field.strip()[1:-1]) for field in quoted):
            return Check(BROKEN, "no quoted field with a special character", wanted=wanted)
        return Check(HOLDS, wanted, self.rows, wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (
            cls(columns=("ID", "Country", "City", "Year", "Count"), rows=7),
            cls(columns=("ID", "Name"), rows=1, delimiter="tab", quotes="all"),
            cls(columns=("ID", "Price"), rows=2, quotes="one_special"),
        )

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls.model_validate(
            {
                "columns": tuple(column.strip(" \"'“”") for column in match["columns"].split(",")),
                "rows": number(match["rows"]),
                "delimiter": match["delimiter"].lower(),
                "quotes": "all" if match["all"] else "one_special" if match["special"] else "any",
            }
        )


def _raw_fields(line: str, delimiter: str) -> list[str]:
    """The fields of a line with their quotes: a delimiter within quotes does not separate."""
    fields, start, inside = [], 0, False
    for at, character in enumerate(line):
        if character == '"':
            inside = not inside
        elif character == delimiter and not inside:
            fields.append(line[start:at])
            start = at + 1
    return [*fields, line[start:]]
