"""Processes of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Self

from adhere.core.errors import UserError

ATTEMPTS = 4
"""How often a pool is started before a worker that dies again and again ends the run."""


class Local:
    """A pool of processes, as many as there are cores by default; with one, the work is done in this process."""

    name = "local"

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs or cores()

    def map(self, work: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        if self.jobs == 1 or len(tasks) < 2:
            yield from ((index, work(task)) for index, task in enumerate(tasks))
            return
        left = list(range(len(tasks)))
        for _ in range(ATTEMPTS):
            try:
                for index, result in self._once(work, tasks, left):
                    left.remove(index)
                    yield index, result
            except BrokenProcessPool:
                continue
            return
        raise UserError(
            f"a worker process died {ATTEMPTS} times (out of memory?): --jobs 1 works in one process. What is finished "
            "is kept, and the same command continues"
        )

    def _once(
        self, work: Callable[[Any], Any], tasks: Sequence[Any], indices: Sequence[int]
    ) -> Iterator[tuple[int, Any]]:
        import multiprocessing

        pool = ProcessPoolExecutor(self.jobs, multiprocessing.get_context("spawn"), initializer=follow_parent)
        try:
            waiting = iter(tuple(indices))
            under_way: dict[Future[Any], int] = {}
            while True:
                while len(under_way) < 2 * self.jobs and (index := next(waiting, None)) is not None:
                    under_way[pool.submit(work, tasks[index])] = index
                if not under_way:
                    return
                for ready in wait(under_way, return_when=FIRST_COMPLETED).done:
                    index = under_way.pop(ready)
                    yield index, ready.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def follow_parent() -> None:
    """Prepare a worker process: it leaves interrupts to its parent, and does not outlive it."""
    import multiprocessing
    import signal
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()
