"""Scores files of saved responses: a stream of lines in, records out, whatever their number.

Rules.

- Lines go in small batches to worker processes and come back in their order; only a few batches are under way at a
  time, so memory does not grow with the file. Small inputs stay in this process, where they are done sooner.
- Every record is in the journal, on disk, before the next batch is waited for. A run that was killed is resumed from
  it: what it holds is taken over if the files are the same up to there, byte for byte, and refused otherwise.
- A line that cannot be read ends the run with `BadInput`, which carries everything scored up to it; with `skip_bad`
  it is counted and passed over.
- A second response of a model to the same prompt and epoch is a bad line: it would count twice.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from adhere.constraints.constraint import Profile
from adhere.core.version import VERSION
from adhere.errors import UserError
from adhere.measure import journal as journals
from adhere.measure.checking import check_line
from adhere.measure.journal import Bad, Journal
from adhere.measure.records import PROFILES, Record
from adhere.measure.responses import LIMIT, Line, Prompts, lines
from adhere.measure.run import MOST_BAD, ScoreRun
from adhere.measure.tally import Brief, Tally

BATCH_LINES = 64
BATCH_BYTES = 400_000
WORTH_PROCESSES = 3_000_000
"""Bytes of input (gzipped ones counted fourfold) above which starting processes pays."""

Path_ = str | os.PathLike[str]


class BadInput(UserError):
    """A line that cannot be read, and the run up to it."""

    def __init__(self, bad: Bad, run: ScoreRun) -> None:
        super().__init__(str(bad))
        self.bad = bad
        self.run = run


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: bytes of input read, of how many, and responses scored."""

    read: int
    size: int
    responses: int


