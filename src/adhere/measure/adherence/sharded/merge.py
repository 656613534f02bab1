"""Counts the clusters of one range of prompts, from the briefs of all shards.

All responses to a prompt have the same hash, so they are here together: a second response of a model to the same prompt
and epoch is found whatever shard it is in, and is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adhere.constraints.constraint import Profile
from adhere.measure.adherence.counts import Counts
from adhere.measure.adherence.records import DEGENERATE, Record
from adhere.measure.adherence.sessions import Sessions
from adhere.measure.adherence.sharded.shard import brief_place, hash_of, prompts_in
from adhere.measure.adherence.tally import UNKNOWN, Brief, Subject, Tally
from adhere.measure.adherence.unread import absent
from adhere.measure.files import LIMIT, places

HASHES = 1 << 32
_UNREAD = 1 << DEGENERATE.index("unread")
SHOWN = 5
"""Duplicates that a range shows; all are counted."""


@dataclass(frozen=True, slots=True)
class MergeTask:
    """One of `of` ranges of prompts, over the first `shards` shards; `subjects` as all shards together have them."""

    out: str
    shards: int
    part: int
    of: int
    profiles: tuple[Profile, ...]
    subjects: tuple[tuple[str, str], ...]
    prompts: str | None = None


def merge_range(task: MergeTask) -> dict[str, Any]:
    """The counts of a range (`Counts.to_json`), and the duplicates in it."""
    tally = Tally()
    sessions = Sessions()
    duplicates: list[list[Any]] = []
    doubled = 0
    for model, of in task.subjects:
        tally.declare(Subject(model, of))
    unread: list[Brief] = []
    for brief, conversation in _briefs(task):
        if brief.flags & _UNREAD and brief.entries[0][0] == UNKNOWN:
            unread.append(brief)
        elif (earlier := tally.add(brief)) is None:
            if conversation is not None:
                sessions.add(Record.from_line(conversation))
        elif not brief.is_unread:
            doubled += 1
            if len(duplicates) < SHOWN:
                problem = f"duplicate key: {brief.prompt_id} was answered by {brief.model} on line {earlier} already"
                duplicates.append([brief.file, brief.line, problem])
    for brief in unread:
        tally.add(brief._replace(entries=tally.asked(brief.set, brief.prompt_id)))
    if task.prompts is not None:
        low, high = _bounds(task)
        questions = prompts_in(task.prompts, LIMIT).by_id.values()
        here = [question for question in questions if low <= hash_of(question.prompt_id) < high]
        for record in absent(tally, here, task.profiles):
            tally.add(record)
    counts = Counts.of(tally, task.profiles, sessions)
    return {"counts": counts.to_json(), "duplicates": doubled, "shown": duplicates}


def _bounds(task: MergeTask) -> tuple[int, int]:
    return HASHES * task.part // task.of, HASHES * (task.part + 1) // task.of


def _briefs(task: MergeTask) -> Iterator[tuple[Brief, str | None]]:
    """The briefs of the range, in the order of the input."""
    from pyarrow import parquet

    low, high = _bounds(task)
    for number in range(task.shards):
        store, path = places.filesystem(brief_place(task.out, number))
        chosen = [("hash", ">=", low), ("hash", "<", high)]
        table = parquet.read_table(path, filesystem=store, filters=chosen, use_threads=False).sort_by("position")
        for batch in table.to_batches(max_chunksize=2_000):
            for row in batch.to_pylist():
                yield _brief(row), row["conversation"]


def _brief(row: dict[str, Any]) -> Brief:
    return Brief(
        row["model"].decode("utf-8", "surrogatepass"),
        row["set"],
        row["prompt_id"].decode("utf-8", "surrogatepass"),
        row["epoch"],
        row["file"],
        row["line"],
        "",
        row["flags"],
        tuple((entry["kind"], entry["skill"], entry["bits"]) for entry in row["entries"]),
    )
