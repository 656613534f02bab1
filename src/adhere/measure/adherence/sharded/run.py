"""Drives a sharded run: scores the shards on an engine, merges their counts, and continues a run that was stopped.

OUT/verdicts/, OUT/bad/         what came of it (`shard`)
OUT/_work/plan.json             what is run: another plan in the same folder is refused
OUT/_work/done/00012.json       one for each finished shard
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from adhere.constraints.constraint import Profile
from adhere.core.errors import UserError
from adhere.core.version import VERSION
from adhere.engines import Engine, run
from adhere.measure.adherence.counts import Counts
from adhere.measure.adherence.records import PROFILES
from adhere.measure.adherence.run import MOST_BAD
from adhere.measure.adherence.sharded.merge import MergeTask, merge_range
from adhere.measure.adherence.sharded.plan import Shard, plan
from adhere.measure.adherence.sharded.shard import ScoreJob, Task, score_shard
from adhere.measure.adherence.tally import Subject
from adhere.measure.files import LIMIT, Bad, files_in, places

RANGE_ROWS = 20_000
"""Responses in a range of the merge: some 60 MB in the worker that counts it."""


@dataclass(frozen=True, slots=True)
class ShardedRun:
    """A finished run.

    Attributes:
        counts: answers what a tally is asked for.
        files: the files that were scored.
        profiles: the profiles checked; the first is the one headlines are given in.
        responses: rows that could be read, duplicates left out.
        bad: the first rows that could not be read or that repeat an earlier one.
        bad_count: how many there are.
        unattributed: rows that could not be read and belong to no model that can be told.
        shards: how many there were.
        resumed: how many of them an earlier run had finished.
        seconds: of this run.
    """

    counts: Counts
    files: tuple[str, ...]
    profiles: tuple[Profile, ...]
    responses: int
    bad: tuple[Bad, ...]
    bad_count: int
    unattributed: int
    shards: int
    resumed: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ShardProgress:
    """How far a run is."""

    shards: int
    of: int
    responses: int


def score_sharded(
    files: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    engine: Engine,
    *,
    prompts: str | os.PathLike[str] | None = None,
    profiles: Sequence[Profile] = PROFILES,
    skip_bad: bool = False,
    answered_only: bool = False,
    resume: bool | None = None,
    line_limit: int = LIMIT,
    progress: Callable[[ShardProgress], None] | None = None,
) -> ShardedRun:
    """Score `files` into the folder or bucket `out`.

    Args:
        files: files, folders, patterns (`s3://bucket/part-*.parquet`).
        out: where verdicts go; a run that was stopped there is continued.
        engine: where the shards are scored; entered already.
        prompts: a file of prompts to join with, which every worker can read.
        profiles: which profiles to check under.
        skip_bad: count rows that cannot be read as not followed, instead of ending the run at one.
        answered_only: leave out prompts of `prompts` that have no response at all.
        resume: False starts anew; otherwise finished shards of the same plan are taken over.
        line_limit: bytes of the longest row read.
        progress: called after each shard.

    Raises:
        UserError: a row or a file cannot be read, or `out` holds another run.
    """
    began = time.perf_counter()
    place = places.object_store(out) or os.fspath(out)
    names = _names(files)
    shards = plan(names)
    job = ScoreJob(
        place if places.is_remote(place) else os.path.abspath(place),
        tuple(profiles),
        None if prompts is None else os.path.abspath(prompts),
        skip_bad,
        line_limit,
    )
    state = _Done(job, shards, fresh=resume is False)
    subjects: dict[int, list[list[str]]] = {}
    total = _Total()
    resumed = state.kept
    tasks = [Task(job, shard) for shard in shards]
    for index, result in run(engine, score_shard, tasks, state):
        if "stopped" in result:
            hint = "correct the row, or count such rows as not followed with --skip-bad"
            raise UserError(f"{result['stopped']} ({hint}; finished shards are kept, and the same command continues)")
        subjects[index] = result["subjects"]
        total.take(result)
        if progress is not None:
            progress(ShardProgress(len(subjects), len(shards), total.responses))
    if not subjects or not any(subjects.values()):
        raise UserError(f"no responses in {', '.join(names[:3]) or 'no files'}")
    ordered = dict.fromkeys((model, of) for index in sorted(subjects) for model, of in subjects[index])
    counts = _merged(engine, job, len(shards), tuple(ordered), total, None if answered_only else job.prompts)
    places.write(places.join(job.out, "_SUCCESS"), b"")
    return ShardedRun(
        counts,
        tuple(names),
        job.profiles,
        total.responses,
        tuple(Bad(*one) for one in total.bad[:MOST_BAD]),
        total.bad_count,
        total.unattributed,
        len(shards),
        resumed,
        time.perf_counter() - began,
    )


def _names(files: Sequence[str | os.PathLike[str]]) -> list[str]:
    names: list[str] = []
    for file in places.expand([places.object_store(file) or os.fspath(file) for file in files]):
        names += [file] if places.is_remote(file) else files_in([file])
    doubled = (
        next((name for k, name in enumerate(names) if name in set(names[:k])), None) if len(names) < 1000 else None
    )
    if doubled is not None:
        raise UserError(f"{doubled} is given twice")
    return names


def _merged(
    engine: Engine,
    job: ScoreJob,
    shards: int,
    subjects: tuple[tuple[str, str], ...],
    total: _Total,
    prompts: str | None,
) -> Counts:
    ranges = max(1, -(-total.responses // RANGE_ROWS))
    merging = MergeTask(job.out, shards, 0, ranges, job.profiles, subjects, prompts)
    counts = Counts()
    for subject in subjects:
        counts.declare(Subject(*subject))
    duplicates = 0
    shown_in: dict[int, list[list[Any]]] = {}  # of the counts nothing is kept but their sum
    for part, result in run(engine, merge_range, [replace(merging, part=part) for part in range(ranges)]):
        counts.add(Counts.from_json(result["counts"]))
        duplicates += result["duplicates"]
        if result["shown"] and sum(map(len, shown_in.values())) < MOST_BAD:
            shown_in[part] = result["shown"]
    shown = [one for part in sorted(shown_in) for one in shown_in[part]]
    if duplicates and not job.skip_bad:
        file, line, problem = shown[0]
        raise UserError(
            f"{file}:{line}: {problem} ({duplicates:,} such rows; --skip-bad leaves them out, "
            'an "epoch" tells samples of one prompt apart)'
        )
    total.responses -= duplicates
    total.bad_count += duplicates
    total.bad += shown
    return counts


class _Total:
    """What the shards' results add up to."""

    def __init__(self) -> None:
        self.responses = self.bad_count = self.unattributed = 0
        self.bad: list[list[Any]] = []

    def take(self, result: dict[str, Any]) -> None:
        self.responses += result["responses"]
        self.bad_count += result["bad"]
        self.unattributed += result["unattributed"]
        if len(self.bad) < MOST_BAD:
            self.bad += result["first_bad"]


