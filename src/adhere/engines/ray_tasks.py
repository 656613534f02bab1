"""Tasks on Ray: a cluster that runs already, or one that is started for this run.

Ray's core tasks, not Ray Data: every task reads and writes its own shard, so no rows pass through the object store and
no reader competes with an actor pool for the last CPU. The workers need `adhere` installed, and paths that they can
reach (a shared file system, S3, GCS).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

from adhere.core.errors import UserError
from adhere.core.extras import require

OBJECT_STORE = 100_000_000
"""Bytes of the object store of a cluster started here: only tasks and their small results pass through it."""

RETRIES = 3


class RayTasks:
    """Ray as an engine."""

    name = "ray"

    def __init__(self, address: str | None = None, jobs: int | None = None) -> None:
        require("ray")
        self._address = address
        self._jobs = jobs
        self._ours = False

    def __enter__(self) -> Self:
        # a loaded machine needs longer than Ray's 10 s; usage statistics would be sent out
        os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        if ray.is_initialized():
            return self
        quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False, "configure_logging": True}
        try:
            if self._address is None:
                ray.init(num_cpus=self._jobs, include_dashboard=False, object_store_memory=OBJECT_STORE, **quiet)
            else:
                ray.init(address=self._address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            where = self._address or "a local cluster"
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"Ray: {where} cannot be reached ({reason}); `ray start --head` starts a cluster") from None
        self._ours = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            import ray

            ray.shutdown()
            self._ours = False

    def map(self, work: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        import ray

        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(_call)
        shared = ray.put(work)
        window = max(2, 2 * int(_cpus()))
        if self._jobs is not None:
            window = self._jobs
        waiting = iter(range(len(tasks)))
        under_way: dict[Any, int] = {}
        try:
            while True:
                while len(under_way) < window and (index := next(waiting, None)) is not None:
                    under_way[remote.remote(shared, tasks[index])] = index
                if not under_way:
                    return
                ready, _ = ray.wait(list(under_way), num_returns=1)
                index = under_way.pop(ready[0])
                yield index, _result(ready[0])
        finally:
            for reference in under_way:
                ray.cancel(reference, force=True)


def _cpus() -> float:
    import ray

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return resources.get("CPU", 1.0)


def _call(work: Callable[[Any], Any], task: Any) -> Any:
    return work(task)


def _result(reference: Any) -> Any:
    """The task's result; an exception of the work is raised as itself."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, BaseException):
            raise cause from None
        raise
    except ray.exceptions.WorkerCrashedError:
        raise UserError(
            f"a Ray worker died {RETRIES + 1} times on one shard (out of memory?). What is finished is kept, and the "
            "same command continues"
        ) from None
