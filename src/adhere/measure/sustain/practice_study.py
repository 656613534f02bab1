"""A study of practice on the pocket model: constraints that were trained together with reasoning against the others.

In training a pocket model saw some kinds of constraint together with problems, and others in descriptions only. Here
each solved problem is asked again with one constraint of each kind that its solution meets, and interference is
compared between three groups:

    practised   stood with problems in training
    apart       stood in descriptions, never with problems
    unseen      neither of these

Rules:

- Which kind belongs where is read from the `training.json` of the model that answered. For a model of the present
  recipe practised and apart were drawn at random within strata of like difficulty (`models.pocket.world.kinds`), so
  their difference is practice; for the first pocket model they were chosen by hand and differ in difficulty as well.
- A program has no sentences: a number of sentences never stood with code, and counts as apart there.
- Format, topic, sentiment and register are apart as well, but no solution in the pocket world meets one by itself.
- Interference of a group is paired by problem: control less the mean over the group's constraints asked of it. So is
  the difference between groups, over problems that have both. Each kind is reported by itself as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from adhere.core.findings import Control, Finding, Scalar
from adhere.measure.statistics.rates import CONFIDENCE, Cluster, Difference, Rate, holm, paired, rate, reaching_zero
from adhere.measure.sustain.arms import BASE, CONTROL, Condition
from adhere.measure.sustain.outcome import ArmOutcome

if TYPE_CHECKING:
    from adhere.models.pocket.world.kinds import Split

GROUPS = ("practised", "apart", "unseen")

OTHERS = ("style.toxicity", "contains.frequency")
"""Kinds outside the pool that solutions meet by themselves: never with problems, whatever the model."""


def split_of_model(name: str) -> Split:
    """How the training of the model called `name` divided the kinds: that of its folder, if it is one."""
    from adhere.models import pocket
    from adhere.models.pocket.world.kinds import split_of

    folder = Path(name.removeprefix("adhere/"))
    return split_of(folder if folder.is_dir() else pocket.path())


def group_of(kind: str, domain: str, split: Split) -> str:
    """Which of `GROUPS` a kind belongs to, beside questions of `domain`, by the split of a model's training."""
    if kind == "length.sentences" and domain == "code":
        return "apart"
    if kind in split.practised:
        return "practised"
    return "apart" if kind in split.apart else "unseen"


def kinds_of(text: str) -> tuple[str, ...]:
    """The kinds that `practice` or `length.words,contains.terms` names.

    Raises:
        UserError: there is no such kind.
    """
    from adhere.constraints.registry import family
    from adhere.models.pocket.world.kinds import POOL

    if text == "practice":
        return (*POOL, *OTHERS)
    return tuple(family(kind.strip()).kind for kind in text.split(",") if kind.strip())


def conditions(text: str) -> tuple[Condition, ...]:
    """Base, control, a placebo, and one constraint of each kind."""
    kinds = kinds_of(text)
    return (BASE, CONTROL, Condition("placebo", 1), *(Condition("constraint", 1, kind=kind) for kind in kinds))


def is_study(found: Iterable[ArmOutcome]) -> bool:
    """Whether some problem was asked under several single constraints: a run made with `conditions`."""
    seen: set[tuple[str, int]] = set()
    for one in found:
        if one.arm == "constraint" and one.k == 1 and one.position == "after":
            if (one.problem, one.epoch) in seen:
                return True
            seen.add((one.problem, one.epoch))
    return False


ALPHA = 1 - CONFIDENCE


@dataclass(frozen=True, slots=True)
class Group:
    """Interference of some kinds, and whether they are met.

    Attributes:
        name: one of `GROUPS`, or a kind.
        domain: a domain, or "all".
        kinds: the kinds that came to be asked.
        interference: control less constraint, paired by problem.
        met: share of the constraints met, clustered by problem.
    """

    name: str
    domain: str
    kinds: tuple[str, ...]
    interference: Difference
    met: Rate


@dataclass(frozen=True, slots=True)
class Study:
    """The three groups and every kind, over all domains and in each, and how far apart the groups are.

    `gaps` maps (group, domain) to the paired difference of its interference less that of the practised kinds, over
    problems that were asked both.
    """

    model: str
    groups: tuple[Group, ...]
    kinds: tuple[Group, ...]
    gaps: Mapping[tuple[str, str], Difference]


