"""Terms: words and phrases that must be there, must not be there, or must be there so many times."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field

from adhere.constraints.bases.bounds import Bounded
from adhere.constraints.constraint import (
    BROKEN,
    HOLDS,
    MOST_SPANS,
    OPEN,
    AtEnd,
    Check,
    Constraint,
    Monitor,
    Span,
    Verdict,
    Wanted,
)
from adhere.constraints.reading import plain_regex, text_forms
from adhere.constraints.reading.search import Occurrence, Terms
from adhere.constraints.reading.term_automaton import FOLDED, SEEN, Automaton, automaton
from adhere.constraints.registry import register


def _term(value: str) -> str:
    value = " ".join(value.split())
    if not SEEN.fold(value).strip():
        raise ValueError("a term must have a visible character")
    return value


Term = Annotated[str, AfterValidator(_term)]


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


TermList = Annotated[tuple[Term, ...], Field(min_length=1), AfterValidator(_distinct)]


def quoted(terms: tuple[str, ...], joint: str = "and") -> str:
    """Terms as a list in a sentence: "sea", "sea" and "sky", "a", "b" and "c"."""
    marked = [f'"{term}"' for term in terms]
    return marked[0] if len(marked) == 1 else f"{', '.join(marked[:-1])} {joint} {marked[-1]}"


MOST_SHOWN = 12
"""Terms that a reason or a wish names; a policy's list may have thousands."""


def shown(terms: tuple[str, ...], joint: str = "and") -> str:
    """`quoted`, cut to the first `MOST_SHOWN` terms."""
    if len(terms) <= MOST_SHOWN:
        return quoted(terms, joint)
    return f"{quoted(terms[:MOST_SHOWN], joint)} {joint} {len(terms) - MOST_SHOWN:,} more"


_DERIVED = ("automaton", "_beginnings")
MOST_SEARCHED = 16
"""Terms up to which looking for each of them by itself is quicker than the automaton."""


class Searching(Constraint):
    """A constraint that looks for terms with an automaton, built once for all texts.

    The automaton is no part of its value: it is neither pickled nor copied.
    """

    @property
    @abstractmethod
    def _searched(self) -> Automaton:
        """The terms made ready to be found."""

    @cached_property
    def automaton(self) -> Automaton:
        """The terms made ready to be found."""
        return self._searched

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        fields = {name: value for name, value in state["__dict__"].items() if name not in _DERIVED}
        return {**state, "__dict__": fields}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copied = super().model_copy(update=update, deep=deep)
        for name in _DERIVED:
            copied.__dict__.pop(name, None)
        return copied


@register
class Include(Searching):
    """Every one of these terms stands in the answer.

    The reference reads a term as a regular expression and finds it inside words ("cat" in "concatenate").
    """

    kind: ClassVar[str] = "contains.terms"
    skill: ClassVar[str | None] = "inclusion"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a", " ", " sea ", " sky ", "se", "new", "york", "C++", "+", ".", " a b ")

    terms: TermList

    @property
    def _searched(self) -> Automaton:
        return automaton(self.terms)

    def describe(self) -> str:
        return f"Include the {'word' if len(self.terms) == 1 else 'words'} {quoted(self.terms)}."

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _IncludeMonitor(self)

    def _by_reference(self, text: str) -> Check:
        missing = tuple(term for term in self.terms if not plain_regex.found(term, text))
        reason = f"{quoted(missing)} missing" if missing else "all found"
        return Check(Verdict.of(not missing), reason, len(self.terms) - len(missing), quoted(self.terms))

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(terms=("sea",)), cls(terms=("sea", "sky")), cls(terms=("new york", "C++"))

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        yield from (cls(terms=(word,)) for word in telling_words(text)[:3])


_WORD = re.compile(r"(?<![\w'-])[a-z]{5,14}(?![\w'-])")
_COMMON = frozenset(
    "about above after again along among another around because before being below between could doing every first "
    "going having maybe might never often other shall should since something still their there these thing things "
    "those though through under until where which while whose within without would yours".split()
)


