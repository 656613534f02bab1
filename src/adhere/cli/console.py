"""Where the command line prints: results to standard output, progress and notices to standard error.

Rules:

- Without a terminal the width is 120 columns; `COLUMNS` overrides it. `NO_COLOR` turns colour off.
- `--quiet` prints no result and no notice. Errors and files are written as always.
- Where `--json -` takes standard output, everything meant for people goes to standard error.
- Text from outside goes through `core.terminal` before it is printed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from adhere.core.terminal import visible

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 120
"""Columns without a terminal."""
ROOMY = 110
"""Columns of a terminal from which on intervals have a decimal."""


@dataclass
class _Output:
    quiet: bool = False
    json_on_stdout: bool = False
    """Whether standard output belongs to `--json -`."""


_output = _Output()


def set_quiet(quiet: bool) -> None:
    """Turn results and notices off or on; every command calls it first."""
    _output.quiet = quiet


def is_quiet() -> bool:
    return _output.quiet


def give_standard_output_away(to_json: bool) -> None:
    """Send everything meant for people to standard error, where the command writes its JSON to standard output."""
    _output.json_on_stdout = to_json


def results() -> Console:
    """The console for tables and sentences that answer the command."""
    return _console(stderr=_output.json_on_stdout)


def notices() -> Console:
    """The console for progress and notices."""
    return _console(stderr=True)


def say(line: str) -> None:
    """Print one line of the result; the caller escapes foreign text in it."""
    if not _output.quiet:
        typer.echo(line, err=_output.json_on_stdout)


def note(line: object) -> None:
    """Print one notice: what was left out, where a file is."""
    if not _output.quiet:
        typer.echo(visible(line), err=True)


def _console(stderr: bool) -> Console:
    import sys

    from rich.console import Console

    class Strict(Console):
        def on_broken_pipe(self) -> None:
            raise

    stream = sys.stderr if stderr else sys.stdout
    narrow = stream.isatty() or "COLUMNS" in os.environ
    return Strict(
        stderr=stderr,
        quiet=_output.quiet,
        width=None if narrow else WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
    )
