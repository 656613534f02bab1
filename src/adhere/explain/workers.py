"""Work on one model spread over processes, each with the model opened once.

Linear algebra runs on one thread each (several threads of one library on a shared machine are many times slower); a
small model on a CPU is therefore copied into as many processes as there are cores. A model on a GPU, or one too large
to be held several times, works in this process.

A task is a function at a module's top level that takes the model, one piece of work, and whatever is shared by all
pieces; pieces and results travel between processes and must be picklable. Results come back as they are ready.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType
from typing import Any, TypeVar

from adhere.core.errors import UserError
from adhere.models.load import OpenModel, open_model

LARGEST_COPY = 300_000_000
"""Parameters of the largest model that is held once in every process: 1.2 GB in float32."""

Piece = TypeVar("Piece")
Result = TypeVar("Result")
Task = Callable[[OpenModel, Piece, Any], Result]

_opened: OpenModel | None = None


class Workers:
    """The model called `name`, in as many processes as are worth it.

    Args:
        name: as `open_model` takes it.
        opened: the model, opened by this process.
        processes: how many; decided by the model's size and the machine if None.
    """

    def __init__(self, opened: OpenModel, processes: int | None = None) -> None:
        self.opened = opened
        self.processes = worth(opened) if processes is None else processes
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        del error, trace
        if self._pool is not None:
            if kind is not None:
                for process in list(self._pool._processes.values()):
                    process.terminate()
            self._pool.shutdown(wait=kind is None, cancel_futures=True)
            self._pool = None

    def map(
        self, task: Task[Piece, Result], pieces: Sequence[Piece], shared: Any = None
    ) -> Iterator[tuple[int, Result]]:
        """(number of the piece, result) for every piece, in the order in which they are done.

        Raises:
            UserError: as the task does, or a process was killed (out of memory, most often).
        """
        if self.processes < 2 or len(pieces) < 2:
            for number, piece in enumerate(pieces):
                yield number, task(self.opened, piece, shared)
            return
        pool = self._started()
        waiting: dict[Future[Result], int] = {}
        left = iter(enumerate(pieces))
        try:
            while True:
                while len(waiting) < 2 * self.processes and (entry := next(left, None)) is not None:
                    waiting[pool.submit(_work, task, entry[1], shared)] = entry[0]
                if not waiting:
                    return
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), future.result()
        except BrokenProcessPool:
            raise UserError(
                "a working process was killed, most likely for want of memory; try --processes 1 or fewer --samples"
            ) from None
        finally:
            for future in waiting:
                future.cancel()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.processes,
                mp_context=get_context("spawn"),
                initializer=_open,
                initargs=(self.opened.name, str(self.opened.device), str(self.opened.model.dtype).split(".")[-1]),
            )
        return self._pool


def worth(opened: OpenModel) -> int:
    """How many copies of this model to run on this machine."""
    if opened.device.type != "cpu" or sum(one.numel() for one in opened.model.parameters()) > LARGEST_COPY:
        return 1
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8)


def _open(name: str, device: str, dtype: str) -> None:
    """Open the model in a new process, on one thread; interrupts are left to the parent."""
    global _opened
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(1)
    _opened = open_model(name, device=device, dtype=dtype)


def _work(task: Task[Piece, Result], piece: Piece, shared: Any) -> Result:
    assert _opened is not None
    return task(_opened, piece, shared)
