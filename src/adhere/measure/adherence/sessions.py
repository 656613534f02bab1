"""How a model keeps to instructions over the turns of a conversation.

Four questions, each clustered by session: how many answers at turn 1, 2, ... follow everything that is in force there;
how many sessions are followed at every turn; and how often an instruction is followed the turn it is stated, one turn
later, two turns later (does following wane?); and where a lower rank contradicts a higher one (user against system, a
tool's text against the user), how often the answer follows the higher, and how often the lower.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from adhere.constraints.constraint import Profile
from adhere.measure.adherence.records import CONFLICTS, PROFILES, Conflict, Record
from adhere.measure.statistics.rates import Rate, rate_of


@dataclass(frozen=True, slots=True)
class SessionRates:
    """What came of a model's conversations under one profile, strict."""

    turns: dict[int, Rate]
    """By turn, the share of answers that follow everything in force."""
    sessions: Rate
    """Share of conversations in which every answer does."""
    by_age: dict[int, Rate]
    """By the number of turns since it was stated, the share of instructions followed; 0 is the turn itself."""
    conflicts: dict[str, tuple[Rate, Rate]]
    """By pair ("system over user"), the share of conflicts in which the answer follows the higher, and the lower."""


_Turn = tuple[int, tuple[bool, ...], tuple[tuple[int, tuple[bool, ...]], ...], tuple[Conflict, ...]]


class Sessions:
    """Takes in the records of conversations; other records are passed over."""

    def __init__(self) -> None:
        self._turns: dict[tuple[str, str], dict[str, list[_Turn]]] = {}

    def add(self, record: Record) -> None:
        """Take in one answer."""
        if not record.turn:
            return
        entries = tuple(
            (record.turn - max(one.since, 1), tuple(_met(one.outcome(profile)) for profile in PROFILES))
            for one in record.instructions
        )
        whole = tuple(record.followed(profile) for profile in PROFILES)
        sessions = self._turns.setdefault((record.model, record.set), {})
        sessions.setdefault(record.prompt_id, []).append((record.turn, whole, entries, record.conflicts))

    def subjects(self) -> list[tuple[str, str]]:
        """Models, each with its set, that have conversations."""
        return list(self._turns)

    def counts(self, subject: tuple[str, str], profile: Profile) -> dict[tuple[str, int], Counter[tuple[int, int]]]:
        """How many sessions met so many of so many: of ("turn", k) and ("age", k), all turns as ("whole", 0), and
        of conflicts of `CONFLICTS[k]` ("higher", k) and ("lower", k)."""
        k = PROFILES.index(profile)
        counts: dict[tuple[str, int], Counter[tuple[int, int]]] = {("whole", 0): Counter()}
        for turns in self._turns[subject].values():
            counts["whole", 0][int(all(met[k] for _, met, _, _ in turns)), 1] += 1
            ages: dict[int, list[bool]] = {}
            for (what, number), verdicts in _of_conflicts(turns, k).items():
                counts.setdefault((what, number), Counter())[sum(verdicts), len(verdicts)] += 1
            for turn, met, entries, _ in turns:
                counts.setdefault(("turn", turn), Counter())[int(met[k]), 1] += 1
                for age, one in entries:
                    ages.setdefault(age, []).append(one[k])
            for age, verdicts in ages.items():
                counts.setdefault(("age", age), Counter())[sum(verdicts), len(verdicts)] += 1
        return counts

    def rates(self, subject: tuple[str, str], profile: Profile) -> SessionRates:
        """The rates of one model."""
        return rates_of(self.counts(subject, profile))


def rates_of(counts: Mapping[tuple[str, int], Counter[tuple[int, int]]]) -> SessionRates:
    """The rates that `Sessions.counts`, of all sessions or merged from parts, give."""
    numbered = [(what, number, rate_of(counts[what, number])) for what, number in sorted(counts) if what != "whole"]
    by: dict[str, dict[int, Rate]] = {"turn": {}, "age": {}, "higher": {}, "lower": {}}
    for what, number, rate in numbered:
        by[what][number] = rate
    conflicts = {CONFLICTS[number]: (rate, by["lower"][number]) for number, rate in by["higher"].items()}
    return SessionRates(by["turn"], rate_of(counts["whole", 0]), by["age"], conflicts)


def _of_conflicts(turns: list[_Turn], k: int) -> dict[tuple[str, int], list[bool]]:
    """The verdicts of a session's conflicts, by side and pair."""
    verdicts: dict[tuple[str, int], list[bool]] = {}
    for *_, conflicts in turns:
        for one in conflicts:
            number = CONFLICTS.index(one.pair)
            verdicts.setdefault(("higher", number), []).append(one.higher[k])
            verdicts.setdefault(("lower", number), []).append(one.lower[k])
    return verdicts


def _met(outcome: object) -> bool:
    return bool(getattr(outcome, "strict", False))
