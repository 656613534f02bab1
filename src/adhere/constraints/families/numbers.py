"""Numbers: how many stand in the answer, a row of multiples, a list of dates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from adhere.constraints.bases.bounds import BOUND, Bounded
from adhere.constraints.bases.reference_profile import Twofold, bare
from adhere.constraints.constraint import BROKEN, HOLDS, Check, Monitor, Span, Verdict
from adhere.constraints.registry import register

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_DIGITS = re.compile(r"\d+")


@register
class Numbers(Bounded, Twofold):
    """So many numbers, in digits; "3.14", "1,000" and "10:30" are one each.

    The reference drops punctuation first, so that "2019-2021" and "1/2" are one number each.
    """

    kind: ClassVar[str] = "numbers.count"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(rf"\b(?:include|use|contain)s? {BOUND} numbers?\b(?! of)", re.I),
    )

    def describe(self) -> str:
        return f"Include {self.bounds('number')}."

    def followed(self, text: str) -> bool:
        return self.within(len(_DIGITS.findall(bare(text))))

    def judge(self, text: str) -> Check:
        places = [Span(*match.span()) for match in _NUMBER.finditer(text)]
        check = self.sum_up(len(places), "number")
        return Check(check.verdict, check.reason, check.found, check.wanted, tuple(places[-16:]))

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_least=3, at_most=3), cls(at_least=2), cls(at_most=1)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        if count := len(_NUMBER.findall(text)):
            yield cls(at_least=count, at_most=count)


@register
class Multiples(Twofold):
    """The numbers in the answer are the multiples of one number within bounds, in rising order, and no others."""

    kind: ClassVar[str] = "numbers.multiples"
    decides_early: ClassVar[bool] = False  # a wrong digit tells at once, the number only when complete
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\bcount from (?P<first>\d{1,6}) to (?P<last>\d{1,6}),? but only print multiples of (?P<of>\d{1,6})", re.I
        ),
    )

    of: Annotated[int, Field(strict=True, ge=1)]
    first: Annotated[int, Field(strict=True, ge=0)]
    last: Annotated[int, Field(strict=True, ge=0)]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.due:
            raise ValueError(f"there is no multiple of {self.of} from {self.first} to {self.last}")
        return self

    @property
    def due(self) -> range:
        """The numbers that are wanted."""
        return range(-(-self.first // self.of) * self.of, self.last + 1, self.of)

    def describe(self) -> str:
        return f"Count from {self.first} to {self.last} but only print multiples of {self.of}."

    def followed(self, text: str) -> bool:
        return _DIGITS.findall(text) == [str(n) for n in self.due]

    def watch(self) -> Monitor:
        return _MultiplesMonitor(self)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(of=7, first=10, last=50), cls(of=1, first=1, last=3)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(of=int(match["of"]), first=int(match["first"]), last=int(match["last"]))


class _MultiplesMonitor(Monitor):
    def __init__(self, constraint: Multiples) -> None:
        super().__init__()
        self._due = constraint.due
        self._met = 0
        self._held = ""
        self._wrong = ""
        self._span: tuple[Span, ...] = ()

    def _read(self, chunk: str) -> None:
        if not self.verdict.decided:
            self._advance(chunk, last=False)

    def _advance(self, chunk: str, *, last: bool) -> None:
        held = len(self._held)
        text = self._held + chunk
        self._held = ""
        for match in _DIGITS.finditer(text):
            if match.end() == len(text) and not last:
                self._held = match[0][:20]  # longer than any number that is due
                return
            if self._met < len(self._due) and match[0] == str(self._due[self._met]):
                self._met += 1
                continue
            self._wrong = match[0]
            self._span = (Span(self.length + match.start() - held, self.length + match.end() - held),)
            self._decide(BROKEN, min(match.end() + 1 - held, len(chunk)))
            return

    def _conclude(self) -> Check:
        if not self.verdict.decided:
            self._advance("", last=True)
        wanted = ", ".join(map(str, self._due[:12])) + (", ..." if len(self._due) > 12 else "")
        if self._span:
            due = self._due[self._met] if self._met < len(self._due) else "nothing"
            return Check(BROKEN, f"{self._wrong} where {due} was due", self._wrong, wanted, self._span)
        if self._met < len(self._due):
            return Check(BROKEN, f"ends before {self._due[self._met]}", self._met, wanted)
        return Check(HOLDS, f"{self._met} multiples in order", self._met, wanted)


_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


@register
class DateList(Twofold):
    """Dates as YYYY-MM-DD between two years, separated by commas, and nothing else.

    The reference lets pass what no calendar has: month 00, day 00, 29 February of any year.
    """

    kind: ClassVar[str] = "numbers.dates"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\bdates (?P<years>between (?P<first>\d{4}) and (?P<last>\d{4}) )?separated by commas, use the "
            r"following date "
            r"format: YYYY-MM-DD",
            re.I,
        ),
        re.compile(
            r"\bthe start dates of all the battles Napoleon fought separated by commas, use the following date "
            r"format: YYYY-MM-DD",
            re.I,
        ),
    )

    first_year: Annotated[int, Field(strict=True, ge=1, le=9999)] = 1769
    last_year: Annotated[int, Field(strict=True, ge=1, le=9999)] = 1821

    def describe(self) -> str:
        return (
            f"List only dates between {self.first_year:04} and {self.last_year:04} separated by commas, use the "
            f"following "
            "date format: YYYY-MM-DD."
        )

    def followed(self, text: str) -> bool:
        return all(self._passes(item.strip()) for item in text.strip().split(","))

    def _passes(self, item: str) -> bool:
        match = _DATE.fullmatch(item)
        if not match or not self.first_year <= int(match[1]) <= self.last_year:
            return False
        month, day = int(match[2]), int(match[3])
        longest = 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31 if month else 99
        return month <= 12 and day <= longest

    def judge(self, text: str) -> Check:
        wanted = f"dates from {self.first_year} to {self.last_year}, separated by commas"
        at, count = 0, 0
        for item in text.rstrip().removesuffix(".").split(","):
            plain = item.strip()
            if not self._is_date(plain):
                found = plain[:40]
                return Check(
                    BROKEN, f"{found!r} is no such date", found, wanted, (Span(at, at + len(item)),) if plain else ()
                )
            at += len(item) + 1
            count += 1
        return Check(Verdict.of(count > 0), f"{count} dates", count, wanted)

    def _is_date(self, item: str) -> bool:
        match = _DATE.fullmatch(item)
        if not match or not self.first_year <= int(match[1]) <= self.last_year:
            return False
        try:
            date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError:
            return False
        return True

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(), cls(first_year=1900, last_year=2000)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        if not match.groupdict().get("years"):
            return cls()
        return cls(first_year=int(match["first"]), last_year=int(match["last"]))
