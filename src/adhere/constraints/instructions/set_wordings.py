"""Sentences in a fixed form: what the families' own `wordings` read.

The grammar knows lengths, terms, case, marks, language, JSON, beginnings and ends. Every other family states the
sentences that it reads as regular expressions (`Constraint.wordings`). A match counts where the longest of those that
overlap it stands, and only where its sentence orders it: no condition, permission, preference, reported speech or
question, and no negation outside the match.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from adhere.constraints.constraint import Constraint
from adhere.constraints.instructions import clauses, layout
from adhere.constraints.instructions.languages import lexicon
from adhere.constraints.instructions.refusals import is_condition
from adhere.constraints.instructions.standing import standing_of
from adhere.constraints.instructions.tokenizer import tokenize
from adhere.constraints.instructions.tokens import Token
from adhere.constraints.registry import families


@dataclass(frozen=True, slots=True)
class SetWording:
    """A stretch that a family's wording matched: the constraint, or why it orders nothing."""

    start: int
    end: int
    constraint: Constraint | None
    why: str = ""


def set_wordings(text: str) -> list[SetWording]:
    """What the families' wordings state in a readable text, in its order."""
    chosen: list[SetWording] = []
    for candidate in sorted(_candidates(text), key=lambda one: (one.start - one.end, one.start)):
        if not any(candidate.start < other.end and other.start < candidate.end for other in chosen):
            chosen.append(candidate)
    chosen.sort(key=lambda one: one.start)
    if not chosen:
        return []
    spans = list(layout.sentences(text))
    return [_ordered(text, one, spans) for one in chosen]


def _candidates(text: str) -> Iterator[SetWording]:
    for family in families().values():
        for wording in family.wordings:
            for match in wording.finditer(text):
                try:
                    constraint = family.read(match)
                except ValueError:  # the words state something that the family cannot be
                    continue
                if constraint is not None:
                    yield SetWording(match.start(), match.end(), constraint)


def _ordered(text: str, wording: SetWording, spans: list[layout.Sentence]) -> SetWording:
    """The wording, without its constraint where its sentence does not order it."""
    start = max((span.start for span in spans if span.start <= wording.start), default=0)
    end = min((span.end for span in spans if span.end >= wording.end), default=len(text))
    words = lexicon("en")
    left = tokenize(text[start : wording.start], words, start)[-clauses.MOST_TOKENS :]
    right = tokenize(text[wording.end : end][:400], words, wording.end)
    why = ""
    roles = {token.role for token in (*left, *right)}
    if roles & {"speech"}:
        why = "reports what somebody said"
    elif any(t.role == "condition" and is_condition(left, at) for at, t in enumerate(left)) or (
        right and right[0].role == "condition"
    ):
        why = "holds only under a condition"
    elif roles & {"no_need"}:
        why = "is left free"
    elif any(t.role == "per" or (t.role == "part" and t.value[0] == "each") for t in left[-2:]):
        why = "is about a part that is not understood"
    elif any(token.role == "soft" for token in left):
        why = "is a preference"
    elif any(token.role in ("neg", "avoid") for token in _same_part(left)):
        why = "is denied in a way that is not understood"
    elif standing_of(left) == "statement" and any(t.role in ("other", "person", "past") for t in left):
        why = "belongs to a statement"
    elif right and right[-1].text == "?" and left and standing_of(left) in ("question", "yes_no"):
        why = "is a question"
    return SetWording(wording.start, wording.end, None, why) if why else wording


def _same_part(left: list[Token]) -> list[Token]:
    """What stands before the match in its own part of the sentence."""
    start = max(
        (
            at + 1
            for at, token in enumerate(left)
            if token.role in ("comma", "semicolon", "but", "and", "colon", "dash", "end")
        ),
        default=0,
    )
    return left[start:]
