"""Nesting: brackets within brackets, quotes within quotes, so many levels deep.

A group counts when it is closed; its depth is how many groups stand one within the other, itself included. What never
closes has no depth, and a bracket that closes another kind than was opened makes void what is open around it.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Self

from pydantic import Field

from adhere.constraints.bases.bounds import NUMBER, number
from adhere.constraints.bases.reference_profile import Twofold
from adhere.constraints.constraint import BROKEN, HOLDS, Check, Monitor, Span
from adhere.constraints.registry import register

Depth = Annotated[int, Field(strict=True, ge=1, le=20)]

_CLOSES = {")": "(", "]": "[", "}": "{"}
_BRACKET = re.compile(r"[()\[\]{}]")

Open = tuple[str, int, int, "Open"] | None
"""The innermost open group: its sign, where it began, the depth of what closed within it, and the group around it."""


class _NestingMonitor(Monitor):
    """Keeps the open groups; HOLDS when one that is deep enough closes."""

    def __init__(self, depth: int, what: str) -> None:
        super().__init__()
        self._wanted, self._what = depth, what
        self._open: Open = None
        self._deepest = 0
        self._spans: tuple[Span, ...] = ()

    def _opens(self, sign: str, at: int) -> None:
        self._open = (sign, at, 0, self._open)

    def _closes(self, at: int) -> None:
        """The innermost group closes with the character at `at`, in characters of the text."""
        assert self._open is not None
        _, start, inner, around = self._open
        depth = inner + 1
        if around is not None:
            around = (around[0], around[1], max(around[2], depth), around[3])
        self._open = around
        if depth > self._deepest:
            self._deepest = depth
            self._spans = (Span(start, at + 1),)

    def _conclude(self) -> Check:
        met = self._deepest >= self._wanted
        return Check(
            HOLDS if met else BROKEN,
            f"{self._what} {self._deepest} deep; {self._wanted} wanted",
            found=self._deepest,
            wanted=self._wanted,
            spans=self._spans,
        )


@register
class NestedBrackets(Twofold):
    """Brackets of any kind, so many levels deep, opened and closed.

    The reference is content when the innermost of the levels closes, and remembers a depth that it has left.
    """

    kind: ClassVar[str] = "nesting.brackets"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("(", ")", "((((()))))", "(((((", ")))))")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\bnest parentheses(?: \(and \[brackets \{{and braces\}}\]\))? at least (?P<n>{NUMBER}) levels? deep",
            re.I,
        ),
    )

    depth: Depth = 5

    def describe(self) -> str:
        levels = "level" if self.depth == 1 else "levels"
        return f"Nest parentheses (and [brackets {{and braces}}]) at least {self.depth} {levels} deep."

    def followed(self, text: str) -> bool:
        levels: list[str] = []
        deepest = 0
        for sign in _BRACKET.findall(text):
            if sign in "([{":
                levels.append(sign)
                deepest = max(deepest, len(levels))
            elif levels and levels[-1] == _CLOSES[sign]:
                levels.pop()
                if deepest >= self.depth:
                    return True
            else:
                levels, deepest = [], 0
        return False

    def watch(self) -> Monitor:
        return _BracketMonitor(self.depth, "brackets")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(), cls(depth=2)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(depth=number(match["n"]))


class _BracketMonitor(_NestingMonitor):
    def _read(self, chunk: str) -> None:
        if self.verdict.decided:
            return
        for match in _BRACKET.finditer(chunk):
            sign, at = match[0], self.length + match.start()
            if sign in "([{":
                self._opens(sign, at)
            elif self._open is not None and self._open[0] == _CLOSES[sign]:
                self._closes(at)
                if self._deepest >= self._wanted:
                    self._decide(HOLDS, match.end())
                    return
            else:
                self._open = None


_QUOTES = {'"': '"', "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "'": "'", "‘": "'", "’": "'"}
_QUOTE = re.compile(r"[\"“”„«»'‘’\n]")
_OPENING, _CLOSING = frozenset("“„«‘"), frozenset("”»")


@register
class NestedQuotes(Twofold):
    """Quotes within quotes, so many levels deep, double and single ones by turns; straight or curly.

    A mark between two letters is an apostrophe; a quotation left open ends with its paragraph. The reference takes
    apostrophes for quotation marks ("don't", "I'm", "it's" may be three levels) and knows no curly ones.
    """

    kind: ClassVar[str] = "nesting.quotes"
    pieces: ClassVar[tuple[str, ...]] = ('"a ', "'b", "'", '"')
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\bquotes within quotes within quotes, at least (?P<n>{NUMBER}) levels? deep"
            rf"(?:,? alternating between double quotes and single quotes)?",
            re.I,
        ),
    )

    depth: Depth = 3

    def describe(self) -> str:
        levels = "level" if self.depth == 1 else "levels"
        return (
            f"Include quotes within quotes within quotes, at least {self.depth} {levels} deep, "
            "alternating between double quotes and single quotes."
        )

    def followed(self, text: str) -> bool:
        levels: list[str] = []
        deepest = 0
        for sign in text:
            if levels and sign == levels[-1]:
                levels.pop()
                if deepest - len(levels) >= self.depth:
                    return True
            elif sign in "\"'":
                levels.append(sign)
                deepest = max(deepest, len(levels))
        return False

    def watch(self) -> Monitor:
        return _QuoteMonitor(self.depth, "quotes")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(), cls(depth=2)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(depth=number(match["n"]))


class _QuoteMonitor(_NestingMonitor):
    """Holds back one character, since what follows a mark tells whether it is an apostrophe, and the one before it."""

    def __init__(self, depth: int, what: str) -> None:
        super().__init__(depth, what)
        self._held = ""
        """The last two characters, the second not read yet."""
        self._inked = False
        """Whether anything stands on the line so far."""

    def _read(self, chunk: str) -> None:
        if not self.verdict.decided:
            self._advance(chunk, "")

    def _advance(self, chunk: str, end: str) -> None:
        shift = len(self._held)
        text = self._held + chunk + end
        self._held = text[-2:]
        at, last = max(0, shift - 1), len(text) - 1  # the last character has no successor yet
        for match in _QUOTE.finditer(text, at, max(at, last)):
            start = match.start()
            self._inked = self._inked or not _blank(text, at, start)
            at = start + 1
            if match[0] == "\n":
                if not self._inked:
                    self._open = None
                self._inked = False
                continue
            self._inked = True
            self._mark(match[0], text[start - 1] if start else " ", text[start + 1], self.length + start - shift)
            if self._deepest >= self._wanted:
                self._decide(HOLDS, min(start + 2 - shift, len(chunk)))
                return
        self._inked = self._inked or not _blank(text, at, last)

    def _mark(self, sign: str, before: str, after: str, at: int) -> None:
        level = _QUOTES[sign]
        if level == "'" and before.isalnum() and after.isalnum():
            return
        inside = self._open is not None and self._open[0] == level
        if inside and sign not in _OPENING:
            self._closes(at)
        elif sign not in _CLOSING and not after.isspace() and (sign in _OPENING or not before.isalnum()):
            self._opens(level, at)

    def _conclude(self) -> Check:
        if not self.verdict.decided:
            self._advance("", " ")
        return super()._conclude()


def _blank(text: str, start: int, end: int) -> bool:
    return start >= end or text[start:end].isspace()
