"""Which stretches of a sentence order something of the answer.

A sentence is cut at signs, conjunctions and the words that can begin an adjunct ("in", "using", "without"). From each
cut on, the longest stretch that a rule reads as a whole is a clause; what no rule reads is the task, a statement, a
question or a condition, and decides whether the clauses beside it order anything:

- Conditions bind the whole sentence; preferences and permissions the part of it between strong signs.
- A clause without a verb of its own ("in 50 words") needs a task, a question or nothing before it; never a statement
  ("the report was delivered in 50 words").
- What follows a clause must be a sign, another clause or the topic ("about the sea"): "3 lines of code" is no clause.
- A clause without a subject of its own is about the part of the answer that the clause before it was about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from adhere.constraints.instructions.amounts import amounts
from adhere.constraints.instructions.clause import Clause, Scope, Statement
from adhere.constraints.instructions.edges import edges
from adhere.constraints.instructions.surface import surface
from adhere.constraints.instructions.terms import terms
from adhere.constraints.instructions.tokens import Token

RULES: tuple[Callable[[Clause], list[Statement] | None], ...] = (edges, terms, amounts, surface)

LONGEST_CLAUSE = 60
"""Tokens; a clause that states one thing is shorter, lists of terms apart."""

MOST_TOKENS = 500
"""A longer sentence is not read."""

BLOCKING = frozenset({
    "other", "topic", "condition", "concession", "question", "past", "speech", "person", "vague", "soft", "no_need",
    "label", "select",
    "example",
})  # fmt: skip
"""Roles that no rule has a place for."""

_SEPARATORS = frozenset({"comma", "semicolon", "colon", "dash", "open", "close", "but", "and", "end", "or"})
_STATING = frozenset({"number", "quote", "case", "mark", "language", "format", "capitalize"})
"""A clause states something only with one of these."""
_STRONG = frozenset({"semicolon", "but", "dash", "end", "open", "close"})
_OPENERS = frozenset({
    "prep", "rel", "neg", "use", "include", "avoid", "topic", "that", "condition", "concession", "request", "per",
    "keep", "limit", "only", "begin", "finish", "case", "part", "question", "example",
})  # fmt: skip
_IMPERATIVE = frozenset({
    "compose", "answer_verb", "treat", "use", "include", "keep", "put", "limit", "avoid", "begin", "finish",
    "capitalize", "select",
})  # fmt: skip
_SUBJECTS = frozenset({"subject", "artifact", "part", "gauge", "wordnoun"})
_CARRIES = frozenset(
    {
        "number",
        "vague",
        "unit",
        "gauge",
        "case",
        "mark",
        "anymark",
        "format",
        "part",
        "quote",
        "wordnoun",
        "language",
        "letter",
        "often",
    }
)


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


@dataclass(slots=True)
class SentenceReading:
    segments: list[Segment]
    standing: str
    """task, question, yes_no, statement, fragment: what the sentence is, by its first stretch."""
    rejected: list[Segment] = field(default_factory=list)


def read_sentence(tokens: Sequence[Token], around: Surroundings, about: float) -> SentenceReading:
    """The clauses of one sentence."""
    if len(tokens) > MOST_TOKENS:
        return SentenceReading([], "statement")
    segments = _segments(tokens, about)
    standing = standing_of(tokens)
    _settle(tokens, segments, standing, around)
    return SentenceReading(segments, standing)


def _segments(tokens: Sequence[Token], about: float) -> list[Segment]:
    """The sentence cut into clauses that a rule read and stretches that none did."""
    cuts = _cuts(tokens)
    stops = [
        at for at in range(1, len(tokens) + 1) if at == len(tokens) or tokens[at].role in _SEPARATORS or at in cuts
    ]
    segments: list[Segment] = []
    inherited: Scope | None = None
    counted: str | None = None
    declared = False
    at = 0
    while at < len(tokens):
        if tokens[at].role in _SEPARATORS:
            at += 1
            continue
        blocked = next((k for k in range(at, len(tokens)) if tokens[k].role in BLOCKING), len(tokens))
        inherits = inherited if not _own_subject(tokens[at:], declared) else None
        if tokens[at].role == "example":
            at = next((k for k in range(at + 1, len(tokens)) if tokens[k].role in _STRONG - {"open"}), len(tokens))
            continue
        segment: Segment | None = None
        for stop in reversed([stop for stop in stops if at < stop <= min(blocked, at + LONGEST_CLAUSE)]):
            end = stop
            while end > at and tokens[end - 1].role in _SEPARATORS - {"close"}:
                end -= 1
            if not any(token.role in _STATING for token in tokens[at:end]):
                break  # and no shorter stretch states anything either
            clause = Clause(_peeled(tokens[at:end]), inherits, counted, about)
            statements = _read(clause)
            if statements is None:
                continue
            segment = segment or Segment(at, end, statements)
            if statements or not any(token.role in ("colon", "semicolon", "dash") for token in tokens[at:end]):
                segment = Segment(at, end, statements)
                break
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
            or tokens[at - 1].role in _SEPARATORS
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
        return (token.role in _IMPERATIVE and not declared) or token.role in _SUBJECTS
    return False


def _subject_part(tokens: Sequence[Token], inherited: Scope | None) -> Scope | None:
    """The part of the answer that a stretch is about, by its first words."""
    for token in tokens[:4]:
        if token.role == "part":
            return (token.value[0], token.value[1])
        if token.role in _IMPERATIVE or token.role in ("subject", "artifact"):
            return None
    return inherited


def standing_of(tokens: Sequence[Token]) -> str:
    """What a sentence is, by its first words; where verbs come last, by those."""
    if any(token.role == "closing" for token in tokens):
        return "task"
    for at, token in enumerate(tokens):
        role = token.role
        if role in (
            "fill",
            "comma",
            "and",
            "but",
            "dash",
            "open",
            "sequence",
            "colon",
            "neg",
            "only",
            "adjective",
            "end",
            "close",
        ):
            continue
        after = tokens[at + 1] if at + 1 < len(tokens) else None
        if role == "request":
            return "task"
        if role in _IMPERATIVE or role == "exceed":
            return "task"
        if role == "question":
            return "question" if token.text.lower() not in ("does", "did", "didn't") else "yes_no"
        if role in ("condition",):
            return "condition"
        if role == "be" and token.text.lower() == "be":
            return "task"
        if role in ("be", "may", "modal") and at == 0:
            return "yes_no"
        if role in (
            "article",
            "number",
            "rel",
            "prep",
            "case",
            "part",
            "gauge",
            "format",
            "language",
            "mark",
            "wordnoun",
            "label",
            "quote",
            "limit",
            "subject",
            "per",
            "often",
            "letter",
            "unit",
            "anymark",
        ):
            return "fragment"
        if role == "artifact":
            return "fragment"
        if role == "definite":
            return (
                "fragment"
                if after
                and after.role
                in (
                    "artifact",
                    "subject",
                    "part",
                    "gauge",
                    "wordnoun",
                    "letter",
                    "unit",
                    "adjective",
                    "language",
                    "format",
                    "case",
                    "mark",
                    "quote",
                )
                else "statement"
            )
        if role in ("soft", "no_need"):
            return "preference"
        if role == "other":
            if (
                at == 0
                and after
                and (
                    after.role in ("article", "definite", "question")
                    or after.text.lower() in ("me", "my", "us", "up", "out")
                )
            ):
                return "task"
            return "statement"
        return "statement"
    return "fragment"


def _settle(tokens: Sequence[Token], segments: list[Segment], standing: str, around: Surroundings) -> None:
    """Take back what was read where the surroundings say that it orders nothing."""
    refusal = _sentence_refusal(tokens, segments, standing, around)
    for index, segment in enumerate(segments):
        if segment.statements is None:
            continue
        if not segment.statements:
            segment.why = segment.why or "states nothing that can be checked"
            continue
        why = refusal or _part_refusal(tokens, segment) or _left_refusal(tokens, segments, index, standing, around)
        why = why or _right_refusal(tokens, segments, index)
        if why:
            segment.statements, segment.why = [], why


def _sentence_refusal(tokens: Sequence[Token], segments: Sequence[Segment], standing: str, around: Surroundings) -> str:
    if around.heading:
        return around.heading
    if any(is_condition(tokens, at) for at, token in enumerate(tokens) if token.role == "condition"):
        return "holds only under a condition"
    if any(token.role == "question" for token in tokens) and tokens[-1].text in ("?", "？") and standing == "fragment":
        return "is a question"
    if _asks_in_the_end(tokens, standing):
        return "is a question"
    if any(token.role == "speech" for token in tokens):
        return "reports what somebody said"
    if tokens and tokens[-1].text == "?" and not _asks(tokens, segments, standing):
        return "is a question"
    return ""


_UNSPACED = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def _asks_in_the_end(tokens: Sequence[Token], standing: str) -> bool:
    """Whether a sentence is a question by its last word (Japanese, Chinese), or by any where nothing is ordered."""
    words = [token for token in tokens if token.role not in ("end", "fill")]
    if not words or not _UNSPACED.search(words[-1].text):
        return False
    return words[-1].role == "question" or (standing == "fragment" and any(t.role == "question" for t in words))


def is_condition(tokens: Sequence[Token], at: int) -> bool:
    """Whether a word of condition opens a clause, and is no part of what is to be explained ("explain when ...")."""
    before = tokens[at - 1] if at else None
    if tokens[at].value == "first":
        return at == 0
    if before is None or before.role in _SEPARATORS:
        return True
    if tokens[at].text.lower() in ("when", "whether", "if", "once", "where the", "until", "else"):
        return not any(token.role in ("treat", "question", "other") for token in tokens[max(0, at - 3) : at]) or any(
            token.role in ("unit", "case", "format", "language", "quote", "mark") for token in tokens[:at]
        )
    return True


def _asks(tokens: Sequence[Token], segments: Sequence[Segment], standing: str) -> bool:
    """Whether a sentence with a question mark still gives an order: a request, or a real question with an adjunct."""
    if standing == "task":
        return True
    unread = [segment for segment in segments if segment.statements is None]
    if standing in ("question", "yes_no"):
        return bool(unread)
    return any(
        token.role in ("question", "be", "may", "modal", "other")
        for segment in unread
        for token in tokens[segment.start : segment.start + 3]
    )


def _part_refusal(tokens: Sequence[Token], segment: Segment) -> str:
    """A preference or permission in the same part of the sentence, between strong signs."""
    strong = [at for at in range(len(tokens)) if tokens[at].role in _STRONG or _turns_to_wishes(tokens, at)]
    start = max((at + 1 for at in strong if at < segment.start), default=0)
    end = next((at for at in strong if at >= segment.end), len(tokens))
    for token in tokens[start:end]:
        if token.role == "soft":
            return "is a preference"
        if token.role == "no_need":
            return "is left free"
    return ""


def _turns_to_wishes(tokens: Sequence[Token], at: int) -> bool:
    """Whether a preference begins here, behind a conjunction: what stands before it is none ("..., and if you can")."""
    return tokens[at].role == "and" and at + 1 < len(tokens) and tokens[at + 1].role in ("soft", "no_need")


def _left_refusal(
    tokens: Sequence[Token], segments: Sequence[Segment], index: int, standing: str, around: Surroundings
) -> str:
    """Whether what stands before a clause lets it order something."""
    segment = segments[index]
    own = tokens[segment.start : segment.end]
    head = next(
        (token for token in own if token.role not in ("fill", "neg", "only", "and", "comma", "adjective")), own[0]
    )
    before = segments[:index]
    imperative = head.role in _IMPERATIVE or head.role == "request" or head.text.lower() == "be"
    subject = head.role in ("subject", "artifact") or (
        head.role in ("article", "definite", "modal") and any(t.role in ("subject", "artifact") for t in own[:4])
    )
    separated = (
        segment.start == 0
        or tokens[segment.start - 1].role in _SEPARATORS
        or (segment.start > 0 and tokens[segment.start - 1].role == "request")
    )
    if why := _foreign_artifact(own, around):
        return why
    if not before:
        if subject and head.text.lower() in ("it", "this", "them") and around.spoke and not around.task:
            return "is about something else"
        if head.role in ("modal", "may", "be") and not imperative:
            return "is a question or has no subject"
        return ""
    if any(_is_about_parts(tokens[one.start : one.end]) for one in before if not one.statements):
        return "may be about a part that is not understood"
    several = any(token.role == "part" for token in tokens[: segment.start])
    if own[0].role == "artifact" or (several and any(token.role == "artifact" for token in own[:3])):
        return "may be about a part that is not understood"
    counted_words = any(token.role == "unit" and token.value == "length.words" for token in tokens[: segment.start])
    if own[0].role == "prep" and not separated and counted_words and any(token.role == "case" for token in own):
        return "is about some words only"
    last = before[-1]
    if last.statements == [] and last.end == segment.start and not imperative:
        return "qualifies what stands before it"
    if last.statements:
        joined = last.end == segment.start and own[0].role == "prep" and own[0].value is None
        return "qualifies what stands before it" if joined and any(t.role == "unit" for t in own) else ""
    if last.statements is not None and last.why in ("is a preference", "is left free"):
        return "" if imperative else last.why
    unread = tokens[last.start : last.end]
    since = max(
        (at + 1 for at in range(segment.start - 1) if tokens[at].role in _SEPARATORS - {"and", "or"}), default=0
    )
    whole = tokens[since : segment.start]
    statement = standing == "statement"
    if imperative and separated:
        if before[0].start == 0 and tokens[0].text.lower() == "for" and not _is_own(tokens[1:2]):
            return "may hold for some requests only"
        if head.text.lower().endswith("ing") and statement:
            return "belongs to a statement"
        if (
            head.role in ("begin", "finish")
            and head.text.lower().endswith("ing")
            and any(t.role in ("number", "unit") for t in unread)
        ):
            return "belongs to what stands before it"
        return ""
    if separated and head.role in ("modal", "be") and _answers_subject(tokens):
        return ""
    if subject and separated:
        if statement and head.text.lower() in ("it", "this", "them"):
            return "is about something else"
        return ""
    if not separated and any(token.role in ("neg", "avoid") for token in unread):
        return "is denied in a way that is not understood"
    if before[0].start == 0 and tokens[0].text.lower() == "for" and not _is_own(tokens[1:2]):
        return "may hold for some requests only"
    if statement or (
        any(token.role == "past" for token in tokens[: segment.start]) and standing not in ("task", "question")
    ):
        return "belongs to a statement"
    if imperative and not head.text.lower().endswith("ing") and head.role not in ("limit",):
        return "belongs to what stands before it"
    if _names_another_text(tokens[: segment.start], standing):
        return "may be about another text"
    if standing == "yes_no" and not separated:
        return "belongs to a question"
    if separated:
        if tokens[segment.start - 1].role == "colon" and not _is_label(unread):
            return "belongs to something that is not known"
        if tokens[segment.start - 1].role in ("and", "or") and head.role in (
            "number",
            "unit",
            "article",
            "be",
            "modal",
        ):
            return "belongs to what stands before it"
        return ""
    first = own[0]
    if first.role == "prep":
        if standing == "fragment" and not any(token.role in ("artifact", "subject", "part") for token in whole):
            return "belongs to what stands before it"
        if first.value is not None and not _composes_twice(tokens[: segment.start]):
            if any(t.role in ("case", "language") for t in own) and not _plain_task(unread):
                return "belongs to what stands before it"
            return "" if standing in ("task", "question", "fragment") else "belongs to what stands before it"
        if first.value is None and any(token.role == "artifact" for token in whole) and not _composes_twice(whole):
            return "" if standing in ("task", "fragment") else "belongs to what stands before it"
        return "belongs to what stands before it"
    if first.role == "that":
        fits = any(t.role in ("artifact", "unit") for t in whole) and any(t.role == "compose" for t in whole)
        return "" if fits and standing == "task" else "belongs to what stands before it"
    adjunct = first.role in ("rel", "neg", "limit") or (
        first.role in ("use", "include", "avoid", "keep", "begin", "finish") and first.text.lower().endswith("ing")
    )
    if adjunct and standing in ("task", "question", "fragment") and not _composes_twice(tokens[: segment.start]):
        return ""
    return "belongs to what stands before it"


def _answers_subject(tokens: Sequence[Token]) -> bool:
    """Whether the sentence is about the answer from its beginning on."""
    first = next(
        (token for token in tokens if token.role not in ("fill", "request", "article", "definite", "adjective")), None
    )
    return first is not None and first.role in ("subject", "artifact")


def _plain_task(unread: Sequence[Token]) -> bool:
    """Whether a task speaks of nobody who might be the one that writes so: "about a man shouting in capitals"."""
    return not any(
        token.role in ("question", "that", "person", "past", "select")
        or (token.role == "other" and token.text.endswith("ing"))
        for token in unread
    ) and not any(
        token.text.lower() in ("translate", "convert", "say", "pronounce", "words", "word", "called")
        for token in unread
    )


def _is_own(tokens: Sequence[Token]) -> bool:
    return bool(tokens) and tokens[0].text.lower() in ("my", "our", "this", "these", "a", "an", "the")


def _is_about_parts(unread: Sequence[Token]) -> bool:
    """Whether an unread stretch speaks of parts of the answer, so that what follows may be about them alone."""
    return any(token.role in ("part", "per") for token in unread)


def _foreign_artifact(own: Sequence[Token], around: Surroundings) -> str:
    """Whether a clause is about a text that is not the answer: "a sonnet has 14 lines", "the caption must be short"."""
    first = [token for token in own if token.role not in ("fill", "request", "adjective", "neg")][:3]
    at = next((at for at, token in enumerate(first) if token.role == "artifact"), None)
    if at is None or at > 1 or (at == 1 and first[0].role not in ("definite", "article")):
        return ""
    after = own[own.index(first[at]) + 1 :]
    if own[0].role == "request" and at == 1 and first[0].text.lower() == "your":
        return ""
    if at == 0 and after and after[0].role == "colon":
        return "may be about a part that is not understood"
    verbs = [token for token in after if token.role in ("modal", "be", "may", "neg", "exceed")]
    if not verbs or (after and after[0].role not in ("modal", "be", "may", "neg")):
        return ""
    if not any(token.role in ("modal", "may", "neg") for token in verbs):
        return "is a statement about something else"
    noun = first[at].text.lower().split()[-1]
    if at == 1 and first[0].text.lower() == "your":
        return ""
    if around.composed:
        return "" if around.composed == {noun} else "may be about one text of several"
    return "is about something else" if around.task or around.spoke or (at == 1 and first[0].role == "article") else ""


def _is_label(unread: Sequence[Token]) -> bool:
    """Whether what stands before a colon only announces an order: "Length:", "Rules:", "Write a poem:"."""
    words = [
        token for token in unread if token.role not in ("fill", "colon", "definite", "article", "adjective", "and")
    ]
    if not words:
        return True
    if words[0].role in ("label", "request") or all(token.role in ("label", "subject", "gauge") for token in words):
        return True
    return words[0].role in _IMPERATIVE and any(token.role == "artifact" for token in words)


def _names_another_text(before: Sequence[Token], standing: str) -> bool:
    del standing
    return any(token.role == "select" for token in before[:3])


def _composes_twice(before: Sequence[Token]) -> bool:
    """Whether the task speaks of somebody else's writing: "explain how to write an essay in 500 words"."""
    for at, token in enumerate(before[1:], 1):
        if token.role in ("compose", "answer_verb") and before[at - 1].role in (
            "to",
            "question",
            "person",
            "modal",
            "you",
            "past",
        ):
            return True
        if token.role == "person" and at + 1 < len(before) and before[at + 1].role in ("to", "compose", "answer_verb"):
            return True
    return False


