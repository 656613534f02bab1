"""Findings and comparisons made from a tally: what `score` and `compare` print and write.

Names are those of `core.findings`. Subjects carry model, set and profile; a difference carries besides what it is
held against ("against"), level, mode, the test, its p and whether it is real.

*Real* means: the p-value, corrected by Holm for all comparisons of the same family made in the run, is under 0.05.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from adhere.constraints.constraint import Profile
from adhere.core.findings import Control, Finding, Scalar
from adhere.measure.adherence.counts import LEVELS, MODES, Counts, MergedSessions, Tallied
from adhere.measure.adherence.model_pairs import PairCounts, model_pairs
from adhere.measure.adherence.sessions import Sessions
from adhere.measure.adherence.tally import Subject
from adhere.measure.statistics.rates import (
    CONFIDENCE,
    RESAMPLES,
    Cluster,
    Difference,
    Rate,
    holm,
    paired,
    paired_of,
    reaching_zero,
)

ALPHA = 1 - CONFIDENCE


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two subjects on the same prompts."""

    a: str
    b: str
    set: str
    profile: str
    level: str
    mode: str
    difference: Difference
    p_holm: float
    """Corrected for all comparisons made together with this one."""

    @property
    def real(self) -> bool:
        """Whether the difference is more than chance explains."""
        return self.p_holm < ALPHA

    def finding(self, recompute: str = "") -> Finding:
        d = self.difference
        subject: dict[str, Scalar] = {
            "model": self.a,
            "against": self.b,
            "set": self.set,
            "profile": self.profile,
            "level": self.level,
            "mode": self.mode,
            "test": d.test,
            "p": d.p,
            "p_holm": self.p_holm,
            "real": self.real,
            "only_a": d.only_a,
            "only_b": d.only_b,
        }
        return Finding(
            what="adherence.difference",
            subject=subject,
            estimate=d.estimate,
            interval=d.interval,
            confidence=CONFIDENCE,
            n=d.clusters,
            unit="share of prompts" if self.level == "prompt" else "share of instructions",
            recompute=recompute,
        )


class Pairing(NamedTuple):
    """What is to be compared: who with whom, on what, and the scores."""

    a: str
    b: str
    set: str
    profile: str
    level: str
    mode: str
    clusters: Sequence[Cluster]


def compared(pairings: Sequence[Pairing], seed: int = 0) -> list[Comparison]:
    """The comparisons asked for, in order, corrected together."""
    resamples = RESAMPLES if len(pairings) <= MANY else 0
    differences = [paired(pairing.clusters, seed=seed, resamples=resamples) for pairing in pairings]
    return _corrected(pairings, differences)


MANY = 100
"""Above so many comparisons at once nothing is resampled: Holm multiplies the least p-value that 10,000 draws can give
(0.0001) by their number, and every comparison would take a hundredth of a second."""


def _corrected(pairings: Sequence[Pairing], differences: Sequence[Difference]) -> list[Comparison]:
    corrected = holm([difference.p for difference in differences])
    return [
        Comparison(
            p.a, p.b, p.set, p.profile, p.level, p.mode,
            difference if p_holm < ALPHA else replace(difference, interval=reaching_zero(difference.interval)),
            p_holm,
        )
        for p, difference, p_holm in zip(pairings, differences, corrected, strict=True)
    ]  # fmt: skip


def between_models(tally: Tallied, profile: Profile, *, seed: int = 0, level: str = "prompt") -> list[Comparison]:
    """Every two models on the prompts that both answered, strict; the better one first; the surest first.

    Computed once for a tally: the terminal, the findings and the page show the same list.
    """
    return tally.remembered(
        ("between models", profile, seed, level), lambda: _between_models(tally, profile, seed, level)
    )


def _between_models(tally: Tallied, profile: Profile, seed: int, level: str) -> list[Comparison]:
    pairings: list[Pairing] = []
    counts: list[PairCounts] = []
    every_two = tally.model_pairs(profile, level) if isinstance(tally, Counts) else model_pairs(tally, profile, level)
    for a, b, scores in every_two:
        if sum(k * (x - y) for (x, y, _), k in scores.items()) < 0:
            a, b, scores = b, a, Counter({(y, x, trials): k for (x, y, trials), k in scores.items()})
        pairings.append(Pairing(a.model, b.model, a.set, profile, level, "strict", ()))
        counts.append(scores)
    resamples = RESAMPLES if len(counts) <= MANY else 0
    comparisons = _corrected(pairings, [paired_of(scores, seed=seed, resamples=resamples) for scores in counts])
    return sorted(comparisons, key=lambda c: (c.set, c.p_holm, -abs(c.difference.estimate)))


