"""Whether what stands before a clause lets it order something.

- A clause without a verb of its own ("in 50 words") needs a task, a question or nothing before it; never a statement
  ("the report was delivered in 50 words").
- A clause behind something that is not understood may be about that, and states nothing, unless a sign and an order of
  its own set it apart.

Each rule looks at a `Place` and gives a reason to refuse the clause, `GRANTED`, or None where it does not apply; the
first that applies decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from adhere.constraints.instructions.segments import IMPERATIVE, SEPARATORS, Segment, Surroundings
from adhere.constraints.instructions.tokens import Token

GRANTED = ""

_ABOUT_BEFORE = "belongs to what stands before it"
_ABOUT_PART = "may be about a part that is not understood"


@dataclass(frozen=True)
class Place:
    """A clause in its sentence.

    `own` are its tokens, `head` its first word of weight, `before` the segments in front of it, `standing` what the
    sentence is. `imperative` is an order of its own, `subject` one that is about the answer, `separated` a clause
    behind a sign.
    """

    tokens: Sequence[Token]
    segments: Sequence[Segment]
    index: int
    standing: str
    around: Surroundings
    since: int = 0
    """The token from which on the sentence counts: where an order of its own begins behind a statement."""
    segment: Segment = field(init=False)
    own: Sequence[Token] = field(init=False)
    head: Token = field(init=False)
    imperative: bool = field(init=False)
    subject: bool = field(init=False)
    separated: bool = field(init=False)

    def __post_init__(self) -> None:
        segment = self.segments[self.index]
        own = self.tokens[segment.start : segment.end]
        light = ("fill", "neg", "only", "and", "comma", "adjective")
        head = next((token for token in own if token.role not in light), own[0])
        last = self.tokens[segment.start - 1] if segment.start else None
        for name, value in (
            ("segment", segment),
            ("own", own),
            ("head", head),
            ("imperative", head.role in IMPERATIVE or head.role == "request" or head.text.lower() == "be"),
            ("subject", _has_subject(head, own)),
            ("separated", last is None or last.role in SEPARATORS or last.role == "request"),
        ):
            object.__setattr__(self, name, value)

    @property
    def before(self) -> Sequence[Segment]:
        return [one for one in self.segments[: self.index] if one.start >= self.since]

    @property
    def earlier(self) -> Sequence[Token]:
        """The tokens in front of the clause."""
        return self.tokens[self.since : self.segment.start]

    @property
    def unread(self) -> Sequence[Token]:
        """The tokens of the segment in front of the clause."""
        last = self.before[-1]
        return self.tokens[last.start : last.end]

    @property
    def phrase(self) -> Sequence[Token]:
        """The tokens in front of the clause since the last sign that is no conjunction."""
        last = self.segment.start - 1
        signs = (at + 1 for at in range(last) if self.tokens[at].role in SEPARATORS - {"and", "or"})
        return self.tokens[max(signs, default=0) : self.segment.start]

    @property
    def adverbial(self) -> bool:
        """Whether the clause begins with a participle: "using", "ending with"."""
        return self.head.text.lower().endswith("ing")


def left_refusal(place: Place) -> str:
    """Why a clause orders nothing because of what stands before it; empty where it may."""
    for rule in _RULES:
        answer = rule(place)
        if answer is not None:
            return answer
    return _ABOUT_BEFORE


def _foreign(place: Place) -> str | None:
    return _foreign_artifact(place.own, place.around) or None


def _first_in_sentence(place: Place) -> str | None:
    if place.before:
        return None
    around = place.around
    if place.subject and place.head.text.lower() in ("it", "this", "them") and around.spoke and not around.task:
        return "is about something else"
    if place.head.role in ("modal", "may", "be") and not place.imperative and not _has_dropped_subject(place):
        return "is a question or has no subject"
    return GRANTED


def _behind_parts(place: Place) -> str | None:
    unread = [one for one in place.before if not one.statements]
    if any(_is_about_parts(place.tokens[one.start : one.end]) for one in unread):
        return _ABOUT_PART
    several = any(token.role == "part" for token in place.earlier)
    if place.own[0].role == "artifact" or (several and any(token.role == "artifact" for token in place.own[:3])):
        return _ABOUT_PART
    counted_words = any(token.role == "unit" and token.value == "length.words" for token in place.earlier)
    cased = any(token.role == "case" for token in place.own)
    if place.own[0].role == "prep" and not place.separated and counted_words and cased:
        return "is about some words only"
    return None


def _behind_read_clause(place: Place) -> str | None:
    """What the clause before, if a rule read it, says of this one."""
    last, qualifies = place.before[-1], "qualifies what stands before it"
    joined = last.end == place.segment.start
    if last.statements is None:
        return None
    if last.statements:
        bare = joined and place.own[0].role == "prep" and place.own[0].value is None
        return qualifies if bare and any(token.role == "unit" for token in place.own) else GRANTED
    if joined and not place.imperative:
        return qualifies
    if last.why in ("is a preference", "is left free"):
        return GRANTED if place.imperative else last.why
    return None


def _separate_order(place: Place) -> str | None:
    if not (place.imperative and place.separated):
        return None
    if _is_for_some_requests(place):
        return "may hold for some requests only"
    if place.adverbial and place.standing == "statement":
        return "belongs to a statement"
    edge = place.head.role in ("begin", "finish") and place.adverbial
    if edge and any(token.role in ("number", "unit") for token in place.unread):
        return _ABOUT_BEFORE
    return GRANTED


def _separate_subject(place: Place) -> str | None:
    if place.separated and place.head.role in ("modal", "be") and _answers_subject(place.tokens):
        return GRANTED
    if not (place.subject and place.separated):
        return None
    pronoun = place.head.text.lower() in ("it", "this", "them")
    return "is about something else" if place.standing == "statement" and pronoun else GRANTED


_ASKING = frozenset(("which", "what", "how many"))


def _asks_for_parts(tokens: Sequence[Token]) -> bool:
    """Whether parts of a text are asked for: "which words in this text are longer than ..."."""
    return any(
        one.role in ("question", "that", "topic") and one.text.lower() in _ASKING and two.role == "unit"
        for one, two in pairwise(tokens)
    )


def _unclear_before(place: Place) -> str | None:
    """What in the stretch before forbids any clause that is not set apart."""
    if _asks_for_parts(place.earlier):
        return "is asked about"
    if not place.separated and any(token.role in ("neg", "avoid") for token in place.unread):
        return "is denied in a way that is not understood"
    if _is_for_some_requests(place):
        return "may hold for some requests only"
    past = any(token.role == "past" for token in place.earlier)
    if place.standing == "statement" or (past and place.standing not in ("task", "question")):
        return "belongs to a statement"
    if place.imperative and not place.adverbial and place.head.role != "limit":
        return _ABOUT_BEFORE
    if any(token.role == "select" for token in place.earlier[:3]):
        return "may be about another text"
    if place.standing == "yes_no" and not place.separated:
        return "belongs to a question"
    return None


def _behind_sign(place: Place) -> str | None:
    if not place.separated:
        return None
    sign = place.tokens[place.segment.start - 1].role
    if sign == "colon" and not (_is_label(place.unread) or _is_task(place.phrase) or _goes_with_parts(place)):
        return "belongs to something that is not known"
    if sign in ("and", "or") and place.head.role in ("number", "unit", "article", "be", "modal"):
        return _ABOUT_BEFORE
    return GRANTED


def _prepositional(place: Place) -> str | None:
    """ "In 50 words", "in French", "with at most 3 lines"."""
    first, standing, phrase = place.own[0], place.standing, place.phrase
    if first.role != "prep":
        return None
    if standing == "fragment" and not any(token.role in ("artifact", "subject", "part") for token in phrase):
        return _ABOUT_BEFORE
    if first.value is not None and not _composes_twice(place.earlier):
        manner = any(token.role in ("case", "language") for token in place.own)
        plain = not manner or _plain_task(place.unread)
        return GRANTED if plain and standing in ("task", "question", "fragment") else _ABOUT_BEFORE
    written = any(token.role == "artifact" for token in phrase) or _names_topic_first(place)
    if first.value is None and written and not _composes_twice(phrase) and standing in ("task", "fragment"):
        return GRANTED
    return _ABOUT_BEFORE


def _names_topic_first(place: Place) -> bool:
    """ "Give me the history of paper in no more than 100 words": the topic is the name of a text by chance."""
    own = place.own
    bounds = any(
        one.role == "prep" and one.value == "in" and two.role in ("rel", "number", "article")
        for one, two in pairwise(own)
    )
    return own[0].text.lower() == "of" and len(own) > 1 and own[1].role in ("artifact", "article") and bounds


def _relative(place: Place) -> str | None:
    """ "A poem that has 12 lines"."""
    if place.own[0].role in ("wordnoun", "definite") and place.earlier[-1].text.lower() in ("in which", "where"):
        composed = any(token.role in ("compose", "answer_verb", "treat", "request") for token in place.earlier)
        return GRANTED if composed and place.standing == "task" else None
    if place.own[0].role != "that":
        return None
    counted = any(token.role in ("artifact", "unit") for token in place.phrase)
    composed = any(token.role in ("compose", "request") for token in place.phrase)
    return GRANTED if counted and composed and place.standing == "task" else _ABOUT_BEFORE


def _adjunct(place: Place) -> str | None:
    """ "Under 50 words", "without commas", "using only lowercase letters"."""
    first = place.own[0]
    verb = first.role in ("use", "include", "avoid", "keep", "begin", "finish")
    adjunct = first.role in ("rel", "neg", "limit") or (verb and first.text.lower().endswith("ing"))
    if adjunct and place.standing in ("task", "question", "fragment") and not _composes_twice(place.earlier):
        return GRANTED
    return None


_RULES: tuple[Callable[[Place], str | None], ...] = (
    _foreign, _first_in_sentence, _behind_parts, _behind_read_clause, _separate_order, _separate_subject,
    _unclear_before, _behind_sign, _prepositional, _relative, _adjunct,
)  # fmt: skip


def _has_subject(head: Token, own: Sequence[Token]) -> bool:
    if head.role in ("subject", "artifact"):
        return True
    led = head.role in ("article", "definite", "modal")
    return led and any(token.role in ("subject", "artifact") for token in own[:4])


def _has_dropped_subject(place: Place) -> bool:
    """ "Must be at least 150 words." """
    return place.own[0].role == "modal" and place.tokens[-1].text not in ("?", "？")


def _is_for_some_requests(place: Place) -> bool:
    """ "For emails, keep it under 50 words"."""
    tokens = place.tokens
    return place.before[0].start == 0 and tokens[0].text.lower() == "for" and not _is_own(tokens[1:2])


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
    return words[0].role in IMPERATIVE and any(token.role == "artifact" for token in words)


def _is_task(unread: Sequence[Token]) -> bool:
    """Whether what stands before a colon is a text to be written and its topic: "Ad copy for running shoes:"."""
    first = next((at for at, token in enumerate(unread) if token.role not in ("article", "adjective", "fill")), 0)
    named = unread[first].role == "artifact" and not unread[first].text.lower().endswith("s")
    return named and any(token.role in ("topic", "prep") for token in unread[first:]) and not _is_about_parts(unread)


def _goes_with_parts(place: Place) -> bool:
    """Whether a clause says of each part what its colon announces: "Sentences must be short: 8 words each"."""
    first = next((token for token in place.unread if token.role not in ("definite", "adjective", "fill")), None)
    plural = first is not None and first.role == "unit" and first.text.lower().endswith("s")
    return plural and any(token.role == "per" for token in place.own)


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
