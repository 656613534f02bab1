"""The table of claims: what each says, by which rule it is decided, and what measures it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from adhere.core.findings import Finding
from adhere.measure.claims import algorithms, cost, probing, yielding
from adhere.measure.claims.decision import Decided
from adhere.measure.claims.evidence import Evidence

Rule = Callable[[Evidence], Decided | None]


@dataclass(frozen=True)
class Claim:
    """A claim of the literature.

    Attributes:
        id: number and name, as `2.pairs`; also the last words of its finding's name.
        says: the claim, in one sentence.
        source: where it is made.
        rule: its decision rule; None where nothing that it needs was measured.
        reads: names of the findings that it needs.
        command: what measures them; `{model}` is the model.
        together: whether it is decided once over all models, and not for each.
    """

    id: str
    says: str
    source: str
    rule: Rule
    reads: tuple[str, ...]
    command: str
    together: bool = False


EXPLAIN = "adhere explain {model}"
MONITOR, SUSTAIN, PIZZA = "arXiv 2604.06015", "arXiv 2601.22047", "arXiv 2306.17844"
CORRIGIBLE = "corrigibility literature"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "1.specialists",
        "General probes read less than specialists trained on as many responses.",
        MONITOR,
        probing.specialists,
        ("probe.general_gap",),
        EXPLAIN,
    ),
    Claim(
        "2.transfer",
        "Probes transfer weakly to other skills.",
        MONITOR,
        probing.transfer,
        ("transfer.auc",),
        EXPLAIN,
    ),
    Claim(
        "2.pairs",
        "Topic with sentiment and exclusion with toxicity transfer better than other pairs.",
        MONITOR,
        probing.pairs,
        ("transfer.auc",),
        EXPLAIN,
    ),
    Claim(
        "3.order",
        "Structural skills emerge in early layers, lexical ones in the middle, semantic ones late.",
        MONITOR,
        probing.order,
        ("probe.emergence",),
        EXPLAIN,
    ),
    Claim(
        "4.before",
        "Nothing is readable before generation.",
        MONITOR,
        probing.before,
        ("timing.auc",),
        EXPLAIN,
    ),
    Claim(
        "4.during",
        "Readability increases during generation.",
        MONITOR,
        probing.rising,
        ("timing.auc",),
        EXPLAIN,
    ),
    Claim(
        "4.end",
        "Readability jumps at the end of the response.",
        MONITOR,
        probing.spike,
        ("timing.auc",),
        EXPLAIN,
    ),
    Claim(
        "4.deciding",
        "Two tokens before the deciding one, states tell no more than the text's surface.",
        MONITOR,
        probing.foreseen,
        ("timing.auc",),
        EXPLAIN,
    ),
    Claim(
        "5.families",
        "Model families differ in how readable their skills are.",
        MONITOR,
        probing.families,
        ("probe.auc",),
        EXPLAIN + "    # once for each model",
        together=True,
    ),
    Claim(
        "6.drop",
        "Self-evident constraints cost accuracy, beyond a placebo.",
        SUSTAIN,
        cost.drop,
        ("sustain.beyond_placebo",),
        "adhere sustain {model}",
    ),
    Claim(
        "6.attention",
        "Failed answers attend more to the constraint.",
        SUSTAIN,
        cost.attention,
        ("attention.constraint",),
        "adhere sustain {model}",
    ),
    Claim(
        "7.training",
        "Training for constraints changes what they cost.",
        SUSTAIN,
        cost.training,
        ("train.difference",),
        "adhere train study",
    ),
    Claim(
        "8.persona",
        "The persona changes whether a model yields.",
        CORRIGIBLE,
        yielding.persona,
        ("corrigibility.stated.effect", "corrigibility.stated.not_fitted", "corrigibility.stated.position"),
        "adhere corrigibility {model} --tiers stated",
    ),
    Claim(
        "8.goal",
        "The noun of the goal (real, cliche, invented) changes whether a model yields.",
        CORRIGIBLE,
        yielding.goal,
        ("corrigibility.stated.effect", "corrigibility.stated.not_fitted", "corrigibility.stated.position"),
        "adhere corrigibility {model} --tiers stated",
    ),
    Claim(
        "8.command",
        "A command to obey changes whether a model shuts down.",
        CORRIGIBLE,
        yielding.command,
        ("corrigibility.world.effect", "corrigibility.world.not_fitted"),
        "adhere corrigibility {model} --tiers world",
    ),
    Claim(
        "9.phase",
        "With more attention, training finds the Clock instead of the Pizza.",
        PIZZA,
        algorithms.phase,
        ("modular.gradient_symmetricity",),
        "adhere modular sweep --alphas 0:1:11 --seeds 8 --until-stable",
        together=True,
    ),
    Claim(
        "10.last",
        "A model whose standing order is the last instruction resists a change of its goal.",
        CORRIGIBLE,
        yielding.last,
        ("corrigibility.stated.orders",),
        "adhere corrigibility {model} --tiers stated --factors orders,request",
    ),
    Claim(
        "10.next",
        "The standing order that the next instruction comes first precludes shutdown.",
        CORRIGIBLE,
        yielding.following,
        ("corrigibility.world.orders",),
        "adhere corrigibility {model} --tiers world --factors orders",
    ),
    Claim(
        "10.ranked",
        "A ranked list of standing orders mends both.",
        CORRIGIBLE,
        yielding.ranked,
        ("corrigibility.stated.orders", "corrigibility.world.orders"),
        "adhere corrigibility {model} --tiers stated,world --factors orders,request",
    ),
    Claim(
        "11.pleading",
        "Told to stop, the model argues with its principal.",
        CORRIGIBLE,
        yielding.pleading,
        ("corrigibility.world.pleaded", "corrigibility.world.pleaded_by_judge"),
        "adhere corrigibility {model} --tiers world --judge JUDGE",
    ),
)
"""All claims, in the order of the table."""


@dataclass(frozen=True)
class Row:
    """A claim with its answer on one model."""

    claim: Claim
    decided: Decided

    def finding(self) -> Finding:
        """The row as `claim.<id>`: the effect that the rule reads, its interval, and the answer in the subject."""
        effect = self.decided.effect
        return Finding(
            what=f"claim.{self.claim.id}",
            subject={
                "model": self.decided.model,
                "answer": self.decided.answer,
                "margin": self.decided.margin,
                "why": self.decided.why,
            },
            estimate=None if effect is None else effect.estimate,
            interval=None if effect is None else effect.interval,
            n=0 if effect is None else effect.n,
            unit="effect that the rule reads",
            recompute=self.decided.recompute,
        )


def decided(evidence: Evidence, claims: Iterable[Claim] = CLAIMS) -> list[Row]:
    """Every claim on every model that anything was measured of; one row without a model where nothing was."""
    rows = []
    for claim in claims:
        subjects = [("", evidence)]
        if not claim.together:
            subjects = [(model, evidence.about(model)) for model in evidence.models(*claim.reads)]
        answers = [(model, answer) for model, mine in subjects if (answer := claim.rule(mine)) is not None]
        for model, answer in answers:
            command = _command(evidence, claim, model) or claim.command.format(model=_spec(model))
            rows.append(Row(claim, replace(answer, model=model, recompute=command)))
        if not answers:
            command = claim.command.format(model="MODEL")
            rows.append(Row(claim, Decided("not measured", "Not measured.", recompute=command)))
    return rows


def _command(evidence: Evidence, claim: Claim, model: str) -> str:
    """The command that the evidence names; empty where it names none."""
    for name in claim.reads:
        for one in evidence.all(name, **({"model": model} if model else {})):
            if one.recompute:
                return one.recompute
    return ""


def _spec(model: str) -> str:
    return model.removeprefix("adhere/") or "MODEL"
