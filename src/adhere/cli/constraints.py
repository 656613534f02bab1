"""`adhere constraints`: every constraint that Adhere knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adhere.cli import completion
from adhere.cli.options import Json

if TYPE_CHECKING:
    from adhere.constraints.constraint import Constraint


def constraints(
    filter: Annotated[
        str,
        typer.Argument(
            metavar="[FILTER]",
            help="List those whose name, skill or sentence contains this.",
            autocompletion=completion.kinds,
        ),
    ] = "",
    json: Json = None,
) -> None:
    """List every constraint: its parameters, an example sentence, its skill, whether it decides early.

    *Early* means that a monitor decides before the text is finished, at the first character where it is certain.
    """
    from rich.text import Text

    from adhere.cli import console as output
    from adhere.cli.tables.layout import Column, Table
    from adhere.constraints.registry import families, nearest
    from adhere.core.errors import UserError

    known = families()
    chosen = {kind: family for kind, family in known.items() if filter.lower() in _searched(kind, family)}
    if not chosen:
        raise UserError(f"no constraint matches {filter!r}{nearest(filter, known)}")
    if json is not None:
        _write(json, chosen)
    columns = [Column("kind", style="bold"), Column("parameters", style="cyan", folds=True), Column("skill", rank=2)]
    table = Table("", [*columns, Column("early", rank=1), Column("example", rank=3, folds=True)])
    for kind, family in chosen.items():
        example = family.examples()[0].describe()
        early = Text("yes", style="green") if family.decides_early else Text("at end", style="dim")
        table.add(kind, ", ".join(_parameters(family)), family.skill or "", early, example)
    console = output.results()
    table.print(console)
    console.print(f"{len(chosen)} of {len(known)} families", style="dim")


def _searched(kind: str, family: type[Constraint]) -> str:
    return f"{kind} {family.skill or ''} {family.examples()[0].describe()}".lower()


def _parameters(family: type[Constraint]) -> list[str]:
    """The parameters' names; those that may be left out in brackets. The profile is every family's."""
    fields = ((name, field) for name, field in family.model_fields.items() if name != "profile")
    return [name if field.is_required() else f"[{name}]" for name, field in fields]


def _write(path: Path, chosen: dict[str, type[Constraint]]) -> None:
    import json

    from adhere.core.files import write_text
    from adhere.core.version import VERSION

    listed: list[dict[str, Any]] = [
        {
            "kind": kind,
            "skill": family.skill,
            "decides_early": family.decides_early,
            "parameters": {
                name: schema for name, schema in family.model_json_schema()["properties"].items() if name != "profile"
            },
            "examples": [{"json": example.to_json(), "sentence": example.describe()} for example in family.examples()],
        }
        for kind, family in chosen.items()
    ]
    write_text(path, json.dumps({"adhere": VERSION, "constraints": listed}, indent=1) + "\n")