def study(found: Sequence[ArmOutcome], *, seed: int = 0) -> Study:
    """What the outcomes of a study of kinds say."""
    solved = {(one.problem, one.epoch) for one in found if one.arm == "base" and one.correct}
    controls = {
        (one.problem, one.epoch): one.correct for one in found if one.arm == "control" and one.correct is not None
    }
    asked = [
        one
        for one in found
        if one.arm == "constraint"
        and one.k == 1
        and one.correct is not None
        and (one.problem, one.epoch) in solved & controls.keys()
    ]
    split = split_of_model(found[0].model if found else "")
    domains = list(dict.fromkeys(one.domain for one in asked))
    places = ["all", *domains] if len(domains) > 1 else domains
    groups, kinds, gaps = [], [], {}
    for domain in places:
        here = [one for one in asked if domain in ("all", one.domain)]
        by_group = {name: [one for one in here if group_of(one.kinds[0], one.domain, split) == name] for name in GROUPS}
        groups += [_group(name, domain, some, controls, seed) for name, some in by_group.items() if some]
        by_kind = {
            kind: [one for one in here if one.kinds == (kind,)] for kind in sorted({k for o in here for k in o.kinds})
        }
        kinds += [_group(kind, domain, some, controls, seed) for kind, some in by_kind.items()]
        for name in GROUPS[1:]:
            if (gap := _gap(by_group["practised"], by_group[name], seed)) is not None:
                gaps[name, domain] = gap
    return Study(found[0].model if found else "", tuple(groups), tuple(kinds), gaps)


def _group(
    name: str, domain: str, some: Sequence[ArmOutcome], controls: Mapping[tuple[str, int], bool | None], seed: int
) -> Group:
    sums: dict[str, list[float]] = {}
    met: dict[str, list[int]] = {}
    for one in some:
        own = sums.setdefault(one.problem, [0.0, 0.0, 0])
        own[0] += bool(controls[one.problem, one.epoch])
        own[1] += bool(one.correct)
        own[2] += 1
        verdicts = met.setdefault(one.problem, [0, 0])
        verdicts[0] += one.met[0] is True
        verdicts[1] += 1
    return Group(
        name,
        domain,
        tuple(sorted({one.kinds[0] for one in some})),
        paired([Cluster(a, b, int(n)) for a, b, n in sums.values()], seed=seed),
        rate((met_here, n) for met_here, n in met.values()),
    )


def _gap(practised: Sequence[ArmOutcome], other: Sequence[ArmOutcome], seed: int) -> Difference | None:
    """How much more is lost under `other` than under `practised`, paired by problem."""
    shares: list[dict[str, list[bool]]] = [{}, {}]
    for some, into in zip((practised, other), shares, strict=True):
        for one in some:
            into.setdefault(one.problem, []).append(bool(one.correct))
    both = [problem for problem in shares[0] if problem in shares[1]]
    if not both:
        return None
    return paired([Cluster(fmean(shares[0][one]), fmean(shares[1][one]), 1) for one in both], seed=seed)


def findings(
    outcomes: Sequence[ArmOutcome], *, seed: int = 0, recompute: str = "", evidence: tuple[str, ...] = ()
) -> list[Finding]:
    """The study as findings: `sustain.interference` and `sustain.if` with subject `practised` (and `group`, `type`).

    `sustain.practice` is the paired difference between a group and the practised kinds.
    """
    done = study(outcomes, seed=seed)
    split = split_of_model(done.model)
    base: dict[str, Scalar] = {"model": done.model, "arm": "constraint", "k": 1, "position": "after"}
    ps = holm([group.interference.p for group in (*done.groups, *done.kinds)])
    results = []
    for group, p in zip((*done.groups, *done.kinds), ps, strict=True):
        subject: dict[str, Scalar] = {**base, "domain": group.domain}
        if group.name in GROUPS:
            subject |= {"group": group.name, "practised": group.name == "practised", "types": ", ".join(group.kinds)}
        else:
            subject["type"] = group.name
            if group.domain != "all":
                belongs = group_of(group.name, group.domain, split)
                subject |= {"group": belongs, "practised": belongs == "practised"}
        gap = group.interference
        tested: dict[str, Scalar] = {"test": gap.test, "p": gap.p, "p_holm": p, "real": p < ALPHA}
        results.append(
            Finding(
                what="sustain.interference",
                subject={**subject, **tested},
                estimate=gap.estimate,
                interval=gap.interval if p < ALPHA else reaching_zero(gap.interval),
                n=gap.clusters,
                unit="share of problems solved at base",
                control=Control(what="none", estimate=0.0),
            )
        )
        results.append(
            Finding(
                what="sustain.if",
                subject=subject,
                estimate=group.met.estimate,
                interval=group.met.interval,
                n=group.met.n,
                unit="share of constraints inserted",
            )
        )
    corrected = holm([gap.p for gap in done.gaps.values()])
    for ((name, domain), gap), p in zip(done.gaps.items(), corrected, strict=True):
        tested = {"test": gap.test, "p": gap.p, "p_holm": p, "real": p < ALPHA}
        results.append(
            Finding(
                what="sustain.practice",
                subject={"model": done.model, "domain": domain, "group": name, **tested},
                estimate=gap.estimate,
                interval=gap.interval if p < ALPHA else reaching_zero(gap.interval),
                n=gap.clusters,
                unit="interference less that of the practised kinds",
                control=Control(what="none", estimate=0.0),
            )
        )
    return [one.model_copy(update={"recompute": recompute, "evidence": evidence}) for one in results]
