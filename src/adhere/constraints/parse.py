"""Reading constraints out of an instruction in English.

Every family says how such instructions are worded (`wordings`) and what a match states (`read`); this file only
puts them together, so a new family is read without a change here.

Rules:

- `parse(constraint.describe())` gives the constraint back, for every family.
- A stretch of text states one constraint: where two matches overlap, the one that explains more of the text wins
  ("use the word "sea" at least twice" is a frequency, not an inclusion and a length), then the one that began first.
- Text inside a Markdown fence is material, not instruction, and is not read.
- Wordings are regular expressions without nested repetition over the same characters; a text longer than
  `LONGEST` is read up to there. Reading costs one pass per wording.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from adhere.constraints.constraint import Constraint, Span
from adhere.constraints.registry import families

LONGEST = 100_000
"""Characters of an instruction that are read. Longer prompts carry documents, and documents are not instructions."""

_FENCED = re.compile(r"^ {0,3}(```|~~~).*?(?:^ {0,3}\1[^\n]*$|\Z)", re.M | re.S)


@dataclass(frozen=True, slots=True)
class Found:
    """A constraint and the stretch of the instruction that states it."""

    constraint: Constraint
    span: Span


def find(instruction: str) -> list[Found]:
    """The constraints that `instruction` states, in the order in which it states them, each with its place."""
    text = _FENCED.sub(lambda fenced: " " * len(fenced[0]), instruction[:LONGEST])
    candidates = sorted(_candidates(text), key=lambda found: (found.span.start - found.span.end, found.span.start))
    chosen: list[Found] = []
    for candidate in candidates:
        if any(_overlap(candidate.span, other.span) for other in chosen):
            continue
        chosen.append(candidate)
    chosen.sort(key=lambda found: found.span.start)
    return list({found.constraint: found for found in reversed(chosen)}.values())[::-1]


def parse(instruction: str) -> tuple[Constraint, ...]:
    """The constraints that `instruction` states, in the order in which it states them, each once."""
    return tuple(found.constraint for found in find(instruction))


def _candidates(text: str) -> Iterator[Found]:
    for family in families().values():
        for wording in family.wordings:
            for match in wording.finditer(text):
                try:
                    constraint = family.read(match)
                except ValueError:  # the words state something the family cannot be: "between 5 and 3 words"
                    continue
                if constraint is not None:
                    yield Found(constraint, Span(match.start(), match.end()))


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end
