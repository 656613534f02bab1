"""Many trainings: a grid of jobs, spread over processes, each in its own folder, resumable at any point.

Rules:
- A folder holds `model.safetensors`, `history.json` and `findings.json` of a finished job, or the state of one that
  was interrupted. A finished job is never trained again; an unfinished one carries on; a folder of a job with other
  settings is refused, not overwritten.
- One process to a core, one thread each, one job at a time: on a CPU several seeds in one program are slower. On a GPU
  jobs that differ only in seed and attention rate run as one program, in this process.
- A worker that breaks stops the whole; what others finished is on disk. Ctrl-C reaches every process; each saves its
  state before it goes.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import queue
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adhere.core import findings as records
from adhere.core.errors import UserError
from adhere.core.findings import Finding, Scalar
from adhere.modular.generalization_odds import generalised
from adhere.modular.history import History, Record
from adhere.modular.network import Architecture, Kind
from adhere.modular.run_spec import Job, Recipe
from adhere.modular.task import Operation, Task

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

MODEL, HISTORY, FINDINGS = "model.safetensors", "history.json", "findings.json"

Progress = Callable[[Job, Record], None]


@dataclass(frozen=True)
class Finished:
    """What a finished job left on disk."""

    job: Job
    folder: Path
    history: History
    steps: int
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """Clock, pizza or undecided, as its findings say."""
        return str(self.findings[0].subject.get("verdict", "undecided")) if self.findings else "undecided"

    @property
    def generalised(self) -> bool:
        """Whether it ended with every held-out pair right."""
        return self.history.records[-1].held_out_accuracy == 1.0


def grid(
    *,
    recipe: Recipe,
    kind: Kind = "transformer",
    rates: Sequence[float] = (0.0,),
    seeds: int = 1,
    moduli: Sequence[int] = (59,),
    operations: Sequence[Operation] = ("add",),
    shares: Sequence[float] = (0.8,),
    width: int | None = None,
) -> list[Job]:
    """All combinations; seeds count up from the recipe's. Linear models have no attention rate: one of each."""
    jobs = []
    for operation, modulus, rate, share, seed in itertools.product(
        operations, moduli, rates if kind == "transformer" else (0.0,), shares, range(seeds)
    ):
        architecture = Architecture(kind, modulus, rate, width or (128 if kind == "transformer" else 256))
        one = replace(recipe, share=share, seed=recipe.seed + seed)
        jobs.append(Job(Task(modulus, operation), architecture, one))
    return jobs


def finished(folder: Path, job: Job) -> Finished | None:
    """What `folder` holds of `job`, or None where it is not finished.

    Raises:
        UserError: it holds another job, or cannot be read.
    """
    if not (folder / HISTORY).is_file():
        return None
    found = _read(folder)
    if found.job != job:
        raise UserError(f"{folder} holds a training with other settings; choose another --out or remove it")
    return found


def read(out: Path) -> list[Finished]:
    """Every finished training under `out`, by name.

    Raises:
        UserError: one of them cannot be read.
    """
    return [_read(path.parent) for path in sorted(out.rglob(HISTORY))]


