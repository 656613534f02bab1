"""Claims about what probes find inside a model (arXiv 2604.06015): claims 1 to 5.

Rules, for one model:

- A skill's effects are read at the position `mean` (all tokens of the response), or at `eos` where a run has no `mean`.
- Condition for 1 to 3: at least half of the skills are readable, that is, the interval of a skill's own probe lies
  above its strongest control. Otherwise the answer is withheld.
- 1: a general probe trained on as many responses loses more than `MARGIN` of AUC, on average over skills.
- 2, transfer: a probe keeps less than half of its AUC above chance on other skills; the interval is a jackknife over
  skills, because cells of one row or column depend on each other.
- 2, pairs: topic with sentiment and exclusion with toxicity transfer better than the other pairs. Any two pairs without
  a common skill are a permutation; p is the share of them with as much transfer. Confirmed if p <= 0.05, refuted if the
  interval of the named cells less the mean of the others ends at `MARGIN` or below.
- 3: relative depth of emergence increases from structural over lexical to semantic skills: the one-sided exact test of
  Jonckheere and Terpstra over all arrangements of the skills (p <= 0.05). Refuted if the interval of semantic less
  structural depth ends at 0.1 or below.
- 4: nothing is readable before generation (AUC below 0.5 + `NOTHING`); readability increases during generation, and
  once more at the end; two tokens before the deciding one it does not exceed what surface features tell.
- 5: two models differ in how readable the same skills are: Cochran's Q of the paired differences, Holm over pairs of
  models. Refuted where the mean absolute difference is bounded by `SAME` in every pair.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Mapping, Sequence

from adhere.core.findings import Finding
from adhere.measure.claims.decision import Answer, Decided, Effect, decide, effect_of, jackknife, pooled
from adhere.measure.claims.evidence import Evidence
from adhere.measure.statistics.rates import holm

MARGIN = 0.02
"""AUC that counts as a difference."""
NOTHING = 0.05
"""AUC above chance, or above the surface, that still counts as nothing."""
DEPTH = 0.1
"""Difference in relative depth that counts."""
SAME = 0.05
"""Mean difference in AUC up to which two models count as alike."""
ALPHA = 0.05

GROUPS: Mapping[str, tuple[str, ...]] = {
    "structural": ("word_count", "character_count", "json"),
    "lexical": ("inclusion", "exclusion"),
    "semantic": ("topic", "sentiment", "register", "toxicity"),
}
PAIRS = (("topic", "sentiment"), ("exclusion", "toxicity"))
POSITIONS = ("mean", "eos")


def position_of(evidence: Evidence) -> str:
    """The position at which skills are read."""
    return next((name for name in POSITIONS if evidence.all("probe.auc", position=name, probe="own")), POSITIONS[0])


def _own(evidence: Evidence, position: str) -> dict[str, Finding]:
    return {str(one.subject["skill"]): one for one in evidence.all("probe.auc", probe="own", position=position)}


def _unreadable(evidence: Evidence, position: str) -> str:
    """Why the skills cannot be compared; empty where they can."""
    own = _own(evidence, position)
    readable = [skill for skill, finding in own.items() if _above(finding)]
    if own and 2 * len(readable) >= len(own):
        return ""
    return f"only {len(readable)} of {len(own)} skills are readable above their controls at {position}"


def _above(finding: Finding) -> bool:
    control = 0.5 if finding.control is None or finding.control.estimate is None else finding.control.estimate
    return finding.interval is not None and finding.interval[0] > max(0.5, control)


def _checked(decided: Decided, why: str) -> Decided:
    return decided.withheld(why) if why and decided.answer in ("confirmed", "refuted") else decided


def _effects(findings: Iterable[Finding], *, less: float = 0.0, sign: int = 1) -> list[Effect]:
    effects = (effect_of(one, str(one.subject["skill"]), less=less, sign=sign) for one in findings)
    return [effect for effect in effects if effect is not None]


def specialists(evidence: Evidence) -> Decided | None:
    """1: general probes below specialists at equal n."""
    position = position_of(evidence)
    units = _effects(evidence.all("probe.general_gap", general="general, same n", position=position))
    if not units:
        return None
    sentence = f"AUC of specialists less that of general probes of as many responses, at {position}, mean of skills"
    return _checked(decide(pooled(units), MARGIN, sentence, units=units), _unreadable(evidence, position))


Cells = dict[tuple[str, str], Finding]


def _cells(evidence: Evidence) -> Cells:
    """Transfer at a common layer, or at each skill's best layer where a run has no common one."""
    for at in ("a common layer", "best layer of each"):
        cells = {
            (str(one.subject["from"]), str(one.subject["to"])): one
            for one in evidence.all("transfer.auc", at=at)
            if one.estimate is not None
        }
        if cells:
            return cells
    return {}


def kept(auc: Mapping[tuple[str, str], float], skills: Sequence[str]) -> float:
    """Half of the probes' own AUC above chance, less what they keep on other skills; above 0 where transfer is weak."""
    own = statistics.fmean(auc[skill, skill] - 0.5 for skill in skills)
    others = statistics.fmean(auc[a, b] - 0.5 for a, b in itertools.permutations(skills, 2))
    return own / 2 - others