def telling_words(text: str) -> list[str]:
    """Words of the text that a person might ask for, the rarest and longest first, each once."""
    words: dict[str, int] = {}
    for word in _WORD.findall(text[:20_000]):
        if word not in _COMMON:
            words[word] = words.get(word, 0) + 1
    return sorted(words, key=lambda word: (words[word], -len(word), word))


class _TermMonitor(Monitor):
    """Reads terms; subclasses say what an occurrence means."""

    def __init__(self, terms: Automaton) -> None:
        super().__init__()
        self._search = Terms(terms)
        self._spans: tuple[Span, ...] = ()

    def fork(self) -> Self:
        other = super().fork()
        other._search = self._search.fork()
        return other

    def _read(self, chunk: str) -> None:
        self._note(self._search.read(chunk))

    def _note(self, occurrences: list[Occurrence]) -> None:
        for one in occurrences:
            if len(self._spans) < MOST_SPANS:
                self._spans += (Span(self.length + one.start, self.length + one.end),)
            self._occurred(one)

    def _would_be_missing(self) -> set[int]:
        """The numbers of the terms that did not occur, were the text to end here."""
        return set(range(len(self._search.terms))) - self._search.counts.keys() - set(self._search.occurring())

    def _finish(self) -> None:
        """What stands at the very end of the text is certain now."""
        self._note(self._search.read("", last=True))

    def _occurred(self, occurrence: Occurrence) -> None:
        """One more occurrence of a term is certain."""


def _missing(search: Terms) -> tuple[str, ...]:
    return tuple(term for number, term in enumerate(search.terms) if number not in search.counts)


class _IncludeMonitor(_TermMonitor):
    def __init__(self, constraint: Include) -> None:
        super().__init__(constraint.automaton)
        self._left = len(constraint.terms)
        """Terms that did not occur yet."""

    def wanted(self) -> Wanted:
        return Wanted(tuple(self._search.terms[number] for number in sorted(self._would_be_missing())))

    def awaited(self) -> int:
        return self._search.unsettled()

    def standing(self) -> Verdict:
        if self.verdict.decided:
            return self.verdict
        return Verdict.of(self._left == len(set(self._search.occurring()) - self._search.counts.keys()))

    def _occurred(self, occurrence: Occurrence) -> None:
        if occurrence.number == 1:
            self._left -= 1
            if not self._left:
                self._decide(HOLDS, occurrence.certain)

    def _conclude(self) -> Check:
        self._finish()
        terms = self._search.terms
        wanted = shown(terms)
        missing = _missing(self._search)
        if missing:
            return Check(BROKEN, f"{shown(missing)} missing", found=len(terms) - len(missing), wanted=wanted)
        return Check(HOLDS, f"{wanted} found", found=len(terms), wanted=wanted, spans=self._spans)


@register
class Exclude(Searching):
    """None of these terms stands in the answer, nor anything that looks like one (`text_forms.seen`).

    The reference reads a term as a regular expression.

    disguises: whether invisible characters, styled letters and look-alikes of other alphabets are seen through.
    """

    kind: ClassVar[str] = "excludes.terms"
    skill: ClassVar[str | None] = "exclusion"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a", " ", " sea ", " sky ", "se", "new", "york", "C++", "+", ".", " a b ")

    terms: TermList
    disguises: bool = True

    @property
    def _searched(self) -> Automaton:
        return automaton(self.terms, SEEN if self.disguises else FOLDED)

    def describe(self) -> str:
        return f"Do not use the {'word' if len(self.terms) == 1 else 'words'} {quoted(self.terms, 'or')}."

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _ExcludeMonitor(self)

    def check(self, text: str) -> Check:
        """As `Constraint.check`; an ASCII text without the beginning of any term is not cut into words first."""
        beginnings = self._beginnings if self.profile == "fixed" and text.isascii() else None
        if beginnings is None or any(map(text.lower().__contains__, beginnings)):
            return super().check(text)
        wanted = f"no {shown(self.automaton.terms, 'or')}"
        return Check(HOLDS, f"{wanted} found", found=0, wanted=wanted, at=len(text))

    @cached_property
    def _beginnings(self) -> tuple[str, ...] | None:
        """What an ASCII text must hold for each of the terms to stand in it; None where the automaton is quicker."""
        if len(self.terms) > MOST_SEARCHED:
            return None
        fold = text_forms.seen if self.disguises else text_forms.folded
        folded = [fold(term).split() for term in self.terms]
        return tuple(words[0] for words in folded if words and words[0].isascii()) if all(folded) else None

    def _by_reference(self, text: str) -> Check:
        there = tuple(term for term in self.terms if plain_regex.found_as_word(term, text))
        reason = f"{quoted(there)} used" if there else "none found"
        return Check(Verdict.of(not there), reason, len(there), f"no {quoted(self.terms, 'or')}")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(terms=("sea",)), cls(terms=("sea", "sky")), cls(terms=("new york", "C++"))


