"""What could not be read, or is not there, never leaves the denominator.

Rules.

- A row that cannot be read, whose question can be told (from the row, or from its id and the prompts), has a record
  that follows nothing. Any other counts for the model of its row or its file, under its id if that can be seen, with
  one unknown instruction; where the file holds several models and the row names none, it counts for no model and is
  reported.
- An unreadable row whose prompt the same model answers elsewhere (a writer was killed and began again) counts once.
- With a prompts file, a prompt of it that a model has no row for is an answer that is not there. `answered_only`, or a
  `limit`, says that only some were asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from adhere.constraints.constraint import Profile
from adhere.measure.adherence.asking import set_of
from adhere.measure.adherence.checking import unanswered
from adhere.measure.adherence.records import DEGENERATE, Record
from adhere.measure.adherence.responses import Question
from adhere.measure.adherence.tally import Brief, Subject, Tally
from adhere.measure.files import Bad, Line, model_of

_UNREAD = 1 << DEGENERATE.index("unread")


class Takes(Protocol):
    """What the rows are counted in: a tally, or what stands for one."""

    def asked(self, of: str, prompt_id: str) -> tuple[tuple[str, str | None, int], ...]: ...

    def add(self, record: Record | Brief) -> object: ...


class Unread:
    """Gathers the rows that could not be read, until it can be told what they stand for."""

    def __init__(self) -> None:
        self._subjects: dict[str, dict[Subject, None]] = {}
        self._rows: list[Bad] = []
        self.unattributed = 0
        """Rows that belong to no model that can be told."""

    def saw(self, brief: Brief | Record) -> None:
        """A response of the file was read."""
        self._subjects.setdefault(brief.file, {}).setdefault(Subject(brief.model, brief.set))

    def add(self, bad: Bad) -> None:
        """A row could not be read. (A file that could not be opened has no rows.)"""
        if bad.line and not bad.counted:
            self._rows.append(bad)

    def settle(self, tally: Takes) -> None:
        """Count the rows in `tally`; once, after everything was read."""
        for bad in self._rows:
            subject = self._subject(bad)
            if subject is None:
                self.unattributed += 1
                continue
            identity = bad.identity or f"line {bad.line} of {bad.file}"
            entries = tally.asked(subject.set, identity)
            tally.add(Brief(*subject, identity, 1, bad.file, bad.line, bad.digest, _UNREAD, entries))
        self._rows.clear()

    def _subject(self, bad: Bad) -> Subject | None:
        subjects = list(self._subjects.get(bad.file, ()))
        named = bad.model or model_of(bad.file)
        own = [subject for subject in subjects if subject.model == named]
        candidates = own if own or bad.model else subjects
        return candidates[0] if len(candidates) == 1 else None


def absent(tally: Tally, questions: Iterable[Question], profiles: Sequence[Profile]) -> Iterator[Record]:
    """A record for every prompt that a model in `tally` has no row for, of the sets it has rows for."""
    subjects = tally.subjects()
    for question in questions:
        of = set_of(question.asked)
        for subject in subjects:
            if subject.set == of and not tally.answered(subject, question.prompt_id):
                nowhere = Line("", 0, b"", "")
                reason = "the file has no response to this prompt"
                yield unanswered(question, subject.model, nowhere, "absent", reason, profiles)
