"""Which constraints contradict each other, so that samplers and users can be told before a model is asked.

`contradict(a, b)` gives the reason why no text at all meets both, or None where no rule says so: not known to
contradict, which is no proof that a text exists. `conflicts(constraints)` gives the contradicting pairs among several.

Rules are kept by pairs of kinds. Each is sound: it says "cannot both be" only where that follows from what the two
families count, never because it would be odd to ask. Two bounded constraints of one family that count one thing need no
rule of their own. `RULES` is the table, for the documentation and for samplers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from adhere.constraints.bases.bounds import Bounded
from adhere.constraints.constraint import Constraint
from adhere.constraints.reading.counters import Words
from adhere.constraints.reading.search import Terms

Rule = Callable[[Any, Any], str | None]
"""Takes one constraint of each kind, in the order of the kinds; gives the reason why no text meets both, or None."""

RULES: dict[tuple[str, str], Rule] = {}
"""The rules by the pair of kinds they speak of."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two constraints that no text can meet together, and why."""

    one: Constraint
    other: Constraint
    reason: str


def contradict(one: Constraint, other: Constraint) -> str | None:
    """Why no text can meet both, or None where no rule says so."""
    if (judge := RULES.get((one.kind, other.kind))) and (reason := judge(one, other)):
        return reason
    if (judge := RULES.get((other.kind, one.kind))) and (reason := judge(other, one)):
        return reason
    if isinstance(one, Bounded) and isinstance(other, Bounded) and one.kind == other.kind:
        return _disjoint(one, other)
    return None


def conflicts(constraints: Iterable[Constraint]) -> list[Conflict]:
    """Every pair among `constraints` that no text can meet together."""
    pairs = combinations(constraints, 2)
    return [Conflict(a, b, reason) for a, b in pairs if (reason := contradict(a, b))]


def _rule(*pairs: tuple[str, str]) -> Callable[[Rule], Rule]:
    """Decorator: this function tells when constraints of these pairs of kinds contradict each other."""

    def add(judge: Rule) -> Rule:
        for pair in pairs:
            RULES[pair] = judge
        return judge

    return add


def _disjoint(one: Bounded, other: Bounded) -> str | None:
    for low, high in ((one, other), (other, one)):
        if low.at_least is not None and high.at_most is not None and low.at_least > high.at_most:
            bounds = {"at_least", "at_most", "profile"}
            if one.model_dump(exclude=bounds) != other.model_dump(exclude=bounds):
                return None  # counts of different things
            return f"at least {low.at_least} and at most {high.at_most} cannot both be"
    return None


def _wanted(constraint: Any) -> tuple[str, ...]:
    """The terms that must stand in a text as wholes: of `contains.terms`, or of `contains.frequency`."""
    if constraint.kind == "contains.frequency":
        return (constraint.term,) if constraint.at_least else ()
    return tuple(constraint.terms)


def _within(term: str, text: str) -> bool:
    """Whether `term` stands in `text` as a whole."""
    search = Terms((term,))
    return bool(search.read(text, last=True))


def _words(text: str) -> int:
    counter = Words()
    return counter.read(text) if text else 0


@_rule(("contains.terms", "excludes.terms"), ("contains.frequency", "excludes.terms"))
def _wanted_and_forbidden(wants: Any, forbids: Any) -> str | None:
    for term in _wanted(wants):
        search = Terms(forbids.automaton)
        if occurrences := search.read(term, last=True):
            return f'"{term}" is wanted and "{search.terms[occurrences[0].term]}" forbidden'
    return None


@_rule(("contains.terms", "contains.frequency"))
def _wanted_and_never(wants: Any, counts: Any) -> str | None:
    if counts.at_most == 0 and any(_within(counts.term, term) for term in wants.terms):
        return f'"{counts.term}" is wanted and may not stand there'
    return None


@_rule(("contains.terms", "length.words"), ("contains.frequency", "length.words"))
def _more_words_than_allowed(wants: Any, length: Any) -> str | None:
    longest = max((_words(term) for term in _wanted(wants)), default=0)
    if length.at_most is not None and longest > length.at_most:
        return f"a wanted phrase has {longest} words, the text may have {length.at_most}"
    return None


@_rule(("contains.letter", "contains.terms"))
def _letter_and_terms(letters: Any, wants: Any) -> str | None:
    if letters.at_most is None or letters.profile != "fixed":
        return None
    most = max(term.lower().count(letters.letter.lower()) for term in wants.terms)
    if most > letters.at_most:
        return f'the wanted words hold "{letters.letter}" {most} times, {letters.at_most} are allowed'
    return None


@_rule(("length.words", "length.characters"))
def _words_and_characters(words: Any, characters: Any) -> str | None:
    if words.at_least is not None and characters.at_most is not None and words.at_least > characters.at_most:
        return f"{words.at_least} words have more than {characters.at_most} characters"
    return None


@_rule(("case.english", "case.english"), ("case.english", "case.letters"))
def _upper_and_lower(one: Any, other: Any) -> str | None:
    return "an English text has letters, in upper or in lower case" if one.case != other.case else None


@_rule(("language.response", "language.response"))
def _two_languages(one: Any, other: Any) -> str | None:
    return f"{one.language} and {other.language} are two languages" if one.language != other.language else None


@_rule(("case.english", "language.response"))
def _english_and_not(case: Any, language: Any) -> str | None:
    del case
    return "English is wanted, and another language" if language.language != "en" else None


@_rule(("format.json", "format.quotation"))
def _json_and_quotation(json: Any, quotation: Any) -> str | None:
    del json, quotation
    return "JSON begins with a bracket, a quotation with a quotation mark"


@_rule(("format.json", "structure.end_phrase"))
def _json_and_end(json: Any, end: Any) -> str | None:
    del json
    last = end.phrase.strip()[-1:]
    return f'JSON ends with a bracket, the phrase with "{last}"' if last.isalnum() else None


@_rule(("format.json", "structure.repeat_prompt"))
def _json_and_prompt(json: Any, repeat: Any) -> str | None:
    del json
    first = repeat.prompt.strip()[:1]
    return f'JSON begins with a bracket, the request with "{first}"' if first.isalnum() else None


@_rule(("structure.end_phrase", "structure.end_phrase"))
def _two_ends(one: Any, other: Any) -> str | None:
    ends = [_core(one.phrase), _core(other.phrase)]
    if all(ends) and not ends[0].endswith(ends[1]) and not ends[1].endswith(ends[0]):
        return "a text ends in one way"
    return None


def _core(phrase: str) -> str:
    """A phrase without what a lenient checker may pass over at its ends."""
    return "".join(c if c.isalnum() else " " for c in phrase.casefold()).strip()


@_rule(("structure.end_phrase", "length.words"), ("structure.repeat_prompt", "length.words"))
def _long_phrase(says: Any, length: Any) -> str | None:
    phrase = says.phrase if says.kind == "structure.end_phrase" else says.prompt
    words = _words(phrase)
    if length.at_most is not None and words > length.at_most:
        return f"what must be said has {words} words, the text may have {length.at_most}"
    return None