class _Done:
    """Finished shards, one small file each."""

    def __init__(self, job: ScoreJob, shards: Sequence[Shard], fresh: bool) -> None:
        self._folder = places.join(job.out, "_work", "done")
        options = {key: value for key, value in asdict(job).items() if key != "out"}
        plan_now = {"version": VERSION, "options": options, "shards": [asdict(shard) for shard in shards]}
        content = json.dumps(plan_now, sort_keys=True).encode()
        place = places.join(job.out, "_work", "plan.json")
        before = places.read(place)
        same = before == content and not fresh
        if before is not None and before != content and not fresh:
            raise UserError(
                f"{job.out} holds a run of other files, options or another version: --no-resume replaces it"
            )
        done = places.files_under(self._folder) if same else []
        self._kept = {os.path.basename(one) for one in done}
        if not same:
            _remove(job.out)
            places.write(place, content)

    @property
    def kept(self) -> int:
        return len(self._kept)

    def get(self, index: int) -> Any | None:
        if f"{index:05}.json" not in self._kept:
            return None
        data = places.read(places.join(self._folder, f"{index:05}.json"))
        return None if data is None else json.loads(data)

    def put(self, index: int, result: dict[str, Any]) -> None:
        if "stopped" not in result:
            places.write(places.join(self._folder, f"{index:05}.json"), json.dumps(result).encode())


def _remove(out: str) -> None:
    """Take away what an earlier run wrote: its verdicts would stand beside the new ones."""
    for folder in ("verdicts", "bad", "_work"):
        for file in places.files_under(places.join(out, folder)):
            store, path = places.filesystem(file)
            store.delete_file(path)