@dataclass(slots=True)
class _State:
    """What a run gathers as it goes."""

    tally: Tally = field(default_factory=Tally)
    bad: list[Bad] = field(default_factory=list)
    bad_count: int = 0
    responses: int = 0
    resumed: int = 0
    kept: list[Record] = field(default_factory=list)
    last: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Per file the last line that the journal has, and the digest of the file up to there."""


Scored = tuple[str, Brief, Record | None]
"""A record as its line, what the tally takes from it, and itself where records are kept."""


def score(
    files: Sequence[Path_],
    *,
    prompts: Path_ | None = None,
    profiles: Sequence[Profile] = PROFILES,
    journal: Path_ | None = None,
    resume: bool | None = None,
    skip_bad: bool = False,
    limit: int | None = None,
    jobs: int | None = None,
    line_limit: int = LIMIT,
    keep: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> ScoreRun:
    """Score the responses in `files`.

    Args:
        files: JSONL files, plain or gzipped; see `responses` for the forms.
        prompts: a file of prompts to join responses with that do not say themselves what was asked.
        profiles: which profiles to check under; the first is the one headlines are given in.
        journal: where to keep the records; without one they are not kept, unless by `keep`.
        resume: True carries on with `journal` and refuses if it does not fit; None carries on if it is unfinished
            and fits, and starts anew otherwise; False starts anew.
        skip_bad: count lines that cannot be read instead of stopping at the first.
        limit: take only the first so many lines of each file.
        jobs: processes; by default as many as there are cores, and none for a small input.
        line_limit: bytes of the longest line read.
        keep: hold the records in memory, in `ScoreRun.kept`, where there is no journal.
        progress: called after every batch.

    Raises:
        BadInput: a line cannot be read, and `skip_bad` is not set.
        UserError: a file, the prompts or the journal cannot be used; nothing in the files could be scored.
    """
    began = time.perf_counter()
    names = [os.fspath(file) for file in files]
    twice = next((name for k, name in enumerate(names) if name in names[:k]), None)
    if twice is not None:
        raise UserError(f"{twice} is given twice")
    questions = Prompts.load(prompts, line_limit) if prompts is not None else None
    state = _State()
    key = {"files": names, "prompts": _digest(prompts), "profiles": list(profiles), "limit": limit}
    log = None if journal is None else _open(Path(journal), key, resume, state)
    size = sum(os.path.getsize(name) for name in names if os.path.exists(name))
    work = partial(_work, prompts=questions, profiles=tuple(profiles), keep=keep and log is None)
    read = [0, 0]

    def advanced(position: int) -> None:
        read[1] = position

    def through() -> Iterator[Line | Bad]:
        for name in names:
            yield from _from(name, state, limit, line_limit, advanced)
            read[0] += os.path.getsize(name) if os.path.exists(name) else 0
            read[1] = 0

    def run() -> ScoreRun:
        return ScoreRun(
            tally=state.tally,
            journal=log.path if log else None,
            files=tuple(names),
            profiles=tuple(profiles),
            bad=tuple(state.bad),
            bad_count=state.bad_count,
            seconds=time.perf_counter() - began,
            resumed=state.resumed,
            kept=tuple(state.kept),
        )

    try:
        for results in _spread(through(), work, _processes(names, jobs)):
            written: list[str] = []
            try:
                for result in results:
                    _take(result, state, written, skip_bad, run)
            finally:
                if log:
                    log.append(written)
            if progress is not None:
                progress(Progress(min(sum(read), size), size, state.responses))
        if not state.responses:
            raise UserError(str(state.bad[0]) if state.bad else f"no responses in {', '.join(names) or 'no files'}")
        if log:
            log.finish(state.responses)
    finally:
        if log:
            log.close()
    return run()


def _take(result: Bad | Scored, state: _State, written: list[str], skip_bad: bool, run: Callable[[], ScoreRun]) -> None:
    """Take one result in, or refuse it."""
    if not isinstance(result, Bad):
        text, brief, record = result
        earlier = state.tally.add(brief)
        if earlier is None:
            state.responses += 1
            written.append(text)
            if record is not None:
                state.kept.append(record)
            return
        place = brief.file, brief.line
        problem = f"duplicate key: {brief.prompt_id} was answered by {brief.model} on line {earlier} already"
        if brief.epoch > 1:
            problem += f" (epoch {brief.epoch})"
        result = Bad(*place, problem, brief.digest)
    if not skip_bad:
        raise BadInput(result, run())
    state.bad_count += 1
    state.bad += [result] if len(state.bad) < MOST_BAD else []
    written.append(result.to_line())


def _digest(prompts: Path_ | None) -> str | None:
    if prompts is None:
        return None
    import hashlib

    return hashlib.blake2b(Path(prompts).read_bytes(), digest_size=8).hexdigest()


def _open(path: Path, key: dict[str, Any], resume: bool | None, state: _State) -> Journal:
    """The journal to write to; what it holds of this very run already is taken into `state`."""
    found = journals.state(path)
    fits = found is not None and found.key == key and found.version == VERSION
    if resume and not fits:
        why = "there is no journal" if found is None else "its journal is of other files, options or another version"
        raise UserError(f"nothing to resume at {path}: {why}")
    if found is None or not fits or resume is False or (found.done and not resume):
        return Journal(path, fresh=key)
    for entry in journals.entries(path):
        state.last[entry.file] = entry.line, entry.digest
        if isinstance(entry, Bad):
            state.bad_count += 1
            state.bad += [entry] if len(state.bad) < MOST_BAD else []
        else:
            state.tally.add(entry)
            state.responses += 1
    state.resumed = state.responses
    return Journal(path)


def _from(
    name: str, state: _State, limit: int | None, line_limit: int, advanced: Callable[[int], None]
) -> Iterator[Line | Bad]:
    """The lines of a file that are still to be scored."""
    number, digest = state.last.get(name, (-1, ""))
    met = number < 0
    for count, line in enumerate(lines(name, line_limit, advanced)):
        if limit is not None and count >= limit:
            break
        place = line.line if isinstance(line, Bad) else line.number
        if place > number:
            if not met:
                break
            yield line
        elif place == number:
            if line.digest != digest:
                break
            met = True
    if not met:
        raise UserError(f"{name} was changed above line {number} since it was scored: --no-resume scores it anew")


def _processes(names: Sequence[str], jobs: int | None) -> int:
    """How many processes to start; 0 for none."""
    if jobs is not None:
        return jobs if jobs > 1 else 0
    size = sum(os.path.getsize(name) * (4 if name.endswith(".gz") else 1) for name in names if os.path.exists(name))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if size > WORTH_PROCESSES and cores > 1 else 0


Batch = list[Line | Bad]
Work = Callable[[Batch], list[Bad | Scored]]


def _work(
    batch: Batch, prompts: Prompts | None, profiles: tuple[Profile, ...], keep: bool = False
) -> list[Bad | Scored]:
    """Check a batch of lines."""
    results: list[Bad | Scored] = []
    for line in batch:
        found = line if isinstance(line, Bad) else check_line(line, prompts, profiles)
        if isinstance(found, Bad):
            results.append(found)
        else:
            results += ((record.to_line(), Brief.of(record), record if keep else None) for record in found)
    return results


def _batches(source: Iterator[Line | Bad]) -> Iterator[Batch]:
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


def _spread(source: Iterator[Line | Bad], work: Work, processes: int) -> Iterator[list[Bad | Scored]]:
    """The results of `work` on batches of `source`, in order."""
    if not processes:
        yield from map(work, _batches(source))
        return
    import multiprocessing

    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(work,))
    try:
        under_way: deque[Future[list[Bad | Scored]]] = deque()
        for batch in _batches(source):
            under_way.append(pool.submit(_at_work, batch))
            if len(under_way) > 2 * processes:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    except BrokenProcessPool:
        raise UserError("a worker process died (out of memory?); --jobs 1 does without them") from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_worker: Work | None = None


def _begin(work: Work) -> None:
    """Make a worker process ready: it leaves interrupts to its parent, and does not outlive it."""
    import multiprocessing
    import signal
    import threading

    global _worker
    _worker = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()


def _at_work(batch: Batch) -> list[Bad | Scored]:
    if _worker is None:
        raise RuntimeError("the worker was not made ready")
    return _worker(batch)
