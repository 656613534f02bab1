"""The run of a command that measures: its folder, the words that make it again, what an interruption says."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import typer


def command_line() -> str:
    """The command as it was given, for findings and pages: what makes them again."""
    return shlex.join(["adhere", *sys.argv[1:]])


def folder_of(model: str, plan: object, kind: str = "") -> Path:
    """The run's folder: the same plan on the same day finds it again, another one gets a folder of its own.

    Args:
        model: a name, a hub id or a path.
        plan: what is asked for; its `repr` tells plans apart.
        kind: of the run, where it is not an audit.
    """
    import hashlib
    from datetime import date

    name = model.strip("./").replace("/", "-").replace(" ", "-") or "model"
    digest = hashlib.sha256(repr(plan).encode()).hexdigest()[:6]
    return Path("runs") / "-".join(filter(None, (date.today().isoformat(), kind, name, digest)))


@contextlib.contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """An interruption ends the command in one line that says where what is done lies, with exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(
            f"adhere: interrupted; what was done is in {folder}, and the same command with --out {folder} goes on "
            "from there",
            err=True,
        )
        raise typer.Exit(130) from None
