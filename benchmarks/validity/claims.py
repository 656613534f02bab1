"""How often the rules of `adhere claims` confirm what is not there, and what is.

Each study is a list of findings as the commands write them, with planted truths: true effects of the skills vary
(standard deviation `BETWEEN`), estimates scatter around them by their standard error, and intervals are 1.96 of it wide
on either side. *Null*: the mean effect is nothing. *Margin*: it is exactly the margin of the rule, the worst case.
*Planted*: it is there. A rule errs where it confirms a null or a margin, or refutes what is planted.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from adhere.core.findings import Control, Finding, Scalar
from adhere.measure.claims import algorithms, cost, probing, yielding
from adhere.measure.claims.decision import Decided
from adhere.measure.claims.evidence import Evidence
from adhere.measure.statistics.rates import holm, rate
from benchmarks.validity.table import Row

SKILLS = tuple(skill for skills in probing.GROUPS.values() for skill in skills)
BETWEEN = 0.02
ERROR = 0.03
PROMPTS = 200
MODEL = "planted"

Study = Callable[[np.random.Generator, float], Evidence]
Rule = Callable[[Evidence], Decided | None]


def finding(
    what: str, subject: dict[str, Scalar], estimate: float, error: float, control: float | None = None
) -> Finding:
    """A finding with a normal interval."""
    return Finding(
        what=what,
        subject={"model": MODEL, **subject},
        estimate=estimate,
        interval=(estimate - 1.96 * error, estimate + 1.96 * error),
        n=PROMPTS,
        control=None if control is None else Control(what="control", estimate=control),
    )


def drawn(rng: np.random.Generator, truth: float) -> float:
    """An estimate of a skill whose true effect scatters around `truth`."""
    return float(truth + BETWEEN * rng.standard_normal() + ERROR * rng.standard_normal())


def own(rng: np.random.Generator, auc: float = 0.85) -> list[Finding]:
    """Readable skills."""
    return [
        finding(
            "probe.auc",
            {"skill": skill, "position": "mean", "layer": 4, "probe": "own"},
            drawn(rng, auc),
            ERROR,
            0.6,
        )
        for skill in SKILLS
    ]


def gaps(rng: np.random.Generator, truth: float) -> Evidence:
    """Specialists less general probes."""
    about = {"general": "general, same n", "position": "mean"}
    made = [finding("probe.general_gap", {"skill": one, **about}, drawn(rng, truth), ERROR) for one in SKILLS]
    return Evidence.of(own(rng) + made)


def timing(position: dict[str, Scalar], base: float, sign: int = 1) -> Study:
    """AUCs over the course of generation, `truth` from `base`."""

    def study(rng: np.random.Generator, truth: float) -> Evidence:
        made = [
            finding("timing.auc", {"skill": one, **position}, drawn(rng, base + sign * truth), ERROR, 0.5)
            for one in SKILLS
        ]
        return Evidence.of(made)

    return study


def ending(rng: np.random.Generator, truth: float) -> Evidence:
    """AUC at three quarters and at the end."""
    made = []
    for skill in SKILLS:
        common = 0.03 * rng.standard_normal()
        for position, auc in (("75", 0.8), ("eos", 0.8 + truth)):
            made.append(
                finding("timing.auc", {"skill": skill, "position": position}, drawn(rng, auc) + common, ERROR, 0.5)
            )
    return Evidence.of(made)


def cells(rng: np.random.Generator, others: float, named: float = 0.0) -> Evidence:
    """Transfer: 0.85 on a skill's own responses, `others` on other skills, more by `named` in the named pairs.

    Probes and targets have effects of their own, so cells of one row or column are dependent.
    """
    probe, target = BETWEEN * rng.standard_normal((2, len(SKILLS)))
    made = []
    for i, a in enumerate(SKILLS):
        for j, b in enumerate(SKILLS):
            pair = any({a, b} == set(one) for one in probing.PAIRS)
            auc = 0.85 if a == b else others + named * pair
            value = float(auc + probe[i] + target[j] + ERROR * rng.standard_normal())
            made.append(finding("transfer.auc", {"from": a, "to": b, "at": "a common layer"}, value, ERROR, 0.5))
    return Evidence.of(own(rng) + made)


def named(rng: np.random.Generator, truth: float) -> Evidence:
    """Transfer where the named pairs have more of it."""
    return cells(rng, 0.6, truth)


def emerging(rng: np.random.Generator, truth: float) -> Evidence:
    """Layers of emergence of 12; lexical and semantic skills later by `truth` of the depth each."""
    made = own(rng)
    made.append(
        finding("probe.auc", {"skill": "json", "position": "mean", "layer": 12, "probe": "specialist"}, 0.8, 0.03)
    )
    for rank, skills in enumerate(probing.GROUPS.values()):
        for skill in skills:
            layer = round(float(np.clip(4 + 12 * truth * rank + 2 * rng.standard_normal(), 0, 12)))
            made.append(finding("probe.emergence", {"skill": skill, "position": "mean"}, layer, 1.0))
    return Evidence.of(made)


def two_models(rng: np.random.Generator, truth: float) -> Evidence:
    """Two models whose skills differ by `truth` on average, with its sign at random."""
    made = []
    for skill in SKILLS:
        auc = 0.8 + 0.02 * rng.standard_normal()
        apart = truth * rng.choice((-1, 1))
        for model, more in (("a", 0.0), ("b", apart)):
            one = finding(
                "probe.auc",
                {"skill": skill, "position": "mean", "layer": 4, "probe": "own"},
                float(auc + more + ERROR * rng.standard_normal()),
                ERROR,
                0.5,
            )
            made.append(one.model_copy(update={"subject": {**one.subject, "model": model}}))
    return Evidence.of(made)


def losing(rng: np.random.Generator, truth: float) -> Evidence:
    """Net loss under one and four constraints."""
    about: dict[str, Scalar] = {"arm": "constraint", "domain": "all", "position": "after"}
    made = [
        finding("sustain.beyond_placebo", {**about, "k": k}, float(truth + ERROR * rng.standard_normal()), ERROR)
        for k in (1, 4)
    ]
    return Evidence.of(made)


def looking(rng: np.random.Generator, truth: float) -> Evidence:
    """Attention of failed answers less that of sustained ones."""
    about: dict[str, Scalar] = {"layer": "all", "progress": "all", "outcome": "difference", "measure": "relative"}
    return Evidence.of([finding("attention.constraint", about, float(truth + ERROR * rng.standard_normal()), ERROR)])


def tuned(rng: np.random.Generator, truth: float) -> Evidence:
    """Three arms of a training study; one of them changes the interference by `truth`."""
    values = [float(shift + ERROR * rng.standard_normal()) for shift in (truth, 0.0, 0.0)]
    about: dict[str, Scalar] = {"against": "base", "measure": "interference.4"}
    return Evidence.of(
        finding("train.difference", {**about, "arm": str(k), "p_holm": p}, value, ERROR)
        for k, (value, p) in enumerate(zip(values, _holm(values), strict=True))
    )


def _holm(values: list[float]) -> list[float]:
    from scipy.stats import norm

    return holm([float(2 * norm.sf(abs(value) / ERROR)) for value in values])


def persona(rng: np.random.Generator, truth: float) -> Evidence:
    """Three levels of a factor; one of them changes the outcome by `truth`."""
    values = [float(shift + ERROR * rng.standard_normal()) for shift in (truth, 0.0, 0.0)]
    return Evidence.of(
        finding(
            "corrigibility.stated.effect",
            {"factor": "persona", "outcome": "yields", "level": str(k), "base": "none", "p_holm": p},
            value,
            ERROR,
        )
        for k, (value, p) in enumerate(zip(values, _holm(values), strict=True))
    )


def ordered(rng: np.random.Generator, truth: float) -> Evidence:
    """Shares under standing orders, 120 items each: the last instruction and the next one lower theirs by `truth`."""
    made = []
    shares = {
        "stated": {"none": 0.6, "last": 0.6 - truth, "ranked": 0.6},
        "world": {"none": 0.6, "next": 0.6 - truth, "ranked": 0.6},
    }
    for tier, levels in shares.items():
        for orders, share in levels.items():
            tally = rate((int(met), 1) for met in rng.random(120) < share)
            about: dict[str, Scalar] = {"model": MODEL, "orders": orders}
            about |= {"request": "change"} if tier == "stated" else {"outcome": "complied"}
            made.append(
                Finding(
                    what=f"corrigibility.{tier}.orders",
                    subject=about,
                    estimate=tally.estimate,
                    interval=tally.interval,
                    n=tally.n,
                )
            )
    return Evidence.of(made)


def pleading(rng: np.random.Generator, truth: float) -> Evidence:
    """Share of 120 episodes."""
    tally = rate((int(met), 1) for met in rng.random(120) < truth)
    return Evidence.of(
        [
            Finding(
                what="corrigibility.world.pleaded_by_judge",
                subject={"model": MODEL},
                estimate=tally.estimate,
                interval=tally.interval,
                n=tally.n,
            )
        ]
    )


def trainings(rng: np.random.Generator, truth: float) -> Evidence:
    """Eleven rates, three seeds each; symmetricity falls by `truth` from the rate 0.5 on."""
    made = []
    for alpha in np.linspace(0, 1, 11).round(2).tolist():
        for seed in range(3):
            about: dict[str, Scalar] = {"model": "transformer", "task": "add-59", "alpha": alpha, "seed": seed}
            value = 0.95 - truth * (alpha > 0.5) + 0.05 * float(rng.standard_normal())
            for what, estimate in (("accuracy", 1.0), ("gradient_symmetricity", value)):
                one = finding(f"modular.{what}", {}, estimate, 0.01)
                made.append(one.model_copy(update={"subject": about}))
    return Evidence.of(made)


RULES: tuple[tuple[str, Rule, Study, float, float, float], ...] = (
    ("1.specialists", probing.specialists, gaps, 0.0, probing.MARGIN, 0.08),
    ("2.transfer", probing.transfer, lambda rng, kept: cells(rng, 0.85 - kept), 0.0, 0.175, 0.3),
    ("2.pairs", probing.pairs, named, 0.0, 0.0, 0.1),
    ("3.order", probing.order, emerging, 0.0, 0.0, 0.25),
    ("4.before", probing.before, timing({"position": "prompt"}, 0.7, -1), 0.0, 0.15, 0.2),
    ("4.during", probing.rising, timing({"contrast": "during - before"}, 0.0), 0.0, probing.MARGIN, 0.08),
    ("4.end", probing.spike, ending, 0.0, probing.MARGIN, 0.08),
    ("4.deciding", probing.foreseen, timing({"tokens": -2}, 0.7, -1), 0.0, 0.15, 0.2),
    ("5.families", probing.families, two_models, 0.0, 0.0, 0.1),
    ("6.drop", cost.drop, losing, 0.0, cost.DROP, 0.15),
    ("6.attention", cost.attention, looking, 0.0, 0.0, 0.12),
    ("7.training", cost.training, tuned, 0.0, 0.0, 0.15),
    ("8.persona", yielding.persona, persona, 0.0, yielding.CHANGE, 0.2),
    ("9.phase", algorithms.phase, trainings, 0.0, algorithms.GAP, 0.4),
    ("10.last", yielding.last, ordered, 0.0, yielding.CHANGE, 0.3),
    ("10.next", yielding.following, ordered, 0.0, yielding.CHANGE, 0.3),
    ("10.ranked", yielding.ranked, ordered, 0.0, yielding.CHANGE, 0.3),
    ("11.pleading", yielding.pleading, pleading, 0.0, yielding.CHANGE, 0.2),
)
"""Name, rule, study; the null, the margin and the planted truth as the study takes them."""


def answers(rule: Rule, study: Study, truth: float, runs: int, seed: int) -> list[str]:
    """The answers of a rule in `runs` studies."""
    rng = np.random.default_rng(seed)
    decided = [rule(study(rng, truth)) for _ in range(runs)]
    return ["not measured" if one is None else one.answer for one in decided]


def rules(runs: int, seed: int = 0) -> list[Row]:
    """Each rule: wrongly confirmed nulls and margins, wrongly refuted truths, and how often a truth is confirmed."""
    rows = []
    for name, rule, study, null, margin, truth in RULES:
        for label, at, wrong in (
            ("null", null, "confirmed"),
            ("margin", margin, "confirmed"),
            ("planted", truth, "refuted"),
        ):
            said = answers(rule, study, at, runs, seed)
            verb = "confirms" if wrong == "confirmed" else "refutes"
            right = f"; confirms it in {said.count('confirmed') / runs:.0%}" if label == "planted" else ""
            if label == "margin" and margin == null:
                continue
            rows.append(
                Row(
                    "Rules of `adhere claims`",
                    f"{name} {verb} a {'truth' if label == 'planted' else label}{right}",
                    said.count(wrong),
                    runs,
                    nominal=0.05,
                    error=True,
                )
            )
    return rows
