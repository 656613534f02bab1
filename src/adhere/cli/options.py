"""Options that mean the same in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write the findings as JSON.", show_default=False),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder of the run: logs, arrays, findings, report.", show_default=False),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Take only the first N items.", show_default=False)]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]
Charter = Annotated[Path, typer.Option("--charter", metavar="DIR", help="Folder of the charter.")]
