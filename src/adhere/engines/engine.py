"""The interface of engines, and a run over tasks that can be interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, Self

from adhere.core.errors import UserError

Work = Callable[[Any], Any]
ENGINES = ("local", "ray")


class Engine(Protocol):
    """Does work on tasks somewhere."""

    name: str

    def map(self, work: Work, tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """The index and the result of each task, as they are ready.

        Raises:
            UserError: workers died again and again.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class ShardState(Protocol):
    """Keeps the results of tasks from run to run."""

    def get(self, index: int) -> Any | None:
        """The kept result of a task, or None."""
        ...

    def put(self, index: int, result: Any) -> None:
        """Keep a result."""
        ...


def engine_of(name: str, *, jobs: int | None = None, address: str | None = None) -> Engine:
    """The engine of that name.

    Args:
        name: "local" or "ray".
        jobs: tasks at once; by default one for each core.
        address: of a Ray cluster ("auto": the one of this machine or of `RAY_ADDRESS`); None starts a local one.

    Raises:
        UserError: there is no such engine, or an address is given to one that has none.
    """
    if name == "local":
        if address is not None:
            raise UserError("--address is for --engine ray")
        from adhere.engines.local import Local

        return Local(jobs)
    if name == "ray":
        from adhere.engines.ray_tasks import RayTasks

        return RayTasks(address, jobs)
    raise UserError(f"no engine is called {name!r}; there are: {', '.join(ENGINES)}")


def run(engine: Engine, work: Work, tasks: Sequence[Any], state: ShardState | None = None) -> Iterator[tuple[int, Any]]:
    """The index and the result of every task: those that `state` keeps first, then the others as they are ready."""
    left = []
    for index in range(len(tasks)):
        kept = state.get(index) if state is not None else None
        if kept is None:
            left.append(index)
        else:
            yield index, kept
    for position, result in engine.map(work, [tasks[index] for index in left]):
        if state is not None:
            state.put(left[position], result)
        yield left[position], result
