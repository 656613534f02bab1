"""The progress of long commands: bars with an estimate of the end on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adhere.cli import console as output
from adhere.core.terminal import visible

if TYPE_CHECKING:
    from rich.console import Console

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how much of it was finished since the last call, and how much there is in all, if
known."""

EVERY = 60.0
"""Seconds between two lines where there is no terminal."""


@contextlib.contextmanager
def progress() -> Iterator[Progress]:
    """Show the progress reported to the yielded function on standard error; nothing under `--quiet`."""
    console = output.notices()
    with _lines() if not console.is_terminal else _bars(console) as tell:
        yield tell


@contextlib.contextmanager
def _bars(console: Console) -> Iterator[Progress]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        tasks = {}

        def tell(what: str, finished: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(visible(what), total=None)
            if total is not None:
                bars.update(tasks[what], total=total)
            bars.advance(tasks[what], finished)

        yield tell


@dataclass
class _Work:
    """One running task."""

    began: float
    finished: int = 0
    total: int | None = None
    """None where it is not known."""


@dataclass
class Lines:
    """Describes the most recent task in one line."""

    began: float = field(default_factory=time.monotonic)
    _works: dict[str, _Work] = field(default_factory=dict)

    def tell(self, what: str, finished: int, total: int | None) -> None:
        work = self._works.setdefault(what, _Work(time.monotonic()))
        work.finished += finished
        work.total = work.total if total is None else total
        self._works[what] = self._works.pop(what)  # the newest last

    def line(self) -> str:
        """Progress, elapsed time, and the remaining time where it can be estimated."""
        now = time.monotonic()
        spent = f"{(now - self.began) / 60:.0f} min"
        if not self._works:
            return f"starting, {spent}"
        what, work = next(reversed(self._works.items()))
        if not work.total:
            return f"{visible(what)}: {work.finished:,} done, {spent}"
        text = f"{visible(what)}: {work.finished:,} of {work.total:,}, {spent}"
        if 0 < work.finished < work.total:
            left = (now - work.began) * (work.total - work.finished) / work.finished
            text += f", about {left / 60:.0f} min to go"
        return text


@contextlib.contextmanager
def _lines() -> Iterator[Progress]:
    """Print a line every minute from a separate thread, because a long step may not report progress for minutes."""
    lines, ended = Lines(), threading.Event()

    def speak() -> None:
        while not ended.wait(EVERY):
            output.note(lines.line())

    thread = threading.Thread(target=speak, name="progress", daemon=True)
    thread.start()
    try:
        yield lines.tell
    finally:
        ended.set()
        thread.join()
