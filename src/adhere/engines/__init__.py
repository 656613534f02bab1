"""Where work on many shards runs: processes of this machine, or a Ray cluster.

    from adhere.engines import engine_of, run

    with engine_of("ray", address="auto") as engine:
        for result in run(engine, work, tasks, state): ...

Rules.

- `work(task)` is a module's function; a task and a result are small and picklable. Rows never travel: the work reads
  its shard and writes its output itself, so that the driver's memory does not grow with the data.
- A result is kept as soon as it is there (`state`), and a rerun takes over what is kept. Work that is done again must
  write the same files under the same names.
- A worker that dies is replaced and its tasks are done again, a few times; an exception of the work ends the run.
- There is no scheduler here: the standard library's process pool and Ray's tasks are the schedulers.
"""

from adhere.engines.engine import Engine, ShardState, engine_of, run

__all__ = ["Engine", "ShardState", "engine_of", "run"]
