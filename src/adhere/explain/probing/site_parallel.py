"""Work at every (layer, position), one after another or spread over processes.

Each process computes on one thread: several BLAS threads on small matrices cost more than they bring, and the processes
fight for the cores. A worker is given one slab of states at a time, so that memory is bounded by the number of
processes and not by the number of sites.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from adhere.core.environment import environment
from adhere.core.errors import UserError
from adhere.explain.cases.examples import Examples

if TYPE_CHECKING:
    from numpy.typing import NDArray

Site = tuple[int, str]
"""A layer and a position."""

Result = TypeVar("Result")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def sites(examples: Examples) -> tuple[Site, ...]:
    """Every (layer, position) that was captured."""
    return tuple((layer, position) for layer in examples.layers for position in examples.positions)


def over(
    examples: Examples,
    chosen: Sequence[Site],
    work: Callable[[NDArray[np.float32], Any], Result],
    plan: Any,
    *,
    processes: int = 1,
    tick: Callable[[], None] | None = None,
) -> dict[Site, Result]:
    """`work(slab, plan)` for each site chosen.

    Args:
        examples: where the states are.
        chosen: the sites.
        work: a function of a module, so that it can be sent to another process.
        plan: what it needs besides the slab; sent to each process once.
        processes: how many; 1 computes here.
        tick: called after each site, for a progress bar.

    Raises:
        UserError: a process was killed.
    """
    results: dict[Site, Result] = {}
    if processes <= 1 or len(chosen) == 1:
        for site in chosen:
            results[site] = work(examples.slab(*site), plan)
            if tick is not None:
                tick()
        return results
    with environment(dict.fromkeys(_THREADS, "1")):  # processes read these before they load numpy
        pool = ProcessPoolExecutor(
            processes, multiprocessing.get_context("spawn"), initializer=_remember, initargs=(work, plan)
        )
        waiting: dict[Future[Result], Site] = {}
        left = list(reversed(chosen))
        try:
            while left or waiting:
                while left and len(waiting) < 2 * processes:
                    site = left.pop()
                    waiting[pool.submit(_do, examples.slab(*site))] = site
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    results[waiting.pop(future)] = future.result()
                    if tick is not None:
                        tick()
        except BrokenProcessPool as error:
            raise UserError("a process was ended from outside, most likely for want of memory; use fewer") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return {site: results[site] for site in chosen}


_work: tuple[Callable[[Any, Any], Any], Any] | None = None
"""What this process was started for."""


def _remember(work: Callable[[Any, Any], Any], plan: Any) -> None:
    global _work
    _work = (work, plan)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its children itself


def _do(slab: NDArray[np.float32]) -> Any:
    assert _work is not None
    work, plan = _work
    return work(slab, plan)
