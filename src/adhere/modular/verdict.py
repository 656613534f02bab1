"""Clock, Pizza, or undecided: what the numbers allow to be said, and why.

Rules:
- A verdict needs a model that solves its task, and embeddings that lie on circles: Clock and Pizza are algorithms on
  circles, and the borders below are those of the released runs with a circularity of 0.995 and more. Below 0.95 a
  model is undecided, whatever the witnesses say; it may compute something else.
- Untrained, the paper's transformer already has a gradient symmetricity
  of 0.70 (alpha 0) to 0.44 (alpha 1), and the linear models that add embeddings have exactly 1.0: the number alone
  tells of the architecture as much as of what was learned.
- Three witnesses, each may abstain:
    gradient symmetricity   Pizza from 0.98, Clock below 0.9. Of the 817 released circular runs 460 and 329 fall
                            there; 28 lie between and abstain.
    distance irrelevance    Pizza below 0.4 (the paper's border), Clock from 0.6. Between, it abstains: about a fifth
                            of the released circular runs with alpha below 0.5 lie above 0.4, up to about 0.6.
    closed forms            on the strongest circle, provided it is one and either form explains half: the one that
                            explains more by 0.05. Without clean circles it abstains.
- The verdict stands when gradient symmetricity speaks, another witness agrees, and none disagrees. All else is
  undecided, with the reason. Clock and Pizza are ends of a continuum, and that they differ at all is contested
  (OpenReview 2olkCiSELH): the numbers matter more than the word.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from adhere.modular.circles import Circle

Name = Literal["clock", "pizza", "undecided"]
Vote = Literal["clock", "pizza", ""]

SOLVES = 0.99
CIRCULAR = 0.95
SYMMETRIC, ASYMMETRIC = 0.98, 0.90
RELEVANT, IRRELEVANT = 0.40, 0.60
PURE, EXPLAINS, MARGIN = 0.90, 0.50, 0.05


@dataclass(frozen=True)
class AlgorithmVerdict:
    """The word and the reason, one sentence."""

    name: Name
    reason: str


def symmetricity_vote(value: float) -> Vote:
    return "pizza" if value >= SYMMETRIC else "clock" if value < ASYMMETRIC else ""


def irrelevance_vote(value: float) -> Vote:
    return "pizza" if value < RELEVANT else "clock" if value >= IRRELEVANT else ""


def forms_vote(circles: tuple[Circle, ...]) -> Vote:
    """By the strongest circle; "" where it is none or neither form explains it."""
    if not circles or circles[0].purity < PURE:
        return ""
    clock, pizza = circles[0].fve.get("clock", math.nan), circles[0].fve.get("pizza", math.nan)
    if not max(clock, pizza) >= EXPLAINS or abs(clock - pizza) < MARGIN:
        return ""
    return "clock" if clock > pizza else "pizza"


def decide(
    accuracy: float,
    symmetricity: float,
    irrelevance: float | None,
    circularity: float | None,
    circles: tuple[Circle, ...],
) -> AlgorithmVerdict:
    """Weigh the witnesses. `accuracy` is over all pairs; `irrelevance` and `circularity` are None where undefined."""
    if not accuracy >= SOLVES:
        return AlgorithmVerdict(
            "undecided",
            f"right on {accuracy:.1%} of the pairs only: a model that does not solve the task has no algorithm to name",
        )
    if irrelevance is None or circularity is None:
        return AlgorithmVerdict("undecided", "the operation is no group, so Clock and Pizza are not defined for it")
    if not circularity >= CIRCULAR:
        return AlgorithmVerdict(
            "undecided",
            f"its embeddings do not lie on circles (circularity {circularity:.2f}, wanted {CIRCULAR:g}): "
            "Clock and Pizza are not defined without them",
        )
    votes = {
        f"gradient symmetricity {symmetricity:.3f}": symmetricity_vote(symmetricity),
        f"distance irrelevance {irrelevance:.3f}": irrelevance_vote(irrelevance),
        _forms_words(circles): forms_vote(circles),
    }
    first = next(iter(votes.values()))
    said = "; ".join(f"{what}: {vote or 'cannot tell'}" for what, vote in votes.items())
    if not first:
        return AlgorithmVerdict("undecided", f"between the two ends, where few runs lie ({said})")
    others = [vote for vote in list(votes.values())[1:] if vote]
    if any(vote != first for vote in others):
        return AlgorithmVerdict("undecided", f"the witnesses disagree ({said})")
    if not others:
        return AlgorithmVerdict("undecided", f"only one witness speaks ({said})")
    return AlgorithmVerdict(first, said)


def _forms_words(circles: tuple[Circle, ...]) -> str:
    if not circles:
        return "no circles"
    first = circles[0]
    words = ", ".join(f"{form} {value:.2f}" for form, value in first.fve.items() if form != "accompanying")
    return f"strongest circle (frequency {first.frequency}, purity {first.purity:.2f}): {words}"
