"""Options that mean the same in every command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from adhere.cli import completion
from adhere.cli import console as output
from adhere.core.files import is_standard_output


def _json(path: Path | None) -> Path | None:
    output.give_standard_output_away(path is not None and is_standard_output(path))
    return path


def _unsafe_code(accepted: bool) -> bool:
    """Accept it for this process and those that it starts."""
    if accepted:
        from adhere.problems.sandbox import UNSAFE

        os.environ[UNSAFE] = "1"
    return accepted


Model = Annotated[
    str,
    typer.Argument(
        metavar="[MODEL]",
        help="`pocket`, `smollm2`, a GGUF file, a folder, a hub id, a server's URL, or a model of Inspect: "
        "openai/gpt-5.",
        autocompletion=completion.models,
    ),
]
Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda, ...", show_default="a GPU if there is one")]
Temperature = Annotated[
    float | None, typer.Option("--temperature", min=0.0, help="Sampling temperature.", show_default="the model's own")
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", min=1, help="Tokens of an answer, at most.", show_default=False)
]
Json = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write the findings as JSON; `-` is standard output.",
        show_default=False,
        callback=_json,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Run folder: logs, arrays, findings, report.", show_default=False),
]
Resumed = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Run folder; the same folder again resumes the run.",
        show_default="a new one under runs/",
    ),
]
Page = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="HTML report.", show_default="in the run folder")
]
Report = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write an HTML report.", show_default=False)
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
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Take N items, drawn with the seed.", show_default=False)
]
Seed = Annotated[int, typer.Option("--seed", help="Random seed.")]
UnsafeCode = Annotated[
    bool,
    typer.Option(
        "--unsafe-code",
        help="Run the programs that models write even where this system has no walls for them.",
        callback=_unsafe_code,
        show_default=False,
    ),
]
Charter = Annotated[Path, typer.Option("--charter", metavar="DIR", help="Charter folder.")]


def words(text: str | None) -> tuple[str, ...]:
    """The words of an option that takes several with commas."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
