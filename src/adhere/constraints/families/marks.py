"""Marks: punctuation that must not stand in the answer ("no commas")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from adhere.constraints.constraint import BROKEN, HOLDS, AtEnd, Check, Constraint, Monitor, Span, Verdict
from adhere.constraints.reading.marks import MARKS
from adhere.constraints.registry import register

Mark = Literal[
    "comma", "exclamation mark", "question mark", "semicolon", "colon", "dash", "full stop", "parenthesis", "emoji"
]

_PATTERNS = {mark: re.compile(f"[{characters}]") for mark, characters in MARKS.items()}
_PLURALS = {mark: mark + "s" for mark in MARKS} | {"parenthesis": "parentheses", "dash": "dashes"}


@register
class WithoutMark(Constraint):
    """A mark does not stand in the answer.

    The reference knows the comma alone, and of commas the Latin one; `fixed` knows the commas of other scripts too.
    """

    kind: ClassVar[str] = "excludes.mark"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = (",", "，", "!", "?", "(", "a", " ")

    mark: Mark

    def describe(self) -> str:
        return f"Do not use any {_PLURALS[self.mark]}."

    def monitor(self) -> Monitor:
        if self.profile == "reference" and self.mark == "comma":
            return AtEnd(self._by_reference)
        return _MarkMonitor(self.mark)

    def _by_reference(self, text: str) -> Check:
        return _sum_up(self.mark, text.find(","), text.count(","))

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(mark="comma"), cls(mark="exclamation mark"), cls(mark="parenthesis")

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        for mark in ("comma", "exclamation mark", "question mark"):
            if text and not _PATTERNS[mark].search(text):
                yield cls.model_validate({"mark": mark})


def _sum_up(mark: str, first: int, count: int) -> Check:
    if first < 0:
        return Check(HOLDS, f"no {mark} found", found=0, wanted=f"no {mark}")
    found = f"{count} {mark if count == 1 else _PLURALS[mark]}"
    return Check(Verdict.BROKEN, f"{found} found", found=count, wanted=f"no {mark}", spans=(Span(first, first + 1),))


class _MarkMonitor(Monitor):
    def __init__(self, mark: str) -> None:
        super().__init__()
        self._mark = mark
        self._first = -1
        self._count = 0

    def _read(self, chunk: str) -> None:
        found = _PATTERNS[self._mark].findall(chunk)
        if found:
            self._count += len(found)
            if self._first < 0:
                at = chunk.index(found[0])
                self._first = self.length + at
                self._decide(BROKEN, at + 1)

    def standing(self) -> Verdict:
        return Verdict.of(not self._count)

    def _conclude(self) -> Check:
        return _sum_up(self._mark, self._first, self._count)
