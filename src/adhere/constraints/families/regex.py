"""A regular expression: the answer matches it, as a whole or somewhere."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator

from adhere.constraints.constraint import BROKEN, HOLDS, Check, Constraint, Monitor, Verdict
from adhere.constraints.reading.linear_regex import LinearRegex, compiled
from adhere.constraints.registry import register


def _valid(pattern: str) -> str:
    compiled(pattern)
    return pattern


Pattern = Annotated[str, AfterValidator(_valid)]
"""A regular expression of RE2's kind: see `reading.linear_regex`."""


@register
class Regex(Constraint):
    """The answer matches a regular expression: as a whole, or anywhere in it. Syntax and meaning are RE2's, so that
    every answer is judged in linear time; look-around and back references are refused when the constraint is made.

    Both profiles judge alike: no public benchmark asks for one.
    """

    kind: ClassVar[str] = "format.regex"
    empty_meets: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a", "b", "1", "12", "-", "2024-01-31", "\n", "x")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\b(?:match(?:es|ing)?|follow(?:s|ing)?) (?:this |the )?(?:regex|regular expression)"
            r"(?P<whole> as a whole| from beginning to end)?:? `(?P<pattern>[^`\n]{1,1000})`",
            re.I,
        ),
        re.compile(
            r"\bcontains? (?:a |some )?text that matches (?:this |the )?(?:regex|regular expression):? "
            r"`(?P<contained>[^`\n]{1,1000})`",
            re.I,
        ),
    )

    pattern: Pattern
    where: Literal["whole", "anywhere"] = "whole"

    def describe(self) -> str:
        if self.where == "whole":
            return f"Write a text that matches the regular expression as a whole: `{self.pattern}`"
        return f"The answer must contain text that matches the regular expression: `{self.pattern}`"

    def monitor(self) -> Monitor:
        return _RegexMonitor(compiled(self.pattern), self.where == "whole")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (
            cls(pattern=r"\d{4}-\d{2}-\d{2}"),
            cls(pattern=r"\bab+\b", where="anywhere"),
            cls(pattern=r"(?:a|b)*1?"),
        )

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        groups = match.groupdict()
        pattern = groups.get("pattern") or groups.get("contained") or ""
        try:
            return cls(pattern=pattern, where="whole" if groups.get("pattern") else "anywhere")
        except ValueError:
            return None


class _RegexMonitor(Monitor):
    def __init__(self, expression: LinearRegex, whole: bool) -> None:
        super().__init__()
        self._expression = expression
        self._whole = whole
        self._state = expression.start(whole=whole)
        if self._state.matched:
            self._decide(HOLDS, 0)

    def _read(self, chunk: str) -> None:
        if self.verdict.decided:
            return
        state, whole = self._state, self._whole
        step = self._expression.step
        for at, c in enumerate(chunk, 1):
            state = state.to.get(c) or step(state, c, whole=whole)
            if not state.alive:
                self._decide(BROKEN, at)
                break
            if state.matched:
                self._decide(HOLDS, at)
                break
        self._state = state

    def standing(self) -> Verdict:
        return self.verdict if self.verdict.decided else Verdict.of(self._expression.ends(self._state))

    def _conclude(self) -> Check:
        met = self.verdict is HOLDS or (self.verdict is not BROKEN and self._expression.ends(self._state))
        wanted = f"a match of {self._expression.pattern}"
        if met:
            return Check(HOLDS, "the text matches" if self._whole else "a match stands in the text", wanted=wanted)
        if self.verdict is BROKEN:
            return Check(BROKEN, f"no match can begin with its first {self.at} characters", wanted=wanted)
        return Check(BROKEN, "the text does not match" if self._whole else "no match in the text", wanted=wanted)
