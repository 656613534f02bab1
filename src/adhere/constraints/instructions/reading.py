"""`read_instructions`: what a text asks of the answer, what of it was understood, and what was not.

    reading = read_instructions("Keep it under 50 words, and if you can, rhyme.")
    reading.constraints     the constraints, in order, each once
    reading.understood      the clauses that stated them, with their places
    reading.not_understood  clauses that speak of length, wording or form and could not be read for sure, and why

Rules:

- A wrong reading is worse than none. A clause whose words are not all accounted for, one that holds under a condition,
  and one that may be about another text state nothing; they are named in `not_understood`.
- Two readings that contradict each other are both taken back.
- `parse(constraint.describe())` gives the constraint back, for every family.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from adhere.constraints.conflicts import contradict
from adhere.constraints.constraint import Constraint, Span
from adhere.constraints.instructions import clauses, layout
from adhere.constraints.instructions.bare_terms import listed_terms, with_bare_terms, with_commas
from adhere.constraints.instructions.braces import Braced, combinations
from adhere.constraints.instructions.clause import Statement
from adhere.constraints.instructions.languages import language_of, lexicon
from adhere.constraints.instructions.quantity import ABOUT
from adhere.constraints.instructions.segments import Segment, Surroundings
from adhere.constraints.instructions.set_wordings import SetWording, set_wordings
from adhere.constraints.instructions.standing import standing_of
from adhere.constraints.instructions.tokenizer import tokenize
from adhere.constraints.instructions.tokens import Token
from adhere.constraints.registry import families, from_json
from adhere.core.errors import UserError


@dataclass(frozen=True, slots=True)
class Understood:
    """A clause that states constraints, and where it stands in the text."""

    span: Span
    text: str
    constraints: tuple[Constraint, ...]


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """A clause that speaks of what constraints are made of and states none for sure."""

    span: Span
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text asks of the answer."""

    text: str
    understood: tuple[Understood, ...] = ()
    not_understood: tuple[NotUnderstood, ...] = ()

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """The constraints, in the order in which the text states them, each once."""
        return tuple(dict.fromkeys(c for clause in self.understood for c in clause.constraints))

    def to_json(self) -> dict[str, Any]:
        """The reading as a JSON object; `start` and `end` are characters of the text, half-open."""
        return {
            "understood": [
                {
                    "text": clause.text,
                    "start": clause.span.start,
                    "end": clause.span.end,
                    "constraints": [constraint.to_json() for constraint in clause.constraints],
                }
                for clause in self.understood
            ],
            "not_understood": [
                {"text": missed.text, "start": missed.span.start, "end": missed.span.end, "why": missed.why}
                for missed in self.not_understood
            ],
        }


def read_instructions(text: str, *, about: float = ABOUT, language: str | None = None) -> Reading:
    """Read the constraints out of `text`.

    `about` is how far "about n" may be off, each way, as a share of n. `language` is the ISO 639-1 code of the word
    list to read with; by default each sentence is read with the one that its words are from.
    """
    readable = layout.readable(text)
    braced = combinations(readable, lambda inner: read_instructions(inner, about=about, language=language).constraints)
    for one in braced:
        readable = readable[: one.start] + " " * (one.end - one.start) + readable[one.end :]
    fixed = set_wordings(readable)
    covered = [(wording.start, wording.end) for wording in fixed]
    understood: list[Understood] = []
    missed: list[NotUnderstood] = []
    stretches: list[Braced | SetWording] = [*braced, *fixed]
    for stated in stretches:
        span, written = Span(stated.start, stated.end), text[stated.start : stated.end]
        if stated.constraint is not None:
            understood.append(Understood(span, written, (stated.constraint,)))
        else:
            missed.append(NotUnderstood(span, written, stated.why))
    task = spoke = False
    composed: set[str] = set()
    default = language or language_of(readable)
    sentences = list(layout.sentences(readable))
    listed_until = 0
    for at, sentence in enumerate(sentences):
        if sentence.end - sentence.start > layout.LONGEST_SENTENCE or at < listed_until:
            continue
        written = _without(readable, sentence.start, sentence.end, covered)
        code = language or language_of(written, default)
        words = lexicon(code)
        tokens = tokenize(written, words, sentence.start)
        items = listed_terms(tokens, readable, sentences, at)
        listed_until = at + 1 + len(items)
        tokens += with_commas(items)
        tokens = _known(with_bare_terms(tokens, "" if items else written, sentence.start), composed)
        if not tokens:
            continue
        heading = _heading(readable, sentence, code)
        read = clauses.read_sentence(tokens, Surroundings(task, spoke, heading, frozenset(composed)), about)
        task = task or read.standing in ("task", "question") or any(segment.statements for segment in read.segments)
        spoke = spoke or read.standing == "statement"
        composed |= _composed(tokens)
        for segment in _joined(read.segments):
            _report(text, tokens, segment, understood, missed)
    return _settled(text, understood, missed)


