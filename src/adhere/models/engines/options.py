"""How a model on this machine is run: options that change the speed, not the measurement.

They are ambient, like Inspect's own run settings: a command sets them once with `using`, whatever opens a model reads
`current`. They are no part of a plan, so that an interrupted run can be resumed with another batch or engine.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

Engine = Literal["auto", "torch", "llamacpp"]
ENGINES: tuple[Engine, ...] = ("auto", "torch", "llamacpp")


@dataclass(frozen=True)
class EngineOptions:
    """Options that are None are chosen by measuring, or by the machine's hardware.

    `batch` is the number of answers written at once; `threads` is of one process. `stop_loops`: an answer that repeats
    one stretch to no end is ended where that is certain.
    """

    engine: Engine = "auto"
    device: str | None = None
    dtype: str | None = None
    quant: str | None = None
    batch: int | None = None
    threads: int | None = None
    stop_loops: bool = False


DEFAULTS = EngineOptions()
_current: ContextVar[EngineOptions] = ContextVar("adhere_engine_options", default=DEFAULTS)


def current() -> EngineOptions:
    """The options in force."""
    return _current.get()


@contextlib.contextmanager
def using(options: EngineOptions) -> Iterator[None]:
    """Put `options` in force for the length of a block."""
    token = _current.set(options)
    try:
        yield
    finally:
        _current.reset(token)