def transfer(evidence: Evidence) -> Decided | None:
    """2: weak transfer between skills."""
    auc = {cell: one.estimate or 0.0 for cell, one in _cells(evidence).items()}
    skills = sorted({a for a, _ in auc})
    if len(skills) < 4 or len(auc) < len(skills) ** 2:
        return None
    without = [kept(auc, [skill for skill in skills if skill != left]) for left in skills]
    effect = jackknife(without, kept(auc, skills), min(one.n for one in _cells(evidence).values()))
    units = tuple(
        Effect(
            skill, (auc[skill, skill] - 0.5) / 2 - statistics.fmean(auc[skill, b] - 0.5 for b in skills if b != skill)
        )
        for skill in skills
    )
    sentence = "Half of a probe's AUC above chance less what it keeps on other skills"
    return _checked(decide(effect, 0.0, sentence, units=units), _unreadable(evidence, position_of(evidence)))


def pairs(evidence: Evidence) -> Decided | None:
    """2: the named pairs transfer better than the others."""
    cells = _cells(evidence)
    skills = sorted({a for a, _ in cells})
    if len(cells) < len(skills) ** 2 or not {skill for pair in PAIRS for skill in pair} <= set(skills):
        return None
    auc = {
        frozenset(pair): ((cells[pair].estimate or 0.0) + (cells[pair[1], pair[0]].estimate or 0.0)) / 2
        for pair in itertools.combinations(skills, 2)
    }
    named = [frozenset(pair) for pair in PAIRS]
    rest = statistics.fmean(value for pair, value in auc.items() if pair not in named)
    observed = statistics.fmean(auc[pair] for pair in named)
    rivals = [(auc[a] + auc[b]) / 2 for a, b in itertools.combinations(auc, 2) if not a & b]
    p = sum(value >= observed - 1e-12 for value in rivals) / len(rivals)
    ends = [_half(cells[a, b]) for pair in PAIRS for a, b in (pair, pair[::-1])]
    half = statistics.fmean(ends)  # cells of one pair share responses: their errors are taken as wholly dependent
    effect = Effect("named pairs", observed - rest, (observed - rest - half, observed - rest + half), cells[PAIRS[0]].n)
    units = tuple(Effect(" – ".join(sorted(pair)), value - rest) for pair, value in auc.items() if pair in named)
    decided = decide(effect, MARGIN, "AUC between the named pairs less that between the others", units=units)
    why = f"{decided.why} As much in {p:.1%} of {len(rivals)} choices of two pairs."
    answer: Answer = "confirmed" if p <= ALPHA else "refuted" if decided.answer == "refuted" else "cannot tell"
    return _checked(Decided(answer, why, effect, MARGIN, units), _unreadable(evidence, position_of(evidence)))


def _half(finding: Finding) -> float:
    return 0.5 if finding.interval is None else (finding.interval[1] - finding.interval[0]) / 2


def depths(evidence: Evidence, position: str) -> dict[str, Effect]:
    """Relative depth at which each readable skill emerges: 0 the embeddings, 1 the last layer."""
    layers = [int(one.subject["layer"]) for one in evidence.all("probe.auc", probe="specialist")]
    last = max(layers, default=0)
    readable = {skill for skill, finding in _own(evidence, position).items() if _above(finding)}
    if not last:
        return {}
    return {
        str(one.subject["skill"]): Effect(
            str(one.subject["skill"]),
            one.estimate / last,
            None if one.interval is None else (one.interval[0] / last, one.interval[1] / last),
            one.n,
        )
        for one in evidence.all("probe.emergence", position=position)
        if one.estimate is not None and one.subject["skill"] in readable
    }


