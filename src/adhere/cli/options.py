"""Options that mean the same in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str, typer.Argument(help="`pocket`, a folder, a hub id, or any model Inspect knows: openai/gpt-5.")]
Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda, ...", show_default="a GPU if there is one")]
Temperature = Annotated[
    float | None, typer.Option("--temperature", min=0.0, help="Of sampling.", show_default="the model's own")
]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", min=1, help="Longest answer.", show_default=False)]
Json = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write the findings as JSON.", show_default=False),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder of the run: logs, arrays, findings, report.", show_default=False),
]
Resumed = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder of the run; again with the same one resumes it.",
        show_default="a new one under runs/",
    ),
]
Page = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="The page.", show_default="in the run's folder")
]
Report = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write a report: one HTML page.", show_default=False)
]
Prompts = Annotated[
    Path | None,
    typer.Option(
        "--prompts",
        metavar="FILE",
        help="Prompts with their instructions, for responses that have only a key or a prompt.",
        show_default=False,
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Take only the first N items.", show_default=False)]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]
Charter = Annotated[Path, typer.Option("--charter", metavar="DIR", help="Folder of the charter.")]
