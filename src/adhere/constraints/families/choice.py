"""Choice: the answer names one of several options, and no other."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field

from adhere.constraints.constraint import BROKEN, AtEnd, Check, Monitor, Span, Verdict
from adhere.constraints.families.terms import Searching, quoted, shown
from adhere.constraints.reading.search import Occurrence, Terms
from adhere.constraints.reading.term_automaton import Automaton, automaton
from adhere.constraints.registry import register


def _apart(values: tuple[str, ...]) -> tuple[str, ...]:
    options = tuple(dict.fromkeys(" ".join(value.split()) for value in values))
    if len(options) < 2:
        raise ValueError("a choice needs two options")
    if not all(options):
        raise ValueError("an option must have a character that is not white space")
    if inside := _one_inside_another([option.lower() for option in options]):
        one, other = (options[place] for place in inside)
        raise ValueError(f"the option {one!r} stands inside the option {other!r}")
    return options


def _one_inside_another(options: list[str]) -> tuple[int, int] | None:
    """The places of an option and of one that it stands in. Found in the options joined, so that many short ones cost
    no more than one long text; an option that occurs once stands in itself alone."""
    joined = "\n".join(options)
    ends = list(accumulate(len(option) + 1 for option in options))
    for place, option in enumerate(options):
        at = joined.find(option)
        if bisect_right(ends, at) == place:
            at = joined.find(option, at + len(option))
        if at >= 0:
            return place, bisect_right(ends, at)
    return None


_EITHER = re.compile(r"[\"“”]([^\"“”\n]{2,200})[\"“”](?=,| |\Z|\n)")
_QUOTED = re.compile(r"[\"“”']([^\"“”'\n]{1,200})[\"”']")
_OPTIONS = (
    r"(?P<options>[\"“”'][^\"“”'\n]{1,200}[\"”'](?:(?:,? (?:or|and) |, ?|,? ?/ ?)[\"“”'][^\"“”'\n]{1,200}[\"”']){1,40})"
)


@register
class Choice(Searching):
    """Exactly one of the options stands in the answer, as often as it likes. The reference is content with any."""

    kind: ClassVar[str] = "choice.options"
    empty_meets: ClassVar[bool] = True
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = (" ", "a", "My answer is no.", " sea ", " sky ")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\b(?:one (?:of|from)|choose(?: (?:one )?from| between)?|either)(?: the| these)?(?: following)?"
            rf"(?: \w+)?:? ?[(\[]?{_OPTIONS}",
            re.I,
        ),
        re.compile(
            r"(?:\b(?:options?|answers?|from|say|answer|reply|respond)(?: with)?[^\n:\"“”]{0,20}:?\s+)"
            r"(?P<either>[\"“”][^\"“”\n]{1,200}[\"“”](?:, ?[\"“”][^\"“”\n]{1,200}[\"“”]){0,20}"
            r",? or [\"“”][^\"“”\n]{1,200}[\"“”])",
            re.I,
        ),
        re.compile(
            r"\b(?:phrases?|options?|choose from)[^\n:]{0,40}:\n(?P<listed>(?:[^\n]{1,120}\n){1,10}[^\n]{1,120})", re.I
        ),
    )

    options: Annotated[tuple[str, ...], Field(min_length=2), AfterValidator(_apart)]

    @property
    def _searched(self) -> Automaton:
        return automaton(self.options)

    def describe(self) -> str:
        return f"Answer with one of the following options: {quoted(self.options, 'or')}."

    def monitor(self) -> Monitor:
        return (
            AtEnd(self._by_reference) if self.profile == "reference" else _ChoiceMonitor(self.options, self.automaton)
        )

    def _by_reference(self, text: str) -> Check:
        chosen = next((option for option in self.options if option in text), None)
        wanted = f"one of {quoted(self.options, 'or')}"
        return Check(Verdict.of(chosen is not None), f"{chosen or 'none'} found", chosen, wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(options=("My answer is yes.", "My answer is no.")), cls(options=("sea", "sky", "sun"))

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        groups = match.groupdict()
        if groups.get("listed"):
            lines = [line.strip() for line in match["listed"].splitlines()]
            kept = [line for line in lines if line.startswith(lines[0].split(" ")[0])]
            return cls(options=tuple(kept)) if len(kept) > 1 else None
        if groups.get("either"):
            return cls(options=tuple(_EITHER.findall(match["either"])))
        return cls(options=tuple(_QUOTED.findall(match["options"])))


class _ChoiceMonitor(Monitor):
    def __init__(self, options: tuple[str, ...], terms: Automaton) -> None:
        super().__init__()
        self._options = options
        self._search = Terms(terms)
        self._first: dict[int, Span] = {}

    def fork(self) -> Self:
        other = super().fork()
        other._search = self._search.fork()
        other._first = self._first.copy()
        return other

    def _read(self, chunk: str) -> None:
        self._take(self._search.read(chunk))

    def _take(self, occurrences: list[Occurrence]) -> None:
        for option, start, end, certain, _ in occurrences:
            if option not in self._first:
                self._first[option] = Span(self.length + start, self.length + end)
                if len(self._first) == 2:
                    self._decide(BROKEN, certain)

    def _conclude(self) -> Check:
        self._take(self._search.read("", last=True))
        wanted = f"one of {shown(self._options, 'or')}"
        chosen = tuple(self._options[option] for option in self._first)
        reason = f"{quoted(chosen)} found" if chosen else "none of them found"
        return Check(Verdict.of(len(chosen) == 1), reason, ", ".join(chosen), wanted, tuple(self._first.values()))
