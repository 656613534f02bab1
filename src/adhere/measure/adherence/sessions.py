"""How a model keeps to instructions over the turns of a conversation.

Three questions, each clustered by session: how many answers at turn 1, 2, ... follow everything that is in force there;
how many sessions are followed at every turn; and how often an instruction is followed the turn it is stated, one turn
later, two turns later (does following wane?).
"""

from __future__ import annotations

from dataclasses import dataclass

from adhere.constraints.constraint import Profile
from adhere.measure.adherence.records import PROFILES, Record
from adhere.measure.statistics.rates import Rate, rate


@dataclass(frozen=True, slots=True)
class SessionRates:
    """What came of a model's conversations under one profile, strict."""

    turns: dict[int, Rate]
    """By turn, the share of answers that follow everything in force."""
    sessions: Rate
    """Share of conversations in which every answer does."""
    by_age: dict[int, Rate]
    """By the number of turns since it was stated, the share of instructions followed; 0 is the turn itself."""


_Turn = tuple[int, tuple[bool, ...], tuple[tuple[int, tuple[bool, ...]], ...]]


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
        sessions.setdefault(record.prompt_id, []).append((record.turn, whole, entries))

    def subjects(self) -> list[tuple[str, str]]:
        """Models, each with its set, that have conversations."""
        return list(self._turns)

    def rates(self, subject: tuple[str, str], profile: Profile) -> SessionRates:
        """The rates of one model."""
        k = PROFILES.index(profile)
        by_turn: dict[int, list[tuple[int, int]]] = {}
        by_age: dict[int, list[tuple[int, int]]] = {}
        whole = []
        for turns in self._turns[subject].values():
            whole.append((int(all(met[k] for _, met, _ in turns)), 1))
            ages: dict[int, list[bool]] = {}
            for turn, met, entries in turns:
                by_turn.setdefault(turn, []).append((int(met[k]), 1))
                for age, one in entries:
                    ages.setdefault(age, []).append(one[k])
            for age, verdicts in ages.items():
                by_age.setdefault(age, []).append((sum(verdicts), len(verdicts)))
        return SessionRates(
            {turn: rate(pairs) for turn, pairs in sorted(by_turn.items())},
            rate(whole),
            {age: rate(pairs) for age, pairs in sorted(by_age.items())},
        )


def _met(outcome: object) -> bool:
    return bool(getattr(outcome, "strict", False))