def _read(folder: Path) -> Finished:
    path = folder / HISTORY
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        job, steps = Job.of(record["job"]), int(record["steps"])
        history = History.of(record["records"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); remove its folder to train again") from error
    return Finished(job, folder, history, steps, tuple(records.read(folder / FINDINGS)))


def run(
    jobs: Sequence[Job], out: Path, *, workers: int = 1, device: str = "cpu", progress: Progress | None = None
) -> list[Finished]:
    """Train what is not finished and return all of `jobs`, in order.

    Raises:
        UserError: a folder holds something else, or a worker met a user's mistake.
        KeyboardInterrupt: after every training in progress has been saved.
    """
    folders = {job: out / job.name for job in jobs}
    waiting = [job for job in jobs if finished(folders[job], job) is None]
    try:
        for job in waiting:
            folders[job].mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write into {out}: {error.strerror}") from error
    if device != "cpu":
        for batch in _alike(waiting):
            _train(batch, [folders[job] for job in batch], device, progress)
    elif workers <= 1 or len(waiting) <= 1:
        for job in waiting:
            _train([job], [folders[job]], device, progress)
    else:
        _spread([(job, folders[job]) for job in waiting], min(workers, len(waiting)), progress)
    done = [finished(folders[job], job) for job in jobs]
    return [one for one in done if one is not None]


def generalisation(done: Sequence[Finished]) -> list[Finding]:
    """For each cell of a grid, the share of its seeds that generalise, beside the armchair's chance."""
    cells: dict[Job, list[Finished]] = {}
    for one in done:
        cells.setdefault(replace(one.job, recipe=replace(one.job.recipe, seed=0)), []).append(one)
    return [
        generalised(cell, sum(run.generalised for run in runs), len(runs), steps=max(run.steps for run in runs))
        for cell, runs in cells.items()
    ]


def _alike(jobs: Iterable[Job]) -> list[list[Job]]:
    """Jobs that may run as one program: all but seed and attention rate the same."""
    groups: dict[Job, list[Job]] = {}
    for job in jobs:
        plain = replace(job, architecture=replace(job.architecture, rate=0.5), recipe=replace(job.recipe, seed=0))
        groups.setdefault(plain, []).append(job)
    return list(groups.values())


def _train(jobs: Sequence[Job], folders: Sequence[Path], device: str, progress: Progress | None) -> None:
    from adhere.modular import stored
    from adhere.modular.examine import examine, findings, untrained
    from adhere.modular.train import STATE, train

    for trained, folder in zip(train(jobs, folders, watch=progress, device=device), folders, strict=True):
        job = trained.job
        stored.save(folder / MODEL, trained.network, job.record()["recipe"])
        split = job.train().numpy()
        seen = examine(trained.network, split)
        start = examine(untrained(trained.network, job.recipe.seed), split)
        subject: dict[str, Scalar] = {
            "task": job.task.name,
            "model": job.architecture.kind,
            "alpha": job.architecture.rate,
            "share": job.recipe.share,
            "seed": job.recipe.seed,
            "steps": trained.steps,
        }
        model = (folder / MODEL).as_posix()
        records.write(
            folder / FINDINGS,
            findings(seen, start, subject, evidence=(model,), recompute=f"adhere modular classify {model}"),
        )
        record = {"job": job.record(), "steps": trained.steps, "records": trained.history.json()}
        scratch = folder / (HISTORY + ".part")
        scratch.write_text(json.dumps(record), encoding="utf-8")
        scratch.replace(folder / HISTORY)  # last: its presence says that the job is finished
        (folder / STATE).unlink(missing_ok=True)


def _spread(work: Sequence[tuple[Job, Path]], workers: int, progress: Progress | None) -> None:
    context = multiprocessing.get_context("spawn")
    tasks: Queue[Any] = context.Queue()
    news: Queue[Any] = context.Queue()
    for item in [*work, *([None] * workers)]:
        tasks.put(item)
    processes = [context.Process(target=_worker, args=(tasks, news), daemon=False) for _ in range(workers)]
    for process in processes:
        process.start()
    left = len(work)
    try:
        while left:
            try:
                kind, job, what = news.get(timeout=1.0)
            except queue.Empty:
                if not any(process.is_alive() for process in processes):
                    raise RuntimeError("every worker ended before the work was done") from None
                if broken := [p.exitcode for p in processes if p.exitcode not in (None, 0)]:
                    raise RuntimeError(f"a worker ended with exit code {broken[0]}") from None
                continue
            if kind == "record" and progress:
                progress(job, what)
            elif kind == "done":
                left -= 1
            elif kind == "interrupted":
                raise KeyboardInterrupt
            elif kind == "mistake":
                raise UserError(what)
            elif kind == "broke":
                raise RuntimeError(f"a training of {job.name} broke:\n{what}")
    finally:
        for process in processes:
            if left and process.is_alive() and process.pid:
                os.kill(process.pid, signal.SIGINT)  # as Ctrl-C: it saves its state and goes
        for process in processes:
            process.join()


def _worker(tasks: Queue[Any], news: Queue[Any]) -> None:
    import traceback

    job: Job | None = None
    try:
        while (item := tasks.get()) is not None:
            job, folder = item
            assert job is not None
            _train([job], [folder], "cpu", lambda job, record: news.put(("record", job, record)))
            news.put(("done", job, None))
    except KeyboardInterrupt:
        news.put(("interrupted", job, None))
    except UserError as error:
        news.put(("mistake", job, str(error)))
    except Exception:
        news.put(("broke", job, traceback.format_exc()))
