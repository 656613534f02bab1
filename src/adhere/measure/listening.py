"""Who is to be told that a sample is done: a callback of this call alone.

Inspect makes scorers from names and arguments that go into its logs, so a callback cannot be an argument of theirs. It
is a context variable instead: every thread, and every call within one, has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[], None] | None] = ContextVar("listener", default=None)


@contextmanager
def listening(callback: Callable[[], None] | None) -> Iterator[None]:
    """Call `callback` whenever a sample is done within the block."""
    token = _listener.set(callback)
    try:
        yield
    finally:
        _listener.reset(token)


def sample_done() -> None:
    """Tell every listener that a sample has been scored."""
    callback = _listener.get()
    if callback is not None:
        callback()
