"""`adhere constraints`: every constraint that Adhere knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from adhere.constraints.constraint import Constraint


def constraints(
    filter: Annotated[
        str, typer.Argument(metavar="[FILTER]", help="Only those whose name, skill or sentence holds this.")
    ] = "",
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the list as JSON.", show_default=False)
    ] = None,
) -> None:
    """List every constraint: its parameters, an example sentence, its skill, whether it decides early.

    *Early* means: a monitor can tell before the text is finished, at the first character where it is certain.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from adhere.constraints.registry import families, nearest
    from adhere.core.errors import UserError

    known = families()
    chosen = {kind: family for kind, family in known.items() if filter.lower() in _searched(kind, family)}
    if not chosen:
        raise UserError(f"no constraint matches {filter!r}{nearest(filter, known)}")
    if json is not None:
        _write(json, chosen)
    table = Table(header_style="dim", box=None, pad_edge=False, title_justify="left")
    table.add_column("kind", no_wrap=True, style="bold")
    table.add_column("parameters", style="cyan", ratio=3)
    table.add_column("example", ratio=5)
    table.add_column("skill", style="magenta")
    table.add_column("early")
    for kind, family in chosen.items():
        example = family.examples()[0].describe()
        early = Text("yes", style="green") if family.decides_early else Text("at end", style="dim")
        table.add_row(kind, Text(", ".join(_parameters(family))), Text(example), family.skill or "", early)
    console = Console()
    console.print(table)
    console.print(Text(f"{len(chosen)} of {len(known)} families", style="dim"))


def _searched(kind: str, family: type[Constraint]) -> str:
    return f"{kind} {family.skill or ''} {family.examples()[0].describe()}".lower()


def _parameters(family: type[Constraint]) -> list[str]:
    """The parameters' names; those that may be left out in brackets. The profile is every family's."""
    fields = ((name, field) for name, field in family.model_fields.items() if name != "profile")
    return [name if field.is_required() else f"[{name}]" for name, field in fields]


def _write(path: Path, chosen: dict[str, type[Constraint]]) -> None:
    import json

    from adhere.core.errors import UserError
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
    try:
        path.write_text(json.dumps({"adhere": VERSION, "constraints": listed}, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
