"""Several processes that share each step: every process reads its own shards, gradients are summed.

With one process every function here is the identity, and torch.distributed is never started.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


@contextlib.contextmanager
def group(
    processes: int, target: Callable[..., None], arguments: Callable[[int, str], tuple[Any, ...]]
) -> Iterator[None]:
    """Start `processes` - 1 processes that run `target`, and join them with this one, which has rank 0.

    Args:
        processes: how many in all.
        target: what the others run.
        arguments: (rank, meeting place) to the arguments of `target`.
    """
    import multiprocessing
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        meeting = f"file://{folder}/meet"
        others = [
            multiprocessing.get_context("spawn").Process(target=target, args=arguments(rank, meeting))
            for rank in range(1, processes)
        ]
        for other in others:
            other.start()
        join(meeting, 0, processes)
        try:
            yield
        finally:
            dist.destroy_process_group()
            for other in others:
                other.join(10)
                other.terminate()


def join(meeting: str, rank: int, processes: int) -> None:
    """Meet the other processes."""
    dist.init_process_group("gloo", meeting, rank=rank, world_size=processes)


def wait(processes: int) -> None:
    """Wait until all processes have come here."""
    if processes > 1:
        dist.barrier()


def total(value: float, processes: int) -> float:
    """The sum of the processes' values."""
    if processes == 1:
        return value
    held = torch.tensor(value, dtype=torch.float64)
    dist.all_reduce(held)
    return float(held)


def of_first(value: float, processes: int) -> float:
    """The first process's value."""
    if processes == 1:
        return value
    held = torch.tensor(value, dtype=torch.float64)
    dist.broadcast(held, 0)
    return float(held)


def gather(position: tuple[int, int], processes: int) -> list[tuple[int, int]]:
    """Every process's position, by rank."""
    if processes == 1:
        return [position]
    held: list[Any] = [None] * processes
    dist.all_gather_object(held, position)
    return held


def sum_gradients(model: LlamaForCausalLM, processes: int) -> None:
    """Sum the gradients over the processes, in one message."""
    if processes == 1:
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    for gradient, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
