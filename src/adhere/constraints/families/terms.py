"""Terms: words and phrases that must be there, must not be there, or must be there so many times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

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
from adhere.constraints.reading import plain_regex
from adhere.constraints.reading.search import Terms
from adhere.constraints.registry import register


def _term(value: str) -> str:
    value = " ".join(value.split())
    if not value:
        raise ValueError("a term must have a character that is not white space")
    return value


Term = Annotated[str, AfterValidator(_term)]


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


TermList = Annotated[tuple[Term, ...], Field(min_length=1), AfterValidator(_distinct)]


def quoted(terms: tuple[str, ...], joint: str = "and") -> str:
    """Terms as a list in a sentence: "sea", "sea" and "sky", "a", "b" and "c"."""
    marked = [f'"{term}"' for term in terms]
    return marked[0] if len(marked) == 1 else f"{', '.join(marked[:-1])} {joint} {marked[-1]}"


@register
class Include(Constraint):
    """Every one of these terms stands in the answer.

    The reference reads a term as a regular expression and finds it inside words ("cat" in "concatenate").
    """

    kind: ClassVar[str] = "contains.terms"
    skill: ClassVar[str | None] = "inclusion"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a", " ", " sea ", " sky ", "se", "new", "york", "C++", "+", ".", " a b ")

    terms: TermList

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

    def __init__(self, terms: tuple[str, ...]) -> None:
        super().__init__()
        self._search = Terms(terms)
        self._spans: tuple[Span, ...] = ()

    def fork(self) -> Self:
        other = super().fork()
        other._search = self._search.fork()
        return other

    def _read(self, chunk: str) -> None:
        self._note(self._search.read(chunk))

    def _note(self, found: list[tuple[int, int, int, int]]) -> None:
        for term, start, end, certain in found:
            if len(self._spans) < MOST_SPANS:
                self._spans += (Span(self.length + start, self.length + end),)
            self._occurred(term, certain)

    def _absent(self) -> tuple[str, ...]:
        """The terms that would be missing if the text ended here."""
        ended = self._search.fork()
        ended.read("", last=True)
        return tuple(term for term, count in zip(ended.terms, ended.counts, strict=True) if not count)

    def _finish(self) -> None:
        """What stands at the very end of the text is certain now."""
        self._note(self._search.read("", last=True))

    def _occurred(self, term: int, offset: int) -> None:
        """One more occurrence of a term is certain after `offset` characters of the chunk."""


class _IncludeMonitor(_TermMonitor):
    def __init__(self, constraint: Include) -> None:
        super().__init__(constraint.terms)
        self._missing = frozenset(range(len(constraint.terms)))

    def wanted(self) -> Wanted:
        return Wanted(self._absent())

    def awaited(self) -> int:
        return self._search.unsettled()

    def _occurred(self, term: int, offset: int) -> None:
        if term in self._missing:
            self._missing -= {term}
            if not self._missing:
                self._decide(HOLDS, offset)

    def _conclude(self) -> Check:
        self._finish()
        missing = self._absent()
        wanted = quoted(self._search.terms)
        if missing:
            return Check(
                BROKEN,
                f"{quoted(missing)} missing",
                found=len(self._search.terms) - len(missing),
                wanted=wanted,
            )
        return Check(HOLDS, f"{wanted} found", found=len(self._search.terms), wanted=wanted, spans=self._spans)


@register
class Exclude(Constraint):
    """None of these terms stands in the answer. The reference reads a term as a regular expression."""

    kind: ClassVar[str] = "excludes.terms"
    skill: ClassVar[str | None] = "exclusion"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a", " ", " sea ", " sky ", "se", "new", "york", "C++", "+", ".", " a b ")

    terms: TermList

    def describe(self) -> str:
        return f"Do not use the {'word' if len(self.terms) == 1 else 'words'} {quoted(self.terms, 'or')}."

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _ExcludeMonitor(self)

    def _by_reference(self, text: str) -> Check:
        there = tuple(term for term in self.terms if plain_regex.found_as_word(term, text))
        reason = f"{quoted(there)} used" if there else "none found"
        return Check(Verdict.of(not there), reason, len(there), f"no {quoted(self.terms, 'or')}")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(terms=("sea",)), cls(terms=("sea", "sky")), cls(terms=("new york", "C++"))


class _ExcludeMonitor(_TermMonitor):
    def __init__(self, constraint: Exclude) -> None:
        super().__init__(constraint.terms)

    def unsettled(self) -> int:
        return self._search.unsettled()

    def _occurred(self, term: int, offset: int) -> None:
        del term
        self._decide(BROKEN, offset)

    def standing(self) -> Verdict:
        if self.verdict is OPEN and not self.unsettled():
            return HOLDS
        return super().standing()  # an occurrence at the very end is certain once the text ends

    def _conclude(self) -> Check:
        self._finish()
        there = tuple(t for t, n in zip(self._search.terms, self._search.counts, strict=True) if n)
        wanted = f"no {quoted(self._search.terms, 'or')}"
        if there:
            return Check(
                BROKEN,
                f"{quoted(there)} used",
                found=sum(self._search.counts),
                wanted=wanted,
                spans=self._spans,
            )
        return Check(HOLDS, f"{wanted} found", found=0, wanted=wanted)


@register
class Frequency(Bounded):
    """One term stands in the answer so many times.

    The reference reads it as a regular expression and finds it inside words.
    """

    kind: ClassVar[str] = "contains.frequency"
    skill: ClassVar[str | None] = "inclusion"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a", " ", " sea ", " sky ", "se", "new", "york", "C++", "+", ".", " a b ")

    term: Term

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
            if search.counts[0] > 1:
                yield cls(term=word, at_least=search.counts[0])
                return


class _FrequencyMonitor(_TermMonitor):
    def __init__(self, constraint: Frequency) -> None:
        super().__init__((constraint.term,))
        self._bounded = constraint
        self._times = 0
        if constraint.at_most is None and constraint.at_least == 0:
            self._decide(HOLDS, 0)

    def wanted(self) -> Wanted:
        ended = self._search.fork()
        ended.read("", last=True)
        return Wanted((self._bounded.term,)) if ended.counts[0] < (self._bounded.at_least or 0) else Wanted()

    def standing(self) -> Verdict:
        if self.verdict is OPEN and not self._search.unsettled():
            return Verdict.of(self._bounded.within(self._times))
        return super().standing()

    def unsettled(self) -> int:
        high = self._bounded.at_most
        return self._search.unsettled() if high is not None and self._times >= high else 0

    def awaited(self) -> int:
        return self._search.unsettled()

    def _occurred(self, term: int, offset: int) -> None:
        del term
        self._times += 1
        low, high = self._bounded.at_least, self._bounded.at_most
        if high is not None:
            if self._times > high:
                self._decide(BROKEN, offset)
        elif low is not None and self._times >= low:
            self._decide(HOLDS, offset)

    def _conclude(self) -> Check:
        self._finish()
        count = self._search.counts[0]
        wanted = f'"{self._bounded.term}" {self._bounded.bounds("time")}'
        return Check(
            Verdict.of(self._bounded.within(count)),
            f"{count} found; {wanted} wanted",
            found=count,
            wanted=wanted,
            spans=self._spans,
        )