def _composed(tokens: list[Token]) -> set[str]:
    """The noun that a sentence asks to be written: "write a villanelle about ..."."""
    nouns: set[str] = set()
    verb = next((at for at, token in enumerate(tokens) if token.role in ("compose", "request")), None)
    if verb is None:
        return nouns
    last = ""
    for token in tokens[verb + 1 : verb + 9]:
        if token.role in ("other", "artifact"):
            last = token.text.lower().split()[-1]
        elif token.role not in (
            "article",
            "adjective",
            "number",
            "hyphen",
            "unit",
            "rel",
            "request",
            "compose",
            "subject",
        ):
            break
    if last:
        nouns.add(last)
    return nouns


def _known(tokens: list[Token], composed: set[str]) -> list[Token]:
    """`tokens`, with "the villanelle" as the answer where one was asked for."""
    return [
        replace(token, role="artifact")
        if token.role == "other" and at and tokens[at - 1].role == "definite" and token.text.lower() in composed
        else token
        for at, token in enumerate(tokens)
    ]


def _joined(segments: list[Segment]) -> list[Segment]:
    """The stretches of a sentence, those that no rule read and that nothing separates as one."""
    joined: list[Segment] = []
    for segment in segments:
        last = joined[-1] if joined else None
        if last and last.statements is None and segment.statements is None and last.end == segment.start:
            joined[-1] = Segment(last.start, segment.end)
        else:
            joined.append(segment)
    return joined


def _report(
    text: str,
    tokens: list[Token],
    segment: Segment,
    understood: list[Understood],
    missed: list[NotUnderstood],
) -> None:
    own = tokens[segment.start : segment.end]
    if not own:
        return
    span = Span(own[0].start, own[-1].end)
    written = text[span.start : span.end]
    if segment.statements:
        try:
            stated = tuple(built(statement) for statement in segment.statements)
        except (UserError, ValidationError, ValueError, KeyError):
            missed.append(NotUnderstood(span, written, "states something that no family can be"))
            return
        understood.append(Understood(span, written, stated))
    elif segment.statements is not None:
        missed.append(NotUnderstood(span, written, segment.why or "states nothing that can be checked"))
    elif clauses.carries(own):
        missed.append(NotUnderstood(span, written, "is not in the grammar"))


def built(statement: Statement) -> Constraint:
    """The constraint that a statement makes.

    Raises:
        UserError: there is no such family, or it does not take these parameters.
    """
    constraint = from_json({"kind": statement.kind, **statement.parameters})
    if statement.denied:
        constraint = families()["not"].model_validate({"of": constraint})
    if statement.scope is not None:
        kind, part = statement.scope
        constraint = families()[kind].model_validate({"part": part, "of": constraint})
    return constraint


def _without(text: str, start: int, end: int, covered: list[tuple[int, int]]) -> str:
    """A sentence with what set wordings have read blanked out by a sign that ends a clause."""
    written = text[start:end]
    for first, last in covered:
        low, high = max(first, start) - start, min(last, end) - start
        if low < high:
            written = written[:low] + ";" + " " * (high - low - 1) + written[high:]
    return written


def _heading(text: str, sentence: layout.Sentence, code: str) -> str:
    """Why a list's heading keeps its items from ordering anything; empty where it does not."""
    if sentence.heading is None:
        return ""
    start, end = sentence.heading
    tokens = tokenize(text[start:end], lexicon(code), start)
    roles = {token.role for token in tokens}
    if roles & {"condition", "speech"}:
        return "stands in a list under a condition"
    if roles & {"soft", "no_need"}:
        return "stands in a list of preferences"
    if tokens and any(token.role == "example" for token in tokens[-3:]):
        return "is an example"
    standing = standing_of(tokens)
    if standing == "statement" and roles & {"past", "person"}:
        return "stands in a list about something that is not known"
    if standing in ("task", "question") or roles & {"label", "subject", "artifact", "request", "you"}:
        return "" if not roles & {"part"} else "stands in a list about a part of the answer"
    return "stands in a list about something that is not known"


def _settled(text: str, understood: list[Understood], missed: list[NotUnderstood]) -> Reading:
    """In the order of the text, without readings that contradict each other."""
    stated = [(clause, constraint) for clause in understood for constraint in clause.constraints]
    if len(stated) <= 64:
        out = {
            index
            for index, (_, one) in enumerate(stated)
            if any(other != one and contradict(one, other) for _, other in stated)
        }
    else:
        out = set()
    wrong = {id(stated[index][0]) for index in out}
    missed += [
        NotUnderstood(clause.span, clause.text, "contradicts another reading")
        for clause in understood
        if id(clause) in wrong
    ]
    kept = sorted((clause for clause in understood if id(clause) not in wrong), key=lambda clause: clause.span.start)
    return Reading(text, tuple(kept), tuple(sorted(missed, key=lambda clause: clause.span.start)))
