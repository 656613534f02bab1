"""Other people's judgement, with a time limit and its failures made visible.

Rules
- A monitor, policy or reviewer that raises, takes too long or answers in an unreadable form has not said yes.
- The caller learns which of the three it was. A time-out is worth trying again; a fault is not said to be.
- What ran too long is left behind in its own daemon thread; its answer, when it comes, is thrown away.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class TimedResult(Generic[T]):
    """What came back: a value, or why not. `timed_out` where it took too long."""

    value: T | None = None
    fault: str = ""
    timed_out: bool = False

    @property
    def failed(self) -> bool:
        """Whether there is no value."""
        return bool(self.fault)


def call(function: Callable[..., T], *arguments: Any, seconds: float) -> TimedResult[T]:
    """Run `function(*arguments)` for at most `seconds`."""
    answers: queue.SimpleQueue[TimedResult[T]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(TimedResult(function(*arguments)))
        except BaseException as error:  # whatever a stranger's code raises is a failure, not ours to die of
            answers.put(TimedResult(fault=f"{type(error).__name__}: {error}"[:500]))

    threading.Thread(target=work, daemon=True, name="adhere-judgement").start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return TimedResult(fault=f"no answer within {seconds:g} s", timed_out=True)
