"""The progress bar of commands that ask a model: one line for each thing that is done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

Told = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is finished since the last call, and how much there is in all, if known."""


@contextlib.contextmanager
def progress(console: Console) -> Iterator[Told]:
    """Show on `console` what the function given is told."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        shown = {}

        def told(what: str, finished: int, total: int | None) -> None:
            if what not in shown:
                shown[what] = bar.add_task(what, total=None)
            if total is not None:
                bar.update(shown[what], total=total)
            bar.advance(shown[what], finished)

        yield told