def jonckheere(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Share of pairs across groups in increasing order, less that in decreasing order; and the exact one-sided p.

    The permutation distribution of the statistic of Jonckheere (Biometrika 1954, 41:133), ties counted as half.
    """
    sizes = [len(group) for group in groups]
    values = [value for group in groups for value in group]

    def concordance(arranged: Sequence[Sequence[float]]) -> float:
        balance = total = 0
        for earlier, later in itertools.combinations(arranged, 2):
            for a, b in itertools.product(earlier, later):
                balance += (b > a) - (b < a)
                total += 1
        return balance / total

    observed = concordance(groups)
    everything = range(len(values))
    count = extreme = 0
    for first in itertools.combinations(everything, sizes[0]):
        left = [k for k in everything if k not in first]
        for second in itertools.combinations(left, sizes[1]):
            third = [k for k in left if k not in second]
            arranged = [[values[k] for k in chosen] for chosen in (first, second, third)]
            count += 1
            extreme += concordance(arranged) >= observed - 1e-12
    return observed, extreme / count


def order(evidence: Evidence) -> Decided | None:
    """3: structural skills emerge early, lexical ones in the middle, semantic ones late."""
    from scipy.stats import t

    position = position_of(evidence)
    if not evidence.all("probe.emergence", position=position):
        return None
    where = depths(evidence, position)
    groups = [[where[skill].estimate for skill in skills if skill in where] for skills in GROUPS.values()]
    units = tuple(where[skill] for skills in GROUPS.values() for skill in skills if skill in where)
    sentence = f"Relative depth of emergence at {position}, semantic less structural skills"
    if min(map(len, groups)) < 2:
        return Decided("cannot tell", f"{sentence}: fewer than two readable skills in a group.", None, DEPTH, units)
    early, _, late = groups
    gap = statistics.fmean(late) - statistics.fmean(early)
    a, b = statistics.variance(late) / len(late), statistics.variance(early) / len(early)
    freedom = (a + b) ** 2 / (a**2 / (len(late) - 1) + b**2 / (len(early) - 1)) if a + b else 1.0
    half = float(t.ppf(0.975, freedom)) * (a + b) ** 0.5
    effect = Effect("semantic - structural", gap, (gap - half, gap + half), len(units))
    concordance, p = jonckheere(groups)
    decided = decide(effect, DEPTH, sentence)
    answer: Answer = (
        "confirmed" if p <= ALPHA and gap > DEPTH else "refuted" if decided.answer == "refuted" else "cannot tell"
    )
    if answer == "refuted" and a + b == 0:
        answer = "cannot tell"  # all skills of both groups emerge at one layer: there is no spread to judge by
    why = (
        f"{decided.why} Order of the groups: concordance {concordance:+.2f}, exact p {p:.3f} over {len(units)} skills."
    )
    return _checked(Decided(answer, why, effect, DEPTH, units), _unreadable(evidence, position))


def before(evidence: Evidence) -> Decided | None:
    """4: nothing is readable before generation."""
    units = _effects(_plain(evidence, "prompt"), less=0.5, sign=-1)
    if not units:
        return None
    return decide(pooled(units), -NOTHING, "Chance less the AUC before generation, mean of skills", units=units)


def _plain(evidence: Evidence, position: str) -> list[Finding]:
    return [one for one in evidence.all("timing.auc", position=position) if "outcome" not in one.subject]


def rising(evidence: Evidence) -> Decided | None:
    """4: readability increases during generation."""
    units = _effects(evidence.all("timing.auc", contrast="during - before"))
    return decide(pooled(units), MARGIN, "AUC during generation less AUC before", units=units) if units else None


def spike(evidence: Evidence) -> Decided | None:
    """4: a spike at the end. The last quarter and the end share responses, so only the spread over skills is used."""
    late = {str(one.subject["skill"]): one for one in _plain(evidence, "75")}
    units = [
        Effect(skill, one.estimate - (late[skill].estimate or 0.0), None, one.n)
        for one in _plain(evidence, "eos")
        if (skill := str(one.subject["skill"])) in late and one.estimate is not None
    ]
    return decide(pooled(units), MARGIN, "AUC at the end less AUC at three quarters", units=units) if units else None


def foreseen(evidence: Evidence) -> Decided | None:
    """4: relative to the deciding token: a violation is not foreseen beyond what surface features tell."""
    units = []
    for one in evidence.all("timing.auc", tokens=-2):
        control = 0.5 if one.control is None or one.control.estimate is None else one.control.estimate
        effect = effect_of(one, str(one.subject["skill"]), less=max(0.5, control), sign=-1)
        if effect is not None:
            units.append(effect)
    if not units:
        return None
    sentence = "Strongest control less AUC, two tokens before the deciding one"
    return decide(pooled(units), -NOTHING, sentence, units=units)


def families(evidence: Evidence) -> Decided | None:
    """5: models differ in how readable the same skills are."""
    from scipy.stats import chi2

    models = evidence.models("probe.auc")
    by_model = {model: _own(evidence.about(model), position_of(evidence.about(model))) for model in models}
    compared = []
    for a, b in itertools.combinations(models, 2):
        shared = [skill for skill in by_model[a] if skill in by_model[b]]
        gaps = []
        for skill in shared:
            one, other = effect_of(by_model[a][skill], skill), effect_of(by_model[b][skill], skill)
            if one is None or other is None or not (one.error and other.error):
                continue
            error = (one.error**2 + other.error**2) ** 0.5
            gap = one.estimate - other.estimate
            gaps.append(Effect(skill, gap, (gap - 1.96 * error, gap + 1.96 * error), one.n + other.n))
        if len(gaps) >= 4:
            q = sum((gap.estimate / gap.error) ** 2 for gap in gaps)
            compared.append((a, b, gaps, float(chi2.sf(q, len(gaps)))))
    if not compared:
        return None
    corrected = holm([p for *_, p in compared])
    least = min(range(len(compared)), key=lambda k: corrected[k])
    a, b, gaps, _ = compared[least]
    effect = pooled(gaps)
    alike = all(
        (mean := pooled(some)) is not None and mean.interval is not None and max(map(abs, mean.interval)) <= SAME
        for _, _, some, _ in compared
    )
    answer: Answer = "confirmed" if corrected[least] <= ALPHA else "refuted" if alike else "cannot tell"
    why = f"AUC of own probes, {a} less {b}, {len(gaps)} skills: p {corrected[least]:.4f} (Cochran's Q, Holm)."
    return Decided(answer, why, effect, 0.0, tuple(gaps))
