"""Scores one shard, and writes what came of it.

    OUT/verdicts/model=NAME/part-00012.parquet     a row for each response (`VERDICTS`)
    OUT/bad/part-00012.jsonl                       rows that could not be read
    OUT/_work/briefs/00012.parquet                 what the merge takes from each response (`BRIEFS`)

Names depend on the shard alone: a shard that is scored again replaces its own files.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from adhere.constraints.constraint import Profile
from adhere.measure.adherence.records import Record
from adhere.measure.adherence.responses import Prompts
from adhere.measure.adherence.scoring import check_batch
from adhere.measure.adherence.sharded.plan import Shard
from adhere.measure.adherence.spreading import batches
from adhere.measure.adherence.tally import UNKNOWN, Brief, Subject
from adhere.measure.adherence.unread import Unread
from adhere.measure.files import LIMIT, Bad, Line, json_rows, lines, places, tables

BUFFERED = 1_000
"""Rows of verdicts held before they are written."""


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """What every shard of a run is scored with."""

    out: str
    profiles: tuple[Profile, ...]
    prompts: str | None = None
    skip_bad: bool = False
    line_limit: int = LIMIT


@dataclass(frozen=True, slots=True)
class Task:
    """A shard to score."""

    job: ScoreJob
    shard: Shard


def score_shard(task: Task) -> dict[str, Any]:
    """Score a shard; counts of what was in it, small enough to be kept by the driver.

    Without `skip_bad` the first bad row ends the shard: the result then holds it, and nothing was written.
    """
    job, shard = task.job, task.shard
    prompts = prompts_in(job.prompts, job.line_limit) if job.prompts is not None else None
    unread = Unread()
    briefs = _Briefs()
    bad: list[Bad] = []
    responses = 0
    with _Verdicts(job, shard) as verdicts:
        for batch in batches(_rows(shard, job.line_limit)):
            for result in check_batch(batch, prompts, job.profiles, keep=True, skip_bad=job.skip_bad):
                if isinstance(result, Bad):
                    if not job.skip_bad:
                        verdicts.discard()
                        return {"stopped": str(result), "line": result.line}
                    bad.append(result)
                    unread.add(result)
                    continue
                text, brief, record = result
                unread.saw(brief)
                responses += not brief.is_unread
                briefs.add(brief, text if record is not None and record.turn else None)
                if record is not None:
                    verdicts.add(record, text)
    unread.settle(briefs)
    briefs.write(brief_place(job.out, shard.number))
    if bad:
        place = places.join(job.out, "bad", f"part-{shard.number:05}.jsonl")
        places.write(place, "".join(one.to_line() + "\n" for one in bad).encode())
    return {
        "responses": responses,
        "bad": len(bad),
        "first_bad": [[one.file, one.line, one.problem] for one in bad[:5]],
        "unattributed": unread.unattributed,
        "subjects": [list(subject) for subject in briefs.subjects],
        "bytes": briefs.size,
    }


def brief_place(out: str, number: int) -> str:
    """Where the briefs of a shard are."""
    return places.join(out, "_work", "briefs", f"{number:05}.parquet")


@lru_cache(maxsize=2)
def prompts_in(path: str, limit: int) -> Prompts:
    """The prompts of a file; read once in each worker."""
    return Prompts.load(path, limit)


def _rows(shard: Shard, limit: int) -> Iterator[Line | Bad]:
    """The rows of a shard, numbered as in the whole file."""
    if shard.kind == "file":
        yield from _whole(shard.place, limit)
        return
    with places.opened(shard.place) as file:
        if shard.kind == "row groups":
            groups = range(shard.start, shard.stop)
            yield from tables.parquet_groups(shard.place, file, groups, shard.first)
            return
        file.seek(shard.start)
        part = io.BytesIO(file.read(shard.stop - shard.start))
    for line in json_rows.from_lines(shard.place, part, limit):
        if isinstance(line, Bad):
            yield Bad(line.file, line.line + shard.first - 1, line.problem, line.digest, line.identity, line.model)
        else:
            yield line._replace(number=line.number + shard.first - 1)


def _whole(place: str, limit: int) -> Iterator[Line | Bad]:
    if not places.is_remote(place):
        yield from lines(place, limit)
        return
    with ExitStack() as stack:
        copy = stack.enter_context(tempfile.NamedTemporaryFile(prefix="adhere-"))
        file = stack.enter_context(places.opened(place))
        while block := file.read(1 << 20):
            copy.write(block)
        copy.flush()
        for line in lines(copy.name, limit):
            if isinstance(line, Bad):
                yield Bad(place, line.line, line.problem, line.digest, line.identity, line.model)
            else:
                yield line._replace(file=place)


def verdict_schema() -> Any:
    """Columns of `verdicts/`; the model is the partition. What a profile that was not asked for says is null."""
    import pyarrow as pa

    instruction = pa.struct(
        [
            ("kind", pa.string()),
            ("skill", pa.string()),
            ("fixed", pa.bool_()),
            ("fixed_loose", pa.bool_()),
            ("reference", pa.bool_()),
            ("reference_loose", pa.bool_()),
            ("reason", pa.string()),
        ]
    )
    return pa.schema(
        [
            ("set", pa.string()),
            ("prompt_id", pa.string()),
            ("epoch", pa.int32()),
            ("turn", pa.int32()),
            ("file", pa.string()),
            ("line", pa.int64()),
            ("followed_fixed", pa.bool_()),
            ("followed_fixed_loose", pa.bool_()),
            ("followed_reference", pa.bool_()),
            ("followed_reference_loose", pa.bool_()),
            ("instructions", pa.list_(instruction)),
            ("ways", pa.list_(pa.string())),
            ("record", pa.string()),
        ]
    )


class _Verdicts:
    """Writes the verdicts of a shard, a file for each model in it."""

    def __init__(self, job: ScoreJob, shard: Shard) -> None:
        self._job = job
        self._shard = shard
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._writers: dict[str, Any] = {}
        self._stack = ExitStack()
        self._schema: Any = None

    def __enter__(self) -> _Verdicts:
        self._schema = verdict_schema()
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            for model in self._rows:
                self._write(model)
            self._stack.close()
        else:
            self.discard()

    def discard(self) -> None:
        """Leave nothing behind."""
        self._rows.clear()
        try:
            with self._stack:
                raise _Discarded
        except _Discarded:
            pass

    def add(self, record: Record, text: str) -> None:
        rows = self._rows.setdefault(record.model, [])
        rows.append(_row(record, text, self._job.profiles))
        if len(rows) >= BUFFERED:
            self._write(record.model)

    def _write(self, model: str) -> None:
        import pyarrow as pa

        if model not in self._writers:
            partition = "model=" + quote(model, safe="")
            place = places.join(self._job.out, "verdicts", partition, f"part-{self._shard.number:05}.parquet")
            self._writers[model] = self._stack.enter_context(places.table_writer(place, self._schema))
        self._writers[model].write_table(pa.Table.from_pylist(self._rows[model], self._schema))
        self._rows[model] = []


class _Discarded(Exception):
    """Ends the writers without their files."""


def _row(record: Record, text: str, profiles: tuple[Profile, ...]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "set": record.set,
        "prompt_id": _plain(record.prompt_id),
        "epoch": record.epoch,
        "turn": record.turn,
        "file": record.file,
        "line": record.line,
        "instructions": [],
        "ways": list(record.degenerate),
        "record": text,
    }
    for profile in profiles:
        row[f"followed_{profile}"] = record.followed(profile)
        row[f"followed_{profile}_loose"] = record.followed(profile, loose=True)
    for one in record.instructions:
        entry: dict[str, Any] = {"kind": one.kind, "skill": one.skill}
        for profile in profiles:
            outcome = one.outcome(profile)
            if outcome is not None:
                entry[profile], entry[f"{profile}_loose"] = outcome.strict, outcome.loose
                entry.setdefault("reason", _plain(outcome.reason))
        row["instructions"].append(entry)
    return row


def _plain(text: str) -> str:
    """Text that Parquet can hold: a lone surrogate is shown as its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def hash_of(prompt_id: str) -> int:
    """Where a prompt's responses are merged: 32 bits of its id."""
    digest = hashlib.blake2b(prompt_id.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big")


class _Briefs:
    """The briefs of a shard, sorted by their prompts' hash. To `Unread` it is a tally that knows no other shard."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, Brief, str | None]] = []
        self.subjects: dict[Subject, None] = {}
        self.size = 0

    def add(self, record: Record | Brief, conversation: str | None = None) -> None:
        brief = Brief.of(record) if isinstance(record, Record) else record
        self.subjects.setdefault(Subject(brief.model, brief.set))
        self._rows.append((hash_of(brief.prompt_id), len(self._rows), brief, conversation))

    def asked(self, of: str, prompt_id: str) -> tuple[tuple[str, str | None, int], ...]:
        del of, prompt_id  # the merge sees the other shards' rows
        return ((UNKNOWN, None, 0),)

    def write(self, place: str) -> None:
        import pyarrow as pa

        rows = sorted(self._rows, key=lambda row: row[:2])
        schema = brief_schema()
        with places.table_writer(place, schema) as writer:
            for start in range(0, len(rows), 4096):
                table = pa.Table.from_pylist([_brief_row(*row) for row in rows[start : start + 4096]], schema)
                self.size += table.nbytes
                writer.write_table(table)


def brief_schema() -> Any:
    """Columns of the briefs."""
    import pyarrow as pa

    entry = pa.struct([("kind", pa.string()), ("skill", pa.string()), ("bits", pa.int32())])
    return pa.schema(
        [
            ("hash", pa.int64()),
            ("position", pa.int32()),
            ("model", pa.binary()),
            ("set", pa.string()),
            ("prompt_id", pa.binary()),
            ("epoch", pa.int64()),
            ("file", pa.string()),
            ("line", pa.int64()),
            ("flags", pa.int32()),
            ("entries", pa.list_(entry)),
            ("conversation", pa.string()),
        ]
    )


def _brief_row(hashed: int, position: int, brief: Brief, conversation: str | None) -> dict[str, Any]:
    return {
        "hash": hashed,
        "position": position,
        "model": brief.model.encode("utf-8", "surrogatepass"),
        "set": brief.set,
        "prompt_id": brief.prompt_id.encode("utf-8", "surrogatepass"),
        "epoch": brief.epoch,
        "file": brief.file,
        "line": brief.line,
        "flags": brief.flags,
        "entries": [{"kind": kind, "skill": skill, "bits": bits} for kind, skill, bits in brief.entries],
        "conversation": conversation,
    }
