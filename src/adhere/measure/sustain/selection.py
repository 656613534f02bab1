"""Selection by the base answer: the problems that count, and their outcomes under the other conditions.

Rules:

- A problem counts in an epoch if its base answer is correct there. A base answer that could not be decided selects
  nothing and is counted apart.
- Everything that is compared is compared within one problem and epoch. The problem is the cluster: epochs of one
  problem are not independent.
- A domain of which no problem was solved at base has nothing to sustain: it is named, and no share is made of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from adhere.measure.statistics.rates import Rate, rate
from adhere.measure.sustain.outcome import Arm, ArmOutcome, Position

Condition = tuple[Arm, int, Position, float]
"""Arm, k, position, factor: as `ArmOutcome.condition`."""

CONTROL: Condition = ("control", 0, "after", 1.0)
ALONE: Condition = ("constraint", 1, "after", 1.0)
"""One constraint behind the problem: the effect at its plainest."""


@dataclass(frozen=True)
class BaseTrial:
    """One problem that base solved, in one epoch, with the outcomes of its other arms.

    Attributes:
        base: the correct answer that selected the problem.
        under: the other outcomes by condition, control among them. Mostly one each; several where the problem was asked
            with each of several constraints.
    """

    base: ArmOutcome
    under: dict[Condition, list[ArmOutcome]]
    _unasked: dict[int, tuple[bool, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def problem(self) -> str:
        """The problem's id: the cluster."""
        return self.base.problem

    @property
    def domain(self) -> str:
        return self.base.domain

    @property
    def control(self) -> ArmOutcome | None:
        """The same prompt, asked again; None where that was not done."""
        return next(iter(self.under.get(CONTROL, ())), None)

    def of(self, condition: Condition) -> list[ArmOutcome]:
        """The outcomes under `condition`; none where the problem was not asked under it."""
        return self.under.get(condition, [])

    def unasked(self, outcome: ArmOutcome) -> tuple[bool, ...]:
        """Whether the control's answer, which was asked for nothing, meets each of the constraints of `outcome`."""
        control = self.control
        if control is None:
            return ()
        if id(outcome) not in self._unasked:  # asked for by every breakdown, and a check reads the whole answer
            verdicts = tuple(constraint.check(control.answer).met for constraint in outcome.constraints)
            self._unasked[id(outcome)] = verdicts
        return self._unasked[id(outcome)]


@dataclass(frozen=True, slots=True)
class Solved:
    """How much of a domain base solved.

    Attributes:
        domain: math, multihop or code.
        share: correct of those that could be decided, clustered by problem.
        undecided: base answers that could not be decided.
    """

    domain: str
    share: Rate
    undecided: int

    @property
    def solvable(self) -> bool:
        """Whether there is anything to sustain."""
        return self.share.met > 0

    def __str__(self) -> str:
        if not self.share.n:
            return f"{self.domain}: no base answer could be decided ({self.undecided} asked); nothing to sustain"
        if not self.solvable:
            return f"{self.domain}: none of {self.share.clusters} problems is solved at base; nothing to sustain"
        return f"{self.domain}: {self.share.met} of {self.share.n} solved at base"


@dataclass(frozen=True)
class Selection:
    """The trials of one model, in the order of the outcomes, and how much of each domain base solved."""

    trials: tuple[BaseTrial, ...]
    solved: tuple[Solved, ...]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions asked, control left out: arms in their order, then k, position and factor as they came."""
        conditions = dict.fromkeys(c for trial in self.trials for c in trial.under if c != CONTROL)
        order = {"placebo": 0, "long": 1, "constraint": 2, "attend": 3}
        return tuple(sorted(conditions, key=lambda c: (order.get(c[0], 9), c[2] != "after", c[2], c[3], c[1])))

    @property
    def domains(self) -> tuple[str, ...]:
        """Domains of which something was solved."""
        return tuple(one.domain for one in self.solved if one.solvable)


def select(outcomes: Iterable[ArmOutcome]) -> Selection:
    """What base selects of one model's outcomes.

    Raises:
        ValueError: the outcomes are of several models.
    """
    bases: dict[tuple[str, int], ArmOutcome] = {}
    others: dict[tuple[str, int], dict[Condition, list[ArmOutcome]]] = {}
    models = set()
    for outcome in outcomes:
        models.add(outcome.model)
        key = outcome.problem, outcome.epoch
        if outcome.arm == "base":
            bases[key] = outcome
        else:
            others.setdefault(key, {}).setdefault(outcome.condition, []).append(outcome)
    if len(models) > 1:
        raise ValueError(f"outcomes of several models: {', '.join(sorted(models))}")
    trials = tuple(BaseTrial(base, others.get(key, {})) for key, base in bases.items() if base.correct)
    return Selection(trials, tuple(_solved(list(bases.values()))))


def _solved(bases: Sequence[ArmOutcome]) -> Iterable[Solved]:
    for domain in dict.fromkeys(base.domain for base in bases):
        mine = [base for base in bases if base.domain == domain]
        clusters: dict[str, list[bool]] = {}
        for base in mine:
            if base.correct is not None:
                clusters.setdefault(base.problem, []).append(base.correct)
        share = rate((sum(verdicts), len(verdicts)) for verdicts in clusters.values())
        yield Solved(domain, share, sum(base.correct is None for base in mine))