class _ExcludeMonitor(_TermMonitor):
    def __init__(self, constraint: Exclude) -> None:
        super().__init__(constraint.automaton)

    def unsettled(self) -> int:
        return self._search.unsettled()

    def _occurred(self, occurrence: Occurrence) -> None:
        self._decide(BROKEN, occurrence.certain)

    def standing(self) -> Verdict:
        # an occurrence at the very end is certain once the text ends
        return Verdict.of(not self._search.occurring()) if self.verdict is OPEN else self.verdict

    def _conclude(self) -> Check:
        self._finish()
        there = tuple(self._search.terms[number] for number in sorted(self._search.counts))
        wanted = f"no {shown(self._search.terms, 'or')}"
        if there:
            return Check(
                BROKEN,
                f"{shown(there)} used",
                found=sum(self._search.counts.values()),
                wanted=wanted,
                spans=self._spans,
            )
        return Check(HOLDS, f"{wanted} found", found=0, wanted=wanted)


@register
class Frequency(Bounded, Searching):
    """One term stands in the answer so many times.

    The reference reads it as a regular expression and finds it inside words.
    """

    kind: ClassVar[str] = "contains.frequency"
    skill: ClassVar[str | None] = "inclusion"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a", " ", " sea ", " sky ", "se", "new", "york", "C++", "+", ".", " a b ")

    term: Term

    @property
    def _searched(self) -> Automaton:
        return automaton((self.term,))

    def describe(self) -> str:
        return f'Use the word "{self.term}" {self.bounds("time")}.'

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _FrequencyMonitor(self)

    def _by_reference(self, text: str) -> Check:
        return self.sum_up(plain_regex.count(self.term, text), "time")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(term="sea", at_least=2), cls(term="sea", at_most=1), cls(term="a b", at_least=1, at_most=1)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        for word in reversed(telling_words(text)):
            search = Terms((word,))
            search.read(text, last=True)
            if (count := search.counts.get(0, 0)) > 1:
                yield cls(term=word, at_least=count)
                return


class _FrequencyMonitor(_TermMonitor):
    def __init__(self, constraint: Frequency) -> None:
        super().__init__(constraint.automaton)
        self._bounded = constraint
        self._times = 0
        if constraint.at_most is None and constraint.at_least == 0:
            self._decide(HOLDS, 0)

    def wanted(self) -> Wanted:
        count = self._times + len(self._search.occurring())
        return Wanted((self._bounded.term,)) if count < (self._bounded.at_least or 0) else Wanted()

    def standing(self) -> Verdict:
        if self.verdict is OPEN:
            return Verdict.of(self._bounded.within(self._times + len(self._search.occurring())))
        return self.verdict

    def unsettled(self) -> int:
        high = self._bounded.at_most
        return self._search.unsettled() if high is not None and self._times >= high else 0

    def awaited(self) -> int:
        return self._search.unsettled()

    def _occurred(self, occurrence: Occurrence) -> None:
        self._times += 1
        low, high = self._bounded.at_least, self._bounded.at_most
        if high is not None:
            if self._times > high:
                self._decide(BROKEN, occurrence.certain)
        elif low is not None and self._times >= low:
            self._decide(HOLDS, occurrence.certain)

    def _conclude(self) -> Check:
        self._finish()
        count = self._times
        wanted = f'"{self._bounded.term}" {self._bounded.bounds("time")}'
        return Check(
            Verdict.of(self._bounded.within(count)),
            f"{count} found; {wanted} wanted",
            found=count,
            wanted=wanted,
            spans=self._spans,
        )
