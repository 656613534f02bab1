"""Counts within bounds: what "at most 50 words" and "at least three bullet points" have in common.

A bounded constraint is decided early: more than `at_most` is BROKEN when the unit too many begins, `at_least` alone
HOLDS when the last unit wanted begins. An exact number can only be broken early, never met.
"""

from __future__ import annotations

import re
from typing import Any, Self

from pydantic import model_validator

from adhere.constraints.constraint import BROKEN, HOLDS, Check, Constraint, Count, Monitor, Verdict
from adhere.constraints.reading.counters import Counter


class Bounded(Constraint):
    """A constraint on how many of something there are: at least, at most, or both. `exactly` sets both at once."""

    at_least: Count | None = None
    at_most: Count | None = None

    @model_validator(mode="before")
    @classmethod
    def _exactly(cls, values: Any) -> Any:
        if isinstance(values, dict) and "exactly" in values:
            values = dict(values)
            exactly = values.pop("exactly")
            if "at_least" in values or "at_most" in values:
                raise ValueError("give either exactly or at_least / at_most")
            values["at_least"] = values["at_most"] = exactly
        return values

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("give at_least, at_most or exactly")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least ({self.at_least}) is more than at_most ({self.at_most})")
        return self

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        """The constraint whose bounds a match of one of `wordings`, which contain `BOUND`, states."""
        bounds = bound(match)
        return cls.model_validate(bounds) if bounds else None

    def within(self, count: int) -> bool:
        return (self.at_least is None or count >= self.at_least) and (self.at_most is None or count <= self.at_most)

    def bounds(self, unit: str, units: str | None = None) -> str:
        """The bounds in words: "at most 50 words", "exactly 1 word", "between 3 and 5 words"."""
        units = units or unit + "s"
        low, high = self.at_least, self.at_most
        if low == high:
            return f"exactly {low} {unit if low == 1 else units}"
        if low is None:
            return f"at most {high} {unit if high == 1 else units}"
        if high is None:
            return f"at least {low} {unit if low == 1 else units}"
        return f"between {low} and {high} {units}"

    def sum_up(self, count: int, unit: str, units: str | None = None) -> Check:
        """The check of a text that has `count` of them."""
        units = units or unit + "s"
        found = f"{count} {unit if count == 1 else units}"
        wanted = self.bounds(unit, units)
        met = self.within(count)
        return Check(Verdict.of(met), f"{found}; {wanted} {'asked' if met else 'wanted'}", found=count, wanted=wanted)


class CountMonitor(Monitor):
    """Watches a `Counter` against the bounds of a constraint."""

    def __init__(self, bounded: Bounded, counter: Counter, unit: str, units: str | None = None) -> None:
        super().__init__()
        self._bounded = bounded
        self._counter = counter
        self._unit, self._units = unit, units
        self._limit = bounded.at_most
        self._goal = bounded.at_least if bounded.at_most is None else None
        if self._goal == 0:
            self._decide(HOLDS, 0)

    def fork(self) -> Self:
        other = super().fork()
        other._counter = self._counter.fork()
        return other

    def _read(self, chunk: str) -> None:
        counter = self._counter
        before = counter.count
        if not counter.read(chunk):
            return
        if self._limit is not None:
            if before <= self._limit < counter.count:
                self._decide(BROKEN, counter.where(self._limit + 1 - before))
        elif self._goal is not None and before < self._goal <= counter.count:
            self._decide(HOLDS, counter.where(self._goal - before))

    def standing(self) -> Verdict:
        return Verdict.of(self._bounded.within(self._counter.count))

    def _conclude(self) -> Check:
        return self._bounded.sum_up(self._counter.count, self._unit, self._units)


NUMBER = (
    r"\d{1,6}|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen"
    r"|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|(?:a|one) hundred|hundred"
)
"""A number as instructions write it, for use inside a pattern."""

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
)
_TENS = "ten twenty thirty forty fifty sixty seventy eighty ninety"
_WORDED = {word: 10 * (k + 1) for k, word in enumerate(_TENS.split())} | {w: k for k, w in enumerate(_UNITS.split())}


def number(text: str) -> int:
    """The value of what `NUMBER` matched."""
    text = text.lower()
    return int(text) if text.isdigit() else _WORDED.get(text, 100)


BOUND = (
    rf"(?:between (?P<low>{NUMBER}) (?:and|to) (?P<high>{NUMBER})"
    rf"|(?P<range_low>\d{{1,6}}) ?(?:-|–|to) ?(?P<range_high>\d{{1,6}})"
    rf"|(?P<relation>(?:in |with |using |of )?(?:at least|at the least|no less than|no fewer than|not less than|"
    rf"not fewer than|a minimum of|minimum|at most|at the most|no more than|not more than|a maximum of|maximum|up to|"
    rf"less than|fewer than|under|below|within|more than|over|above|exactly|precisely)) ?(?:of )?(?P<n>{NUMBER})"
    rf"|(?P<plus>{NUMBER})(?: or more|\+)|(?P<minus>{NUMBER}) or (?:less|fewer)|(?P<bare>{NUMBER}))"
)
"""A bound as instructions word it ("in under 50", "at least three", "between 2 and 4", "5 or more")."""

_AT_LEAST = re.compile(r"at (?:the )?least|no (?:less|fewer)|not (?:less|fewer)|minimum", re.I)
_AT_MOST = re.compile(r"at (?:the )?most|no more|not more|maximum|up to|within", re.I)
_LESS = re.compile(r"less than|fewer than|under|below", re.I)
_MORE = re.compile(r"more than|over|above", re.I)


def bound(match: re.Match[str]) -> dict[str, int] | None:
    """The `at_least` / `at_most` that a match of a pattern containing `BOUND` states; None where it states none."""
    groups = match.groupdict()
    if groups["low"]:
        low, high = number(groups["low"]), number(groups["high"])
    elif groups["range_low"]:
        low, high = number(groups["range_low"]), number(groups["range_high"])
    elif groups["plus"]:
        return {"at_least": number(groups["plus"])}
    elif groups["minus"]:
        return {"at_most": number(groups["minus"])}
    elif groups["bare"]:
        n = number(groups["bare"])
        return {"at_least": n, "at_most": n}
    else:
        relation, n = groups["relation"], number(groups["n"])
        # "no more than" holds "more than": the negated wordings are tried first
        if _AT_LEAST.search(relation):
            return {"at_least": n}
        if _AT_MOST.search(relation):
            return {"at_most": n}
        if _LESS.search(relation):
            return {"at_most": n - 1} if n > 0 else None
        if _MORE.search(relation):
            return {"at_least": n + 1}
        return {"at_least": n, "at_most": n}
    return {"at_least": low, "at_most": high} if low <= high else None
