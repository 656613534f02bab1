"""What a run of a command needs besides its use case: the command as it was given, and what an interruption prints."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator

import typer


def command_line() -> str:
    """The command as it was given, for findings and pages: what makes them again."""
    return shlex.join(["adhere", *sys.argv[1:]])


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """An interruption ends the command with exit code 130 and one line that says how to carry on."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        folder = getattr(interruption, "folder", None)
        done = f"what was done is in {folder}, and " if folder else ""
        option = f" with --out {folder}" if folder else ""
        typer.echo(f"adhere: interrupted; {done}the same command{option} carries on from there", err=True)
        raise typer.Exit(130) from None
