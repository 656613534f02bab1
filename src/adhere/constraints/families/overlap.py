"""Overlap: what share of an answer's trigrams stand in a reference text too."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Self

from pydantic import Field

from adhere.constraints.bases.reference_profile import Twofold
from adhere.constraints.constraint import BROKEN, Check, Verdict
from adhere.constraints.reading.segments import words
from adhere.constraints.registry import register

TOLERANCE = 2.0
"""Percentage points by which the share may miss, as the instruction has it."""


@register
class TrigramOverlap(Twofold):
    """So many percent of the answer's different trigrams of words stand in the reference text, give or take two
    points.

    The reference takes trigrams of characters, since it hands a string to a function for lists of words: any two
    English texts overlap by half.
    """

    kind: ClassVar[str] = "overlap.trigrams"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\btrigram overlap of (?P<n>\d{1,3}) ?% \(±2 ?%\) with (?:the provided reference text|this reference "
            r"text): "
            r"[\"“](?P<text>[^”\"“]{1,20000})[\"”]",
            re.I,
        ),
    )

    percent: Annotated[float, Field(ge=0, le=100)]
    text: Annotated[str, Field(min_length=3)]

    def describe(self) -> str:
        return f'Maintain a trigram overlap of {self.percent:g}% (±2%) with this reference text: "{self.text}".'

    def followed(self, text: str) -> bool:
        here = _trigrams(text)
        if not here:
            return False
        share = len(here & _trigrams(self.text)) / len(here)
        return self.percent - TOLERANCE <= share * 100 <= self.percent + TOLERANCE

    def judge(self, text: str) -> Check:
        wanted = f"{self.percent:g} % (±{TOLERANCE:g} %)"
        here = _word_trigrams(text)
        if not here:
            return Check(BROKEN, "fewer than three words", wanted=wanted)
        share = 100 * len(here & _word_trigrams(self.text)) / len(here)
        met = abs(share - self.percent) <= TOLERANCE
        return Check(Verdict.of(met), f"{share:.1f} % of the trigrams; {wanted} wanted", round(share, 1), wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(percent=50, text="the sea is wide and the sea is deep"), cls(percent=0, text="sea")

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(percent=float(match["n"]), text=match["text"])


def _trigrams(text: str) -> set[str]:
    return {text[at : at + 3] for at in range(len(text) - 2)}


def _word_trigrams(text: str) -> set[tuple[str, str, str]]:
    folded = [word.casefold() for word in words(text)]
    return set(zip(folded, folded[1:], folded[2:], strict=False))
