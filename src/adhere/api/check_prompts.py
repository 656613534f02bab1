"""Prompts whose text and stated instructions disagree: what `adhere check-prompts` does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adhere.constraints.conflicts import contradict
from adhere.constraints.constraint import Constraint
from adhere.constraints.instructions.reading import Reading, read_instructions
from adhere.measure.adherence.asking import understand
from adhere.measure.adherence.responses import Prompts


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A constraint that a prompt states and one that its record lists, or that its text states a second time, which no
    answer can meet together or whose numbers differ."""

    key: str
    read: Constraint
    clause: str
    listed: Constraint
    why: str

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "clause": self.clause,
            "read": self.read.to_json(),
            "listed": self.listed.to_json(),
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class CheckedPrompt:
    """A prompt with its reading and where that disagrees with what is listed for it."""

    key: str
    reading: Reading
    listed: tuple[Constraint, ...]
    disagreements: tuple[Disagreement, ...]


def check_file(path: str | os.PathLike[str]) -> Iterator[CheckedPrompt]:
    """`check_prompts` of a file of prompts, ours or a benchmark's.

    Raises:
        UserError: the file or a line in it cannot be read, or an instruction is unknown.
    """
    for key, question in Prompts.load(path).by_id.items():
        listed = [understand(stated, ("fixed",)).constraints[0][1] for stated in question.asked]
        yield from check_prompts([(key, question.prompt, listed)])


def check_prompts(prompts: Iterable[tuple[str, str, Iterable[Constraint]]]) -> Iterator[CheckedPrompt]:
    """Compare the words of each (key, text, listed constraints) with the list."""
    for key, text, given in prompts:
        listed = tuple(given)
        reading = read_instructions(text)
        yield CheckedPrompt(key, reading, listed, tuple(_disagreements(key, reading, listed)))


def _disagreements(key: str, reading: Reading, listed: tuple[Constraint, ...]) -> Iterator[Disagreement]:
    for clause in reading.understood:
        for read in clause.constraints:
            if read in listed:
                continue
            for one in listed:
                why = contradict(read, one) or _differs(read, one, listed)
                if why:
                    yield Disagreement(key, read, clause.text, one, why)
    for read, written in _several(reading):
        for one in listed:
            if reason := contradict(read, one):
                yield Disagreement(key, read, written, one, reason)


_SEVERAL = re.compile(r"\b(?:a few|several|multiple|some)\b", re.I)


def _several(reading: Reading) -> Iterator[tuple[Constraint, str]]:
    """Clauses with "a few" or "several", which state no bound for sure, as "at least 2": enough to contradict "one"."""
    for clause in reading.not_understood:
        if _SEVERAL.search(clause.text):
            for constraint in read_instructions(_SEVERAL.sub("at least 2", clause.text)).constraints:
                yield constraint, clause.text


def _differs(read: Constraint, one: Constraint, listed: tuple[Constraint, ...]) -> str:
    """Why two constraints of one kind cannot be two readings of one instruction; empty where they may be."""
    if read.kind != one.kind or sum(other.kind == one.kind for other in listed) > 1:
        return ""
    theirs, ours = _counted(one), _counted(read)
    if theirs is None or ours is None or theirs[0] != ours[0]:
        return ""
    low, high = theirs[1]
    if (low is not None and ours[1][0] is not None and ours[1][0] != low) or (
        high is not None and ours[1][1] is not None and ours[1][1] != high
    ):
        return "the numbers differ"
    if ours[1][0] is None and low is not None and high is None:
        return "one is an upper bound, the other a lower bound"
    if ours[1][1] is None and high is not None and low is None:
        return "one is a lower bound, the other an upper bound"
    return ""


def _counted(constraint: Constraint) -> tuple[Mapping[str, Any], tuple[int | None, int | None]] | None:
    """What a bounded constraint counts, and its bounds."""
    record = constraint.model_dump()
    if "at_least" not in record and "at_most" not in record:
        return None
    bounds = (record.pop("at_least", None), record.pop("at_most", None))
    record.pop("profile", None)
    return {name: str(value).casefold() for name, value in record.items()}, bounds