def between_profiles(tally: Tallied, subject: Subject, *, seed: int = 0) -> list[Comparison]:
    """What the fixed profile gives more than the reference, on the same responses."""
    named = [
        Pairing(subject.model, subject.model, subject.set, "fixed", level, mode, ())
        for level in LEVELS
        for mode in MODES
    ]
    counts = [tally.profile_counts(subject, one.level, one.mode == "loose") for one in named]
    return _corrected(named, [paired_of(scores, seed=seed) for scores in counts])


def findings(
    tally: Tallied,
    profiles: Sequence[Profile],
    *,
    seed: int = 0,
    recompute: str = "",
    evidence: tuple[str, ...] = (),
) -> list[Finding]:
    """Everything a scored run found."""
    findings: list[Finding] = []
    for subject in tally.subjects():
        for profile in profiles:
            findings += _of_profile(tally, subject, profile, both=len(profiles) > 1)
        whole = {"model": subject.model, "set": subject.set}
        for name, rate in tally.degenerate(subject).items():
            findings.append(_finding(f"degenerate.{name}", whole, rate, "share of responses"))
        if len(profiles) > 1:
            for comparison in between_profiles(tally, subject, seed=seed):
                finding = comparison.finding()
                findings.append(finding.model_copy(update={"subject": {**finding.subject, "against": "reference"}}))
    if len(tally.subjects()) > 1:
        for profile in profiles:
            findings += (comparison.finding() for comparison in between_models(tally, profile, seed=seed))
    shared = {"recompute": recompute, "evidence": evidence}
    return [finding.model_copy(update=shared) for finding in findings]


def _of_profile(tally: Tallied, subject: Subject, profile: Profile, both: bool) -> Iterator[Finding]:
    whole = {"model": subject.model, "profile": profile, "set": subject.set}
    for mode in MODES:
        loose = mode == "loose"
        for level, unit in (("prompt", "share of prompts"), ("instruction", "share of instructions")):
            measured = tally.prompts if level == "prompt" else tally.instructions
            control = None
            if both and profile == "fixed":
                other = measured(subject, "reference", loose)
                control = Control(what="reference profile", estimate=other.estimate, interval=other.interval)
            name = f"adherence.{level}.{mode}"
            yield _finding(name, whole, measured(subject, profile, loose), unit, control)
    for kind, rate in tally.families(subject, profile).items():
        yield _finding(f"adherence.family.{kind}", whole, rate, "share of instructions")
    for skill, rate in tally.skills(subject, profile).items():
        yield _finding(f"adherence.skill.{skill}", whole, rate, "share of instructions")


def session_findings(sessions: Sessions | MergedSessions, profiles: Sequence[Profile]) -> list[Finding]:
    """What was found of conversations: by turn, by session, by how long ago an instruction was stated, and who wins
    where instructions of two ranks conflict."""
    findings: list[Finding] = []
    for model, of in sessions.subjects():
        for profile in profiles:
            rates = sessions.rates((model, of), profile)
            whole: dict[str, str] = {"model": model, "profile": profile, "set": of}
            findings.append(_finding("adherence.session", whole, rates.sessions, "share of sessions"))
            for turn, one in rates.turns.items():
                findings.append(_finding(f"adherence.turn.{turn}", whole, one, "share of answers"))
            for age, one in rates.by_age.items():
                findings.append(_finding(f"adherence.kept.{age}", whole, one, "share of instructions"))
            for pair, sides in rates.conflicts.items():
                name = f"adherence.hierarchy.{pair.replace(' ', '_')}"
                for side, one in zip(("higher", "lower"), sides, strict=True):
                    findings.append(_finding(name, {**whole, "followed": side}, one, "share of conflicts"))
    return findings


def _finding(what: str, subject: dict[str, str], rate: Rate, unit: str, control: Control | None = None) -> Finding:
    """The rate as a finding. `clusters` is said where trials share prompts, and what is repeated is not called a
    prompt; `few_clusters` says that the interval's coverage is not assured."""
    more: dict[str, Scalar] = {}
    if rate.clusters < rate.n:
        more["clusters"] = rate.clusters
        if rate.few:
            more["few_clusters"] = True
        if unit == "share of prompts":
            unit = "share of responses"
    return Finding(
        what=what,
        subject={**subject, **more},
        estimate=rate.estimate,
        interval=rate.interval,
        confidence=CONFIDENCE,
        n=rate.n,
        unit=unit,
        control=control,
    )


def weakest(rates: Iterable[tuple[str, Rate]], most: int = 5, least: int = 3) -> list[tuple[str, Rate]]:
    """The families followed least, of those asked for `least` times or more and not always followed."""
    enough = [(kind, rate) for kind, rate in rates if rate.n >= least and rate.met < rate.n]
    return sorted(enough, key=lambda entry: (entry[1].estimate, -entry[1].n))[:most]
