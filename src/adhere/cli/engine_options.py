"""The options of every command that runs a model on this machine: they change its speed, not what is measured.

    @engine_options(stop_loops=True)
    def audit(...): ...

The decorator adds them to the command's own options and puts them in force while it runs (`engines.options`). An option
that the command declares itself is left to it and read from there.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from adhere.core.errors import UserError

PANEL = "How the model is run"

_OPTIONS: dict[str, Any] = {
    "engine": Annotated[
        str,
        typer.Option("--engine", help="auto, llamacpp (GGUF files) or torch (everything).", rich_help_panel=PANEL),
    ],
    "device": Annotated[
        str | None,
        typer.Option(
            "--device", help="cpu, cuda, mps, ...", show_default="a GPU if there is one", rich_help_panel=PANEL
        ),
    ],
    "dtype": Annotated[
        str | None,
        typer.Option(
            "--dtype",
            help="float32, bfloat16, float16 (torch).",
            show_default="what is fastest here",
            rich_help_panel=PANEL,
        ),
    ],
    "quant": Annotated[
        str | None,
        typer.Option(
            "--quant",
            help="Eight bits a weight, for speed: q8_0 (llama.cpp) or int8 (torch, on a CPU).",
            show_default="none",
            rich_help_panel=PANEL,
        ),
    ],
    "batch": Annotated[
        int | None,
        typer.Option(
            "--batch", min=1, help="Answers written at once.", show_default="by engine", rich_help_panel=PANEL
        ),
    ],
    "threads": Annotated[
        int | None,
        typer.Option(
            "--threads", min=1, help="Threads of the model.", show_default="measured at start", rich_help_panel=PANEL
        ),
    ],
}
_DEFAULTS: dict[str, Any] = {"engine": "auto"}
_KEEP_LOOPS = Annotated[
    bool,
    typer.Option(
        "--keep-loops",
        help="Let an answer that repeats one stretch to no end run on until its tokens are spent.",
        rich_help_panel=PANEL,
    ),
]


def engine_options(*, stop_loops: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options to a command.

    Args:
        stop_loops: end answers that have become loops, unless `--keep-loops` is given.
    """

    def add(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command)
        hints = get_type_hints(command, include_extras=True)
        added = {name: kind for name, kind in _OPTIONS.items() if name not in own.parameters}
        if stop_loops:
            added["keep_loops"] = _KEEP_LOOPS
            defaults = {**_DEFAULTS, "keep_loops": False}
        else:
            defaults = _DEFAULTS

        @functools.wraps(command)
        def run(**values: Any) -> None:
            from adhere.models.engines.options import ENGINES, EngineOptions, using

            chosen: dict[str, Any] = {name: values.get(name) for name in _OPTIONS}
            if chosen["engine"] not in ENGINES:
                raise UserError(f"--engine {chosen['engine']}: it is one of {', '.join(ENGINES)}")
            given = {name: value for name, value in values.items() if name not in added}
            with using(EngineOptions(**chosen, stop_loops=stop_loops and not values.get("keep_loops"))):
                command(**given)

        parameters = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults.get(name), annotation=kind)
            for name, kind in added.items()
        ]
        kept = [one.replace(annotation=hints[name]) for name, one in own.parameters.items()]
        run.__signature__ = own.replace(parameters=[*kept, *parameters])  # type: ignore[attr-defined]
        run.__annotations__ = {**hints, **added}
        del run.__wrapped__  # whoever looks for hints would look at the command's own
        return run

    return add
