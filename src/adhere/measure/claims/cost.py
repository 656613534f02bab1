"""Claims about what constraints cost (arXiv 2601.22047): claims 6 and 7.

Rules, for one model:

- 6, drop: the placebo arm, matched in tokens and asked at the same place, solves more than `DROP` more of the problems
  than the constraint arm, paired. The condition with the most constraints decides, after the problem where that was
  measured; one condition is one test.
- 6, attention: failed answers attend more to the constraint than matched sustained ones, relative to uniform attention,
  over all layers and the whole answer. Refuted where the whole interval lies at or below 0.
- 7: an arm of the training study changes the cost: the difference from the base model in interference with the most
  constraints, p corrected by Holm over arms. Refuted where every arm's interval lies within `DROP` of 0.
"""

from __future__ import annotations

from adhere.core.findings import Finding
from adhere.measure.claims.decision import Answer, Decided, Effect, decide, effect_of
from adhere.measure.claims.evidence import Evidence

DROP = 0.02
"""Share of solved problems that counts as a loss."""
UNCHANGED = 0.05
"""Share of solved problems within which training counts as without effect."""
ALPHA = 0.05


def _k(finding: Finding) -> int:
    return int(finding.subject.get("k", 0))


def drop(evidence: Evidence) -> Decided | None:
    """6: accuracy falls under self-evident constraints, net of controls."""
    measured = [one for one in evidence.all("sustain.beyond_placebo", arm="constraint", domain="all") if one.interval]
    measured = [one for one in measured if not {"type", "kind", "scale"} & set(one.subject)]
    placed = [one for one in measured if one.subject.get("position", "after") == "after"] or measured
    if not placed:
        return None
    most = max(placed, key=_k)
    effect = effect_of(most, f"{_k(most)} constraints")
    units = tuple(
        unit
        for one in sorted(placed, key=_k)
        if (unit := effect_of(one, f"{_k(one)} constraint{'s' * (_k(one) != 1)}")) is not None
    )
    decided = decide(effect, DROP, f"Solved with a placebo less solved with {_k(most)} constraints, n {most.n}")
    return Decided(decided.answer, decided.why, effect, DROP, units)


def attention(evidence: Evidence) -> Decided | None:
    """6: failed cases attend more to the constraint."""
    about = {"layer": "all", "progress": "all", "outcome": "difference"}
    for measure in ("relative", "per_token", "raw"):
        for one in evidence.all("attention.constraint", measure=measure, **about):
            effect = effect_of(one, "failed - sustained")
            return decide(effect, 0.0, f"Attention on the constraint ({measure}), failed less sustained, n {one.n}")
    return None


def training(evidence: Evidence) -> Decided | None:
    """7: training changes what constraints cost."""
    measured = [
        one
        for one in evidence.all("train.difference", against="base")
        if str(one.subject.get("measure", "")).startswith("interference.") and one.interval
    ]
    if not measured:
        return None
    most = max((str(one.subject["measure"]) for one in measured), key=lambda name: int(name.rpartition(".")[2]))
    arms = [one for one in measured if one.subject["measure"] == most]
    best = min(arms, key=lambda one: float(one.subject.get("p_holm", 1.0)))
    units = tuple(unit for one in arms if (unit := effect_of(one, str(one.subject["arm"]))) is not None)
    p = float(best.subject.get("p_holm", 1.0))
    within = all(unit.interval is not None and max(map(abs, unit.interval)) <= UNCHANGED for unit in units)
    answer: Answer = "confirmed" if p <= ALPHA else "refuted" if within else "cannot tell"
    effect = effect_of(best, str(best.subject["arm"])) or Effect("", 0.0)
    why = (
        f"Change of interference against the base model ({most}), arm {best.subject['arm']}: {effect.estimate:+.3f}, "
        f"p {p:.3f} (Holm over {len(arms)} arms), n {best.n}."
    )
    return Decided(answer, why, effect, 0.0, units)
