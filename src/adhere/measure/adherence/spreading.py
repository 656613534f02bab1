"""Work on batches of rows, spread over processes: results come back in the order of the input.

Only a few batches are under way at a time, so memory does not grow with the file. Small inputs stay in this process,
where they are done sooner.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from adhere.core.errors import UserError
from adhere.engines.local import cores, follow_parent
from adhere.measure.files import Bad, Line

BATCH_LINES = 64
BATCH_BYTES = 400_000
WORTH_PROCESSES = 3_000_000
"""Bytes of input (compressed ones counted fourfold) above which starting processes pays."""

_COMPRESSED = (".gz", ".xz", ".zst", ".zstd", ".bz2", ".parquet", ".eval")

Batch = list[Line | Bad]
Work = Callable[[Batch], list[Any]]


def processes(names: Sequence[str], jobs: int | None) -> int:
    """How many processes to start; 0 for none."""
    if jobs is not None:
        return jobs if jobs > 1 else 0
    size = sum(
        os.path.getsize(name) * (4 if name.endswith(_COMPRESSED) else 1) for name in names if os.path.exists(name)
    )
    return cores() if size > WORTH_PROCESSES and cores() > 1 else 0


def batches(source: Iterable[Line | Bad]) -> Iterator[Batch]:
    """Rows in small batches."""
    batch: Batch = []
    size = 0
    for line in source:
        batch.append(line)
        size += 0 if isinstance(line, Bad) else len(line.raw)
        if len(batch) >= BATCH_LINES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def spread(source: Iterable[Line | Bad], work: Work, count: int) -> Iterator[list[Any]]:
    """The results of `work` on batches of `source`, in order, from `count` processes (0: this one)."""
    if not count:
        yield from map(work, batches(source))
        return
    import multiprocessing

    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(work,))
    try:
        under_way: deque[Future[list[Any]]] = deque()
        for batch in batches(source):
            under_way.append(pool.submit(_at_work, batch))
            if len(under_way) > 2 * count:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    except BrokenProcessPool:
        raise UserError("a worker process died (out of memory?); --jobs 1 does without them") from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_worker: Work | None = None


def _begin(work: Work) -> None:
    global _worker
    _worker = work
    follow_parent()


def _at_work(batch: Batch) -> list[Any]:
    if _worker is None:
        raise RuntimeError("the worker was not prepared")
    return _worker(batch)
