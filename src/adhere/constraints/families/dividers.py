"""Divided: parts of the answer set apart by a divider of asterisks, as paragraphs by *** or two answers by ******."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, ClassVar, Self

from pydantic import Field

from adhere.constraints.bases.bounds import BOUND, NUMBER, Bounded, bound, number
from adhere.constraints.constraint import BROKEN, HOLDS, AtEnd, Check, Monitor, Verdict
from adhere.constraints.reading.readers import LONGEST_TOKEN, TokenReader
from adhere.constraints.registry import register

_LONG = 256
_SPACE = re.compile(r"\s")
_STARS = Annotated[str, Field(pattern=r"^\*{3,32}$")]


@register
class Divided(Bounded):
    """How many parts the answer has between its dividers; with `distinct`, no two of them are the same.

    A divider is a run of asterisks exactly as long as asked; one of three stands between white space, since otherwise
    it is bold italics. Parts with nothing in them are none. The reference sees two dividers in "******" and in
    "***bold italics***", and fails a text that has an empty part in its midst.
    """

    kind: ClassVar[str] = "structure.divided"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\b{BOUND} (?P<distinct>different )?(?:\w+ )?"
            rf"(?:paragraphs?|parts?|responses?|answers?|versions?|sections?)\b"
            rf"[^\n]{{0,120}}?(?:separated|divided|divider|separate|split|separator)[^\n]{{0,80}}?"
            rf"(?P<divider>(?<!\*)\*{{3,32}}(?!\*)|(?P<stars>{NUMBER}) asterisk symbols)",
            re.I,
        ),
        re.compile(
            r"\b(?:separat(?:e|ed|ing)|divid(?:e|ed|ing))\b[^\n.]{0,60}? (?:with|by|using)"
            r"(?P<two>(?: exactly)? (?:(?:6|six) as?teris[kc]s?(?: symbols?)?|\*{6}(?!\*)))(?::? ?\(?\*{5,7}\)?)?",
            re.I,
        ),
    )

    divider: _STARS = "***"
    distinct: bool = False

    def describe(self) -> str:
        different = "different " if self.distinct else ""
        bounds = self.bounds(f"{different}part")
        return f"Give {bounds}, separated by the divider {self.divider}"

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _DividedMonitor(self)

    def _by_reference(self, text: str) -> Check:
        parts = [part.strip() for part in text.split(self.divider)]
        if not all(parts[1:-1]):
            return Check(BROKEN, "a part in the midst is empty", wanted=self.bounds("part"))
        return self._sum_up([part for part in parts if part])

    def _sum_up(self, parts: list[str]) -> Check:
        check = self.sum_up(len(parts), "part")
        if self.distinct and check.verdict is HOLDS and len(set(parts)) < len(parts):
            return Check(BROKEN, "two parts are the same", check.found, check.wanted)
        return check

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (
            cls(at_least=3, at_most=3),
            cls(divider="******", at_least=2, at_most=2, distinct=True),
            cls(at_most=2),
        )

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        if "two" in match.re.groupindex:  # two answers, parted by six asterisks
            return cls(at_least=2, at_most=2, divider="*" * 6, distinct=True)
        bounds = bound(match)
        if bounds is None:
            return None
        divider = match["divider"]
        if match["stars"]:
            divider = "*" * number(match["stars"])
        return cls.model_validate({"divider": divider, "distinct": bool(match["distinct"]), **bounds})


class _DividedMonitor(Monitor):
    def __init__(self, constraint: Divided) -> None:
        super().__init__()
        self._constraint = constraint
        self._tokens = TokenReader()
        self._parts: tuple[int, ...] = ()
        """A running fingerprint of each part's words, so that two parts can be told apart without being kept."""
        self._open = False
        self._count = 0
        stars = len(constraint.divider)
        self._inside = stars > 3
        """Whether a divider may stand inside a run without white space."""
        border = "*" if self._inside else "S"
        self._dividers = re.compile(rf"(?<!\{border})\*{{{stars}}}(?!\{border})")
        if constraint.at_most is None and constraint.at_least == 0 and not constraint.distinct:
            self._decide(HOLDS, 0)

    def fork(self) -> Self:
        other = super().fork()
        other._tokens = self._tokens.fork()
        return other

    def _read(self, chunk: str) -> None:
        if len(chunk) < _LONG or not self._skim(chunk):
            self._take(self._tokens.read(chunk))

    def _skim(self, chunk: str) -> bool:
        """What `_read` does, without making a token of every word; False where it cannot be done."""
        held = self._tokens.held()
        text = held + chunk
        words = text.split()
        if not self._tokens.starts or max(map(len, words), default=LONGEST_TOKEN) >= LONGEST_TOKEN:
            return False
        end = len(text) if text[-1].isspace() else len(text) - len(words[-1])
        at = 0
        for divider in [*self._dividers.finditer(text, 0, end), None]:
            piece = text[at : divider.start() if divider else end]
            if not piece.isspace() and piece:
                first = at + len(piece) - len(piece.lstrip())
                stop = _SPACE.search(text, first)
                self._goes_on(piece.split(), (stop.start() + 1 if stop else len(text)) - len(held))
            if divider:
                self._open = False
                at = divider.end()
        self._tokens.hold(text[end:])
        return True

    def _take(self, tokens: list[tuple[str, int, int, bool]]) -> None:
        for token, _, certain, starts in tokens:
            if token == self._constraint.divider and starts:
                self._open = False
                continue
            pieces = self._dividers.split(token) if self._inside else (token,)
            for at, piece in enumerate(pieces):
                if at:
                    self._open = False
                if piece:
                    self._goes_on((piece,), certain)

    def _goes_on(self, pieces: Iterable[str], certain: int) -> None:
        """`pieces` belong to the part that is open, or begin one."""
        constraint = self._constraint
        if not self._open:
            self._open = True
            self._count += 1
            if constraint.distinct:
                self._parts += (0,)
            if constraint.at_most is not None and self._count > constraint.at_most:
                self._decide(BROKEN, certain)
            elif constraint.at_most is None and self._count == constraint.at_least and not constraint.distinct:
                self._decide(HOLDS, certain)
        if constraint.distinct:
            fingerprint = self._parts[-1]
            for piece in pieces:
                fingerprint = hash((fingerprint, piece))
            self._parts = (*self._parts[:-1], fingerprint)

    def _conclude(self) -> Check:
        self._take(self._tokens.finish())
        check = self._constraint.sum_up(self._count, "part")
        if self._constraint.distinct and check.verdict is HOLDS and max(Counter(self._parts).values(), default=0) > 1:
            return Check(Verdict.BROKEN, "two parts are the same", check.found, check.wanted)
        return check
