"""The result of a scored run in one sentence, and which model leads on a set of prompts, where that can be told.

Rules.

- A model leads only where it follows significantly more prompts than every other one on the same prompts. The largest
  of several shares is otherwise the luckiest, and is not called the best.
- Rates are never mixed over sets: each set has its own clause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adhere.constraints.constraint import Profile
from adhere.measure.adherence.counts import Tallied
from adhere.measure.adherence.summary import Comparison, weakest
from adhere.measure.adherence.tally import Subject
from adhere.measure.statistics.rates import Rate
from adhere.report.numbers import between, percent

FEWEST = 5
"""Instructions of a family for it to be called the weakest."""
MOST_SETS = 3


@dataclass(frozen=True)
class Leader:
    """The model with the highest share of prompts followed on a set.

    Attributes:
        leads: whether it follows significantly more than every other model; None where the models answered different
            prompts, so that they cannot be compared.
        rival: a model that it cannot be told from, if there is one.
    """

    subject: Subject
    rate: Rate
    leads: bool | None
    rival: str = ""


def leader(tally: Tallied, subjects: Sequence[Subject], profile: Profile, compared: Sequence[Comparison]) -> Leader:
    """Who leads among the subjects of one set; `compared` may be of several sets."""
    best = max(subjects, key=lambda subject: tally.prompts(subject, profile).estimate)
    rate = tally.prompts(best, profile)
    mine = [c for c in compared if c.set == best.set and best.model in (c.a, c.b)]
    if len(mine) < len(subjects) - 1:
        return Leader(best, rate, None)
    rivals = [c.b if c.a == best.model else c.a for c in mine if not c.real]
    return Leader(best, rate, not rivals, rivals[0] if rivals else "")


def headline(tally: Tallied, subjects: Sequence[Subject], profile: Profile, compared: Sequence[Comparison]) -> str:
    """The result in one sentence: a share with its interval and n; of several models, which follows most, if any."""
    if len(subjects) == 1:
        (subject,) = subjects
        low = weakest(tally.families(subject, profile).items(), most=1, least=FEWEST)
        least = f"; weakest: {low[0][0]} ({percent(low[0][1].estimate, 0)}, n = {low[0][1].n:,})" if low else ""
        return f"{subject.model} follows {_share(tally.prompts(subject, profile))}{least}."
    sets = list(dict.fromkeys(subject.set for subject in subjects))
    if len(sets) == 1:
        return f"{_clause(tally, subjects, profile, compared)}."
    clauses = []
    for of in sets[:MOST_SETS]:
        clause = _clause(tally, [subject for subject in subjects if subject.set == of], profile, compared)
        clauses.append(f"on {of}, {clause[0].lower() + clause[1:] if clause.startswith('The ') else clause}")
    more = f"; {len(sets) - MOST_SETS} more sets below" if len(sets) > MOST_SETS else ""
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}{more}."


def _clause(tally: Tallied, subjects: Sequence[Subject], profile: Profile, compared: Sequence[Comparison]) -> str:
    """The result on one set."""
    ahead = leader(tally, subjects, profile, compared)
    name, share = ahead.subject.model, _share(ahead.rate)
    if len(subjects) == 1:
        return f"{name} follows {share}"
    if ahead.leads is None:
        return f"The highest share is that of {name}, which follows {share}; the models answered different prompts"
    if ahead.leads:
        return f"{name} follows more prompts than every other model: {share}"
    return f"{name} follows {share}, not significantly more than {ahead.rival}"


def _share(rate: Rate) -> str:
    return f"{percent(rate.estimate, 0)} of prompts completely ({between(rate.interval, 0)} %, n = {rate.n:,})"
