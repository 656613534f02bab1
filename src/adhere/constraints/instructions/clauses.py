"""Which stretches of a sentence order something of the answer.

A sentence is cut into clauses (`segments`); what no rule reads is the task, a statement, a question or a condition
(`standing`), and decides whether the clauses beside it order anything (`refusals`, `left_context`, `right_context`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adhere.constraints.instructions.left_context import Place, left_refusal
from adhere.constraints.instructions.refusals import part_refusal, sentence_refusal
from adhere.constraints.instructions.right_context import right_refusal
from adhere.constraints.instructions.segments import Segment, Surroundings, cut
from adhere.constraints.instructions.standing import begins_anew, standing_of
from adhere.constraints.instructions.tokens import Token

MOST_TOKENS = 500
"""A longer sentence is not read."""


@dataclass(slots=True)
class SentenceReading:
    """The segments of a sentence, and what the sentence is (see `standing`)."""

    segments: list[Segment]
    standing: str


def read_sentence(tokens: Sequence[Token], around: Surroundings, about: float) -> SentenceReading:
    """The clauses of one sentence."""
    if len(tokens) > MOST_TOKENS:
        return SentenceReading([], "statement")
    segments = cut(tokens, about)
    standing = standing_of(tokens)
    _settle(tokens, segments, standing, around)
    return SentenceReading(segments, standing)


def _settle(tokens: Sequence[Token], segments: list[Segment], standing: str, around: Surroundings) -> None:
    """Take back what was read where the surroundings say that it orders nothing."""
    refusal = around.heading or sentence_refusal(tokens, segments, standing)
    for index, segment in enumerate(segments):
        if segment.statements is None:
            continue
        if not segment.statements:
            segment.why = segment.why or "states nothing that can be checked"
            continue
        why = refusal or part_refusal(tokens, segment)
        why = why or left_refusal(_place(tokens, segments, index, standing, around))
        why = why or right_refusal(tokens, segments, index)
        if why:
            segment.statements, segment.why = [], why


def _place(
    tokens: Sequence[Token], segments: Sequence[Segment], index: int, standing: str, around: Surroundings
) -> Place:
    """A clause in its sentence, or in what of it is an order of its own behind a statement."""
    start = 0
    if standing == "statement":
        start = max((at for at in range(1, segments[index].start + 1) if begins_anew(tokens, at)), default=0)
    if not start:
        return Place(tokens, segments, index, standing, around)
    return Place(tokens, segments, index, standing_of(tokens[start:]), around, start)


def carries(tokens: Sequence[Token]) -> bool:
    """Whether an unread stretch speaks of something that constraints are made of."""
    roles = {token.role for token in tokens}
    if roles & {"gauge", "case", "anymark", "format"}:
        return True
    if "mark" in roles and roles & {"neg", "avoid", "use"}:
        return True
    if "unit" in roles and roles & {"number", "vague", "rel", "part"}:
        return True
    if "quote" in roles and roles & {"wordnoun", "include", "avoid", "begin", "finish", "use"}:
        return True
    if "language" in roles and roles & {"answer_verb", "only"}:
        return True
    return "part" in roles and bool(roles & {"be", "modal", "begin", "finish"})
