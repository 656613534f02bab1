"""Scores files of saved responses: a stream of rows in, records out, whatever their number.

Rules.

- Rows go in small batches to worker processes and come back in their order (`spreading`).
- Every record is in the journal, on disk, before the next batch is waited for. A run that was killed is resumed from
  it: what it holds is taken over if the files are the same up to there, byte for byte, and refused otherwise.
- A row that cannot be read ends the run with `BadInput`, which carries everything scored up to it; with `skip_bad` it
  is counted as not followed (`unread`).
- A second response of a model to the same prompt and epoch is a bad row: it would count twice.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from adhere.constraints.constraint import Profile
from adhere.core.errors import UserError
from adhere.core.version import VERSION
from adhere.measure.adherence import journal as journals
from adhere.measure.adherence.checking import check_line, in_place_of
from adhere.measure.adherence.journal import Journal
from adhere.measure.adherence.records import PROFILES, Record
from adhere.measure.adherence.responses import Prompts
from adhere.measure.adherence.run import MOST_BAD, ScoreRun
from adhere.measure.adherence.sessions import Sessions
from adhere.measure.adherence.spreading import Batch, processes, spread
from adhere.measure.adherence.tally import Brief, Tally
from adhere.measure.adherence.unread import Unread, absent
from adhere.measure.files import LIMIT, STDIN, Bad, Line, files_in, lines

Path_ = str | os.PathLike[str]
Scored = tuple[str, Brief, Record | None]
"""A record as its line, what the tally takes from it, and itself where records are kept or it is of a conversation."""


class BadInput(UserError):
    """A row that cannot be read, and the run up to it."""

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
class _Gathered:
    """What a run gathers as it goes."""

    names: list[str]
    profiles: tuple[Profile, ...]
    began: float = field(default_factory=time.perf_counter)
    tally: Tally = field(default_factory=Tally)
    unread: Unread = field(default_factory=Unread)
    sessions: Sessions = field(default_factory=Sessions)
    bad: list[Bad] = field(default_factory=list)
    bad_count: int = 0
    unstated: int = 0
    responses: int = 0
    resumed: int = 0
    keeps: bool = False
    kept: list[Record] = field(default_factory=list)
    last: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Per file the last row that the journal has, and the digest of the file up to there."""

    def answered(self, brief: Brief | Record) -> int | None:
        """Take a response in; the line of an earlier one that it repeats, if it does."""
        earlier = self.tally.add(brief)
        if earlier is None:
            self.unread.saw(brief)
            self.responses += not _stands_in(brief)
        return earlier

    def unreadable(self, bad: Bad) -> None:
        """Count a row that gives no record."""
        if bad.unstated:
            self.unstated += 1
            return
        self.bad_count += 1
        self.bad += [bad] if len(self.bad) < MOST_BAD else []
        self.unread.add(bad)

    def run(self, journal: Path | None) -> ScoreRun:
        return ScoreRun(
            tally=self.tally,
            journal=journal,
            files=tuple(self.names),
            profiles=self.profiles,
            bad=tuple(self.bad),
            bad_count=self.bad_count,
            seconds=time.perf_counter() - self.began,
            resumed=self.resumed,
            kept=tuple(self.kept),
            sessions=self.sessions,
            unstated=self.unstated,
            unattributed=self.unread.unattributed,
        )


def _stands_in(brief: Brief | Record) -> bool:
    """Whether it stands for a row that could not be read."""
    return "unread" in brief.degenerate if isinstance(brief, Record) else brief.is_unread


