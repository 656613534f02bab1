"""A scored run: what `score` hands to the terminal, to the findings and to the report.

    run = scoring.score(["responses.jsonl"])
    for subject in run.tally.subjects():                     # a model on a set of prompts
        run.tally.prompts(subject, "fixed", loose=False)     # Rate: estimate, interval, n
        run.tally.families(subject, "fixed")                 # {kind: Rate}
    run.tally.fail_together("fixed")                         # {(kind, kind): (both, first, second, neither)}
    for record in run.records(): ...                         # streamed, one Record per response, in input order

`run.records()` can be gone through as often as needed; it never holds more than one record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from adhere.constraints.constraint import Profile
from adhere.core.errors import UserError
from adhere.measure.adherence import journal
from adhere.measure.adherence.counts import MergedSessions, Tallied
from adhere.measure.adherence.records import PROFILES, Record
from adhere.measure.adherence.sessions import Sessions
from adhere.measure.adherence.tally import Subject, Tally
from adhere.measure.adherence.unread import Unread
from adhere.measure.files import Bad


@dataclass(frozen=True, slots=True)
class ScoreRun:
    """What became of the responses in some files."""

    tally: Tallied
    journal: Path | None
    """Where the records are; None where none was kept (then `kept` holds them)."""
    files: tuple[str, ...] = ()
    profiles: tuple[Profile, ...] = PROFILES
    bad: tuple[Bad, ...] = ()
    """The first lines that could not be read (a hundred at most)."""
    bad_count: int = 0
    seconds: float = 0.0
    resumed: int = 0
    """How many of the responses an earlier, killed run had scored already."""
    kept: tuple[Record, ...] = ()
    sessions: Sessions | MergedSessions = field(default_factory=Sessions)
    """How the models keep to instructions over the turns of conversations."""
    unstated: int = 0
    """How many rows were left out because their prompt, which was read, states nothing that can be checked."""
    unattributed: int = 0
    """How many rows that could not be read belong to no model that can be told."""

    @property
    def by_prompt(self) -> Tally:
        """The tally, for what needs every prompt's verdicts.

        Raises:
            UserError: only counts are there: the run was merged from shards.
        """
        if not isinstance(self.tally, Tally):
            raise UserError("verdicts prompt by prompt are not in a run merged from shards: score those files alone")
        return self.tally

    def records(self) -> Iterator[Record]:
        """Every record, in the order of the input.

        Raises:
            UserError: the journal is gone or damaged.
        """
        if self.journal is None:
            yield from self.kept
        else:
            yield from (entry for entry in journal.entries(self.journal) if isinstance(entry, Record))

    @property
    def responses(self) -> int:
        """Rows that could be read: answers, and rows that say that there is none."""
        subjects = self.tally.subjects()
        unread = sum(self.unanswered(subject).get(way, 0) for subject in subjects for way in ("unread", "absent"))
        return sum(map(self.tally.responses, subjects)) - unread

    def unanswered(self, subject: Subject) -> dict[str, int]:
        """How many responses of the subject are not there, by way; they count as not followed."""
        return self.tally.unanswered(subject)

    @property
    def profile(self) -> Profile:
        """The profile that headlines are given in: `fixed`, unless only the reference was asked for."""
        return self.profiles[0]


def load(path: str | Path) -> ScoreRun:
    """The run whose journal is at `path`, finished or not.

    Raises:
        UserError: it cannot be read, or holds no records.
    """
    tally = Tally()
    bad: list[Bad] = []
    files: dict[str, None] = {}
    found: set[Profile] = set()
    bad_count = unstated = 0
    unread = Unread()
    sessions = Sessions()
    for entry in journal.entries(path):
        files.setdefault(entry.file)
        if isinstance(entry, Bad) and entry.unstated:
            unstated += 1
            continue
        if isinstance(entry, Bad):
            bad_count += 1
            bad += [entry] if len(bad) < MOST_BAD else []
            unread.add(entry)
            continue
        if tally.add(entry) is None:
            unread.saw(entry)
            sessions.add(entry)
        if not found and entry.instructions:
            first = entry.instructions[0]
            found = {profile for profile in PROFILES if first.outcome(profile) is not None}
    profiles = tuple(profile for profile in PROFILES if profile in found) or PROFILES
    unread.settle(tally)
    return ScoreRun(
        tally,
        Path(path),
        tuple(filter(None, files)),
        profiles,
        tuple(bad),
        bad_count,
        sessions=sessions,
        unstated=unstated,
        unattributed=unread.unattributed,
    )


MOST_BAD = 100
"""How many bad lines are kept for showing; all are counted."""
