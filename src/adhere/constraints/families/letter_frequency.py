"""Letters: how often one letter or sign stands in the answer."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator

from adhere.constraints.bases.bounds import Bounded, CountMonitor
from adhere.constraints.constraint import AtEnd, Check, Monitor
from adhere.constraints.reading.counters import Occurrences
from adhere.constraints.registry import register


def _one(value: str) -> str:
    if len(value) != 1 or value.isspace():
        raise ValueError(f"one letter or sign is wanted, not {value!r}")
    return value.lower() if len(value.lower()) == 1 else value


@register
class LetterFrequency(Bounded):
    """One letter stands in the answer so many times, in either case.

    The reference draws a random letter where it is given a sign ("#"); both profiles count the sign.
    """

    kind: ClassVar[str] = "contains.letter"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("e", "E", "q", "Q", "##", "#", "a")

    letter: Annotated[str, AfterValidator(_one)]

    def describe(self) -> str:
        name = "letter" if self.letter.isalpha() else "sign"
        return f"Use the {name} {self.letter} {self.bounds('time')}."

    def monitor(self) -> Monitor:
        if self.profile == "reference":
            return AtEnd(self._by_reference)
        letters = {self.letter, self.letter.upper()} if len(self.letter.upper()) == 1 else {self.letter}
        return CountMonitor(self, Occurrences("".join(sorted(letters))), self.letter, self.letter)

    def _by_reference(self, text: str) -> Check:
        return self.sum_up(text.lower().count(self.letter), self.letter, self.letter)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(letter="e", at_least=3), cls(letter="q", at_most=1), cls(letter="#", at_least=2, at_most=2)