def score(
    files: Sequence[Path_],
    *,
    prompts: Path_ | None = None,
    read_prompt: bool = False,
    profiles: Sequence[Profile] = PROFILES,
    journal: Path_ | None = None,
    resume: bool | None = None,
    skip_bad: bool = False,
    answered_only: bool = False,
    limit: int | None = None,
    jobs: int | None = None,
    line_limit: int = LIMIT,
    keep: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> ScoreRun:
    """Score the responses in `files`.

    Args:
        files: files or folders of responses, `-` for standard input; see `files` for the formats.
        prompts: a file of prompts to join responses with that do not say themselves what was asked.
        read_prompt: read what is asked from the words of prompts that list no constraints; rows whose prompt states
            none that is understood are left out, and counted in `ScoreRun.unstated`.
        profiles: which profiles to check under; the first is the one headlines are given in.
        journal: where to keep the records; without one they are not kept, unless by `keep`.
        resume: True carries on with `journal` and refuses if it does not fit; None carries on if it is unfinished
            and fits, and starts anew otherwise; False starts anew.
        skip_bad: count rows that cannot be read as not followed, instead of stopping at the first.
        answered_only: leave out prompts of the prompts file that a model has no response to; they count as not
            followed otherwise.
        limit: take only the first so many rows of each file.
        jobs: processes; by default as many as there are cores, and none for a small input.
        line_limit: bytes of the longest row read.
        keep: hold the records in memory, in `ScoreRun.kept`, where there is no journal.
        progress: called after every batch.

    Raises:
        BadInput: a row cannot be read, and `skip_bad` is not set.
        UserError: a file, the prompts or the journal cannot be used; nothing in the files could be scored.
    """
    names = files_in(files)
    twice = next((name for k, name in enumerate(names) if name in names[:k]), None)
    if twice is not None:
        raise UserError(f"{twice} is given twice")
    if resume and STDIN in names:
        raise UserError("standard input cannot be resumed: it is gone once it was read")
    questions = Prompts.load(prompts, line_limit) if prompts is not None else None
    if read_prompt:
        questions = replace(questions or Prompts(), reads=True)
    gathered = _Gathered(names, tuple(profiles), keeps=keep and journal is None)
    key = {"files": names, "prompts": _digest(prompts), "profiles": list(profiles), "limit": limit}
    if read_prompt:
        key["read_prompt"] = True
    resume = False if STDIN in names else resume
    log = None if journal is None else _open(Path(journal), key, resume, gathered)
    work = partial(
        check_batch, prompts=questions, profiles=gathered.profiles, keep=keep and log is None, skip_bad=skip_bad
    )
    position = _Position(names)
    rows = (line for name in names for line in _from(name, gathered, limit, line_limit, position))
    try:
        for results in spread(rows, work, processes(names, jobs)):
            _take_all(results, gathered, skip_bad, log)
            if progress is not None:
                progress(Progress(position.read, position.size, gathered.responses))
        if not gathered.responses and not gathered.tally.subjects():
            problem = str(gathered.bad[0]) if gathered.bad else f"no responses in {', '.join(names) or 'no files'}"
            if gathered.unstated and not gathered.bad:
                problem = f"none of the {gathered.unstated:,} prompts states a constraint that is understood"
            raise UserError(problem)
        gathered.unread.settle(gathered.tally)
        if questions is not None and limit is None and not answered_only:
            _take_absent(questions, gathered, keep and log is None, log)
        if log:
            log.finish(gathered.responses)
    finally:
        if log:
            log.close()
    return gathered.run(log.path if log else None)


class _Position:
    """How much of the input has been read, in bytes on disk."""

    def __init__(self, names: Sequence[str]) -> None:
        self._sizes = {name: os.path.getsize(name) for name in names if os.path.exists(name)}
        self.size = sum(self._sizes.values())
        self._before = self._here = 0

    @property
    def read(self) -> int:
        return min(self._before + self._here, self.size)

    def advanced(self, here: int) -> None:
        self._here = here

    def finished(self, name: str) -> None:
        self._before += self._sizes.get(name, 0)
        self._here = 0


def _take_all(results: Iterable[Bad | Scored], gathered: _Gathered, skip_bad: bool, log: Journal | None) -> None:
    """Take the results of a batch in, and write them to the journal, whatever happens among them."""
    written: list[str] = []
    try:
        for result in results:
            bad = result if isinstance(result, Bad) else _take(result, gathered, written)
            if bad is None:
                continue
            if not skip_bad and not bad.unstated:
                raise BadInput(bad, gathered.run(log.path if log else None))
            gathered.unreadable(bad)
            written.append(bad.to_line())
    finally:
        if log:
            log.append(written)


def _take(result: Scored, gathered: _Gathered, written: list[str]) -> Bad | None:
    """Take one record in, or say that it repeats an earlier one."""
    text, brief, record = result
    earlier = gathered.answered(brief)
    if earlier is None:
        written.append(text)
        if record is not None:
            gathered.sessions.add(record)
            if gathered.keeps:
                gathered.kept.append(record)
        return None
    if brief.is_unread:
        return None
    problem = f"duplicate key: {brief.prompt_id} was answered by {brief.model} on line {earlier} already"
    problem += f" (epoch {brief.epoch})" if brief.epoch > 1 else '; give samples of one prompt an "epoch" each'
    return Bad(brief.file, brief.line, problem, brief.digest, counted=True)


def _take_absent(questions: Prompts, gathered: _Gathered, keep: bool, log: Journal | None) -> None:
    """Count prompts that have no response."""
    for record in absent(gathered.tally, questions.by_id.values(), gathered.profiles):
        gathered.tally.add(record)
        if keep:
            gathered.kept.append(record)
        if log:
            log.append([journals.absent_line(record)])


def _digest(prompts: Path_ | None) -> str | None:
    return None if prompts is None else hashlib.blake2b(Path(prompts).read_bytes(), digest_size=8).hexdigest()


def _open(path: Path, key: dict[str, Any], resume: bool | None, gathered: _Gathered) -> Journal:
    """The journal to write to; what it holds of this very run already is taken in."""
    state = journals.state(path)
    fits = state is not None and state.key == key and state.version == VERSION
    if resume and not fits:
        why = "there is no journal" if state is None else "its journal is of other files, options or another version"
        raise UserError(f"nothing to resume at {path}: {why}")
    if state is None or not fits or resume is False or (state.done and not resume):
        return Journal(path, fresh=key)
    for entry in journals.entries(path):
        if isinstance(entry, Record) and "absent" in entry.degenerate:
            continue  # looked for again at the end
        gathered.last[entry.file] = entry.line, entry.digest
        if isinstance(entry, Bad):
            gathered.unreadable(entry)
        else:
            gathered.answered(entry)
            gathered.sessions.add(entry)
    gathered.resumed = gathered.responses
    return Journal(path)


def _from(
    name: str, gathered: _Gathered, limit: int | None, line_limit: int, position: _Position
) -> Iterator[Line | Bad]:
    """The rows of a file that are still to be scored."""
    number, digest = gathered.last.get(name, (-1, ""))
    met = number < 0
    for count, line in enumerate(lines(name, line_limit, position.advanced)):
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
    position.finished(name)
    if not met:
        raise UserError(f"{name} was changed above line {number} since it was scored: --no-resume scores it anew")


def check_batch(
    batch: Batch,
    prompts: Prompts | None,
    profiles: tuple[Profile, ...],
    keep: bool = False,
    skip_bad: bool = False,
) -> list[Bad | Scored]:
    """Check a batch of rows: for each response its record, for each row that cannot be read what is wrong with it."""
    results: list[Bad | Scored] = []
    for line in batch:
        outcome = line if isinstance(line, Bad) else check_line(line, prompts, profiles)
        if isinstance(outcome, Bad):
            stand_in = in_place_of(outcome, line, prompts, profiles) if skip_bad and not isinstance(line, Bad) else None
            if stand_in is not None:
                results.append(_scored(stand_in, keep))
                outcome = replace(outcome, counted=True)
            results.append(outcome)
        else:
            results += (_scored(record, keep) for record in outcome)
    return results


def _scored(record: Record, keep: bool) -> Scored:
    return record.to_line(), Brief.of(record), record if keep or record.turn else None