_SAFE_PREPOSITIONS = frozenset(("at", "with", "by", "as", "to", "into", "from"))


def _right_refusal(tokens: Sequence[Token], segments: Sequence[Segment], index: int) -> str:
    """Whether what follows a clause may qualify it in a way that is not understood."""
    segment = segments[index]
    if segment.end >= len(tokens):
        return ""
    follows = tokens[segment.end]
    rest = segments[index + 1] if index + 1 < len(segments) else None
    if follows.role in ("comma", "semicolon", "dash", "end", "close", "but", "colon", "and"):
        if rest is not None and rest.statements is None and _qualifies(tokens[rest.start : rest.end]):
            return "goes on in a way that is not understood"
        return ""
    if follows.role in ("open", "request", "fill", "example"):
        return ""
    if follows.role in ("prep", "to") and tokens[segment.end - 1].role == "artifact":
        return ""
    if rest is None:
        return ""
    if follows.role in ("treat", "compose") and (
        segment.start == 0
        or tokens[segment.start - 1].role in _SEPARATORS
        or tokens[segment.start - 1].role == "request"
    ):
        return ""
    if rest.statements is not None:
        return "" if rest.statements or rest.why != "" else "goes on in a way that is not understood"
    tail = _until_sign(tokens, segment.end)
    if any(token.role in ("part", "per") for token in tail[:4]) or any(token.role == "per" for token in tail):
        return "is about a part that is not understood"
    if follows.role in ("topic", "concession"):
        return ""
    if follows.role == "prep" and follows.text.lower().split()[0] in _SAFE_PREPOSITIONS:
        return ""
    if (
        follows.role == "prep"
        and tail[1:3]
        and [token.text.lower() for token in tail[1:4]]
        in (["the", "style", "of"], ["the", "voice", "of"], ["a", "tone"])
    ):
        return ""
    return "goes on in a way that is not understood"


def _qualifies(tokens: Sequence[Token]) -> bool:
    """Whether an unread stretch behind a sign still binds what stands before it: ", each", ", per section"."""
    return bool(tokens) and (tokens[0].role in ("per", "condition") or (tokens[0].role == "part" and len(tokens) == 1))


def _until_sign(tokens: Sequence[Token], at: int) -> Sequence[Token]:
    end = next(
        (k for k in range(at, len(tokens)) if tokens[k].role in ("comma", "semicolon", "dash", "end", "colon", "open")),
        len(tokens),
    )
    return tokens[at:end]


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
