"""A sentence cut into clauses that a rule reads and stretches that none does.

A sentence is cut at signs, conjunctions and the words that can begin an adjunct ("in", "using", "without"). From each
cut on, the longest stretch that a rule reads as a whole is a clause. A clause without a subject of its own is about the
part of the answer that the clause before it was about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adhere.constraints.instructions.amounts import amounts
from adhere.constraints.instructions.clause import Clause, Scope, Statement
from adhere.constraints.instructions.edges import edges
from adhere.constraints.instructions.surface import surface
from adhere.constraints.instructions.terms import terms
from adhere.constraints.instructions.tokens import Token

RULES: tuple[Callable[[Clause], list[Statement] | None], ...] = (edges, terms, amounts, surface)

LONGEST_CLAUSE = 60
"""Tokens; a clause that states one thing is shorter, lists of terms apart."""

BLOCKING = frozenset({
    "other", "topic", "condition", "concession", "question", "past", "speech", "person", "vague", "soft", "no_need",
    "label", "select",
    "example",
})  # fmt: skip
"""Roles that no rule has a place for."""

SEPARATORS = frozenset({"comma", "semicolon", "colon", "dash", "open", "close", "but", "and", "end", "or"})
_STATING = frozenset({"number", "quote", "case", "mark", "language", "format", "capitalize"})
"""A clause states something only with one of these."""
STRONG = frozenset({"semicolon", "but", "dash", "end", "open", "close"})
_OPENERS = frozenset({
    "prep", "rel", "neg", "use", "include", "avoid", "topic", "that", "condition", "concession", "request", "per",
    "keep", "limit", "only", "begin", "finish", "case", "part", "question", "example",
})  # fmt: skip
IMPERATIVE = frozenset({
    "compose", "answer_verb", "treat", "use", "include", "keep", "put", "limit", "avoid", "begin", "finish",
    "capitalize", "select",
})  # fmt: skip
_SUBJECTS = frozenset({"subject", "artifact", "part", "gauge", "wordnoun"})


@dataclass(slots=True)
class Segment:
    """A stretch of a sentence: tokens from `start` up to `end`. `statements` is None where no rule read it."""

    start: int
    end: int
    statements: list[Statement] | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the text around a sentence says: whether something was asked for before it, whether the writer spoke of
    themselves, and whether the heading of its list is a condition or something unknown."""

    task: bool = False
    spoke: bool = False
    heading: str = ""
    composed: frozenset[str] = frozenset()
    """What was asked to be written so far: "essay", "caption"."""


def cut(tokens: Sequence[Token], about: float) -> list[Segment]:
    """The sentence cut into clauses that a rule read and stretches that none did."""
    cuts = _cuts(tokens)
    stops = [at for at in range(1, len(tokens) + 1) if at == len(tokens) or tokens[at].role in SEPARATORS or at in cuts]
    segments: list[Segment] = []
    inherited: Scope | None = None
    counted: str | None = None
    declared = False
    at = 0
    while at < len(tokens):
        if tokens[at].role in SEPARATORS:
            at += 1
            continue
        blocked = next((k for k in range(at, len(tokens)) if tokens[k].role in BLOCKING), len(tokens))
        inherits = inherited if not _own_subject(tokens[at:], declared) else None
        if tokens[at].role == "example":
            at = next((k for k in range(at + 1, len(tokens)) if tokens[k].role in STRONG - {"open"}), len(tokens))
            continue
        limit = min(blocked, at + LONGEST_CLAUSE)
        reachable = [stop for stop in stops if at < stop <= limit]
        segment = _longest_clause(tokens, at, reachable, inherits, counted, about)
        if segment is None:
            end = next((stop for stop in stops if stop > at), len(tokens))
            segment = Segment(at, end)
        own = tokens[at : segment.end]
        inherited = _subject_part(own, inherits)
        declared = inherited is not None and (declared or any(token.role in ("modal", "be", "neg") for token in own))
        counted = next((t.value for t in reversed(own) if t.role == "unit" and t.value), counted)
        segments.append(segment)
        at = segment.end
    return segments


def _longest_clause(
    tokens: Sequence[Token], at: int, stops: list[int], inherits: Scope | None, counted: str | None, about: float
) -> Segment | None:
    """The longest stretch from `at` to one of `stops` that a rule reads; None where there is none."""
    unchecked: Segment | None = None
    for stop in reversed(stops):
        end = stop
        while end > at and tokens[end - 1].role in SEPARATORS - {"close"}:
            end -= 1
        if not any(token.role in _STATING for token in tokens[at:end]):
            break  # and no shorter stretch states anything either
        statements = _read(Clause(_peeled(tokens[at:end]), inherits, counted, about))
        if statements is None:
            continue
        if statements or not any(token.role in ("colon", "semicolon", "dash") for token in tokens[at:end]):
            return Segment(at, end, statements)
        unchecked = unchecked or Segment(at, end, statements)
    return unchecked


def _peeled(tokens: Sequence[Token]) -> tuple[Token, ...]:
    """Without a bracket that opens or closes around the whole."""
    kept = list(tokens)
    while kept and kept[0].role in ("open", "close"):
        kept = kept[1:]
    while kept and kept[-1].role in ("open", "close"):
        kept = kept[:-1]
    return tuple(kept)


def _read(clause: Clause) -> list[Statement] | None:
    if not clause.tokens:
        return None
    for rule in RULES:
        statements = rule(clause)
        if statements is not None:
            return statements
    return None


def _cuts(tokens: Sequence[Token]) -> set[int]:
    cuts = {0}
    for at, token in enumerate(tokens[1:], 1):
        if (
            token.role in _OPENERS
            or tokens[at - 1].role == "artifact"
            or token.role in ("treat", "compose")
            or tokens[at - 1].role in SEPARATORS
            or (tokens[at - 1].role in BLOCKING and tokens[at - 1].role != "other")
        ):
            cuts.add(at)
    return cuts


def _own_subject(tokens: Sequence[Token], declared: bool) -> bool:
    """Whether a stretch begins with an order or a subject of its own. Behind a statement about a part ("the first line
    must be short and not begin with ...") a verb goes on with that part."""
    for token in tokens:
        if token.role in ("fill", "article", "definite", "neg", "request", "and", "comma", "you", "sequence"):
            continue
        return (token.role in IMPERATIVE and not declared) or token.role in _SUBJECTS
    return False


def _subject_part(tokens: Sequence[Token], inherited: Scope | None) -> Scope | None:
    """The part of the answer that a stretch is about, by its first words."""
    for token in tokens[:4]:
        if token.role == "part":
            return (token.value[0], token.value[1])
        if token.role in IMPERATIVE or token.role in ("subject", "artifact"):
            return None
    return inherited
