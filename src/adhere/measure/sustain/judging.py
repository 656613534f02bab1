"""A judge for lost answers whose pattern no rule determines, and the judge's own error.

The judge is asked one statement after another about the two answers side by side; the first that it finds true names
the pattern. A judge that cannot tell leaves the answer open. It sees the texts between fences, as every judge
of the house does, and answers in code words (`measure.judge`).

It is tried on answers whose pattern the rules have told: how often it gives another one stands beside every figure in
which its verdicts are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from adhere.core.findings import Finding
from adhere.measure.statistics.rates import wilson
from adhere.measure.sustain.failures import Failure, Pair, Pattern

STATEMENTS: tuple[tuple[Pattern, str], ...] = (
    (
        "form",
        "The second answer comes to the same result as the first, and only states it in another form or among "
        "more words.",
    ),
    (
        "bent",
        "The second answer gives another result than the first because its result was changed, shortened or reworded "
        "so as to satisfy the requirement.",
    ),
    ("step", "The second answer makes a mistake on the way to its result, or takes another way than the first."),
)
"""What is asked, in order, and the pattern that it names."""

MOST_TRIED = 40
"""Answers of known pattern that a judge is tried on."""


class Teller(Protocol):
    """What tells whether a statement is true of a text: `measure.judge.Judge` does."""

    async def holds(self, text: str, statement: str) -> bool | None: ...


@dataclass(frozen=True, slots=True)
class Tried:
    """How a judge did on answers whose pattern the rules told."""

    same: int
    other: int
    silent: int
    """It found none of the statements true, or could not tell."""

    @property
    def tried(self) -> int:
        return self.same + self.other + self.silent

    @property
    def error(self) -> float | None:
        """Share to which it gave another pattern or none; None where it was not tried."""
        return None if not self.tried else 1 - self.same / self.tried

    def finding(self, model: str, *, recompute: str = "") -> Finding:
        """`judge.error`, on failure patterns."""
        low, high = wilson(self.other + self.silent, self.tried)
        return Finding(
            what="judge.error",
            subject={"model": model, "on": "failure patterns", "silent": self.silent},
            estimate=self.error,
            interval=(low, high),
            n=self.tried,
            unit="share of lost answers whose pattern the rules tell",
            recompute=recompute,
        )


async def judged(found: Sequence[Pair], judge: Teller) -> tuple[list[Pair], Tried]:
    """`found` with what was open decided by `judge` where it can, control's losses too; and how it did on the rest."""
    named = {pattern for pattern, _ in STATEMENTS}
    same = other = silent = 0
    known = [pair.under for pair in found if pair.under is not None and pair.under.pattern in named]
    for one in known[:MOST_TRIED]:
        reply = await _ask(one, judge)
        same += reply == one.pattern
        silent += reply is None
        other += reply is not None and reply != one.pattern
    pairs = [
        replace(pair, under=await _decided(pair.under, judge), control=await _decided(pair.control, judge))
        for pair in found
    ]
    return pairs, Tried(same, other, silent)


async def _decided(one: Failure | None, judge: Teller) -> Failure | None:
    said = await _ask(one, judge) if one is not None and one.pattern == "open" else None
    return one if one is None or said is None else replace(one, pattern=said, judged=True, why=f"a judge: {one.why}")


async def _ask(one: Failure, judge: Teller) -> Pattern | None:
    text = shown(one)
    for pattern, statement in STATEMENTS:
        if await judge.holds(text, statement):
            return pattern
    return None


def shown(one: Failure) -> str:
    """What a judge sees of a lost answer. The right answer is not named: the first answer gives it."""
    required = "\n".join(one.lost.sentences) or "none"
    return (
        f"Question:\n{one.base.prompt}\n\nRequirement:\n{required}\n\n"
        f"First answer (right):\n{one.base.answer}\n\nSecond answer (wrong):\n{one.lost.answer}"
    )
