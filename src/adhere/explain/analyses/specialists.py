"""Lens 1: one probe per skill against one for all, at every layer and position; and the layer at which a skill emerges.

Rules:
- An AUC "at the best layer" is nested: for each fold the layer is the one that is best on the other folds for probes
  that did not see the fold either. The general probe, the pool without the skill and every control choose their layers
  each for itself, by probes that did see it: what the specialist must beat is if anything too high.
- The gap of a skill is its specialist's AUC less the general probe's, paired on the same responses; once with the
  general probe trained on all skills' responses, and once on as many as the specialist has.
- A skill emerges at the first layer that has 95 % of what its best layer has above chance. (95 % of the AUC itself
  would be reached everywhere by a skill that is hardly readable anywhere.)
- Controls: labels shuffled within the skill; the surface of the text at that position; the same probe in an untrained
  model of the same shape, where one was captured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adhere.core.errors import UserError
from adhere.core.findings import Control, Finding, Scalar
from adhere.explain.analyses.claims import Claim, claim
from adhere.explain.probing.decodability import Estimate, auc, aucs, balanced_accuracy, pooled
from adhere.explain.probing.scan import Scan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Scores = NDArray[np.float32]

EMERGED = 0.95


@dataclass(frozen=True)
class Best:
    """One skill at one position, each probe at its best layer.

    Attributes:
        layer: where the specialist's AUC over all folds is highest, for naming the place.
        general: trained on all skills' responses; `few` on as many as one skill has; `without` on all other skills'.
        shuffles: the specialist's AUC for each shuffling of the labels.
        surface, untrained: None where they were not measured.
        emergence: first layer that has emerged, with its interval over draws of prompts.
    """

    skill: str
    position: str
    layer: int
    specialist: Estimate
    balanced_accuracy: Estimate
    general: Estimate
    few: Estimate
    without: Estimate
    shuffles: tuple[Estimate, ...]
    surface: Estimate | None
    untrained: Estimate | None
    emergence: Estimate

    @property
    def controls(self) -> dict[str, Estimate | float]:
        """By what a sentence calls them."""
        found: dict[str, Estimate | float] = {"chance": 0.5}
        if self.shuffles:
            found["shuffled labels"] = pooled(self.shuffles)
        if self.surface is not None:
            found["length and character n-grams"] = self.surface
        if self.untrained is not None:
            found["an untrained model"] = self.untrained
        return found


@dataclass(frozen=True)
class Specialists:
    """Curves over layers and positions, shape (layers, positions, skills), and the best layers.

    Attributes:
        auc, low, high: of the specialists, with their 95 % intervals over prompts.
        balanced_accuracy: of the specialists.
        general, few, without, shuffled: AUC of the other probes on the same responses.
        surface: scores of the surface baseline, shape (positions, n); None where it was not measured.
    """

    layers: tuple[int, ...]
    positions: tuple[str, ...]
    skills: tuple[str, ...]
    kind: str
    auc: Floats
    low: Floats
    high: Floats
    balanced_accuracy: Floats
    general: Floats
    few: Floats
    without: Floats
    shuffled: Floats
    best: tuple[Best, ...]
    surface: Scores | None = None

    def at(self, skill: str, position: str) -> Best:
        """One skill at one position."""
        for best in self.best:
            if (best.skill, best.position) == (skill, position):
                return best
        raise UserError(f"nothing was measured of {skill} at {position}")

    def best_position(self, skill: str) -> Best:
        """A skill where it is most readable."""
        return max((b for b in self.best if b.skill == skill), key=lambda b: b.specialist.value)

    def common_site(self, position: str | None = None) -> tuple[int, str]:
        """The layer and position at which the skills are most readable on average."""
        average = self.auc.mean(axis=2)
        if position is not None:
            average = average[:, [self.positions.index(position)]]
        layer, place = np.unravel_index(int(np.nanargmax(average)), average.shape)
        return self.layers[layer], position or self.positions[place]

    def arrays(self) -> dict[str, Floats]:
        """What is written as safetensors."""
        names = ("auc", "low", "high", "balanced_accuracy", "general", "few", "without", "shuffled")
        return {f"probe.{name}": getattr(self, name) for name in names}

    def findings(self, recompute: str = "") -> list[Finding]:
        """The AUC of every specialist at every layer and position; the balanced accuracy of each position's best."""
        prompts = {b.skill: b.specialist.n for b in self.best}
        curves = [
            Finding(
                what="probe.auc",
                subject={
                    "skill": skill,
                    "layer": layer,
                    "position": position,
                    "kind": self.kind,
                    "probe": "specialist",
                },
                estimate=float(self.auc[i, j, k]),
                interval=(float(self.low[i, j, k]), float(self.high[i, j, k])),
                n=prompts[skill],
                unit="prompts",
                control=Control(what="shuffled labels", estimate=float(self.shuffled[i, j, k])),
                recompute=recompute,
            )
            for i, layer in enumerate(self.layers)
            for j, position in enumerate(self.positions)
            for k, skill in enumerate(self.skills)
        ]
        right = [
            Finding(
                what="probe.balanced_accuracy",
                subject={
                    "skill": b.skill,
                    "layer": b.layer,
                    "position": b.position,
                    "kind": self.kind,
                    "choice": "nested",
                },
                estimate=b.balanced_accuracy.value,
                interval=b.balanced_accuracy.interval,
                n=b.balanced_accuracy.n,
                unit="prompts",
                control=Control(what="chance", estimate=0.5),
                recompute=recompute,
            )
            for b in self.best
        ]
        return curves + right

    def readable(self) -> frozenset[str]:
        """The skills whose AUC at their best position lies beyond every control."""
        at_best = {skill: self.best_position(skill).position for skill in self.skills}
        subjects = (
            claim.finding.subject for claim in self.claims() if claim.holds and claim.finding.what == "probe.auc"
        )
        held = {(str(subject["skill"]), str(subject["position"])) for subject in subjects}
        return frozenset(skill for skill, position in at_best.items() if (skill, position) in held)

    def claims(self, recompute: str = "") -> list[Claim]:
        """What may be said of each skill at each position: decodability, gaps, emergence."""
        made = []
        for b in self.best:
            subject: dict[str, Scalar] = {
                "skill": b.skill,
                "position": b.position,
                "layer": b.layer,
                "kind": self.kind,
                "choice": "nested",
            }
            where = f"at {b.position}, best at layer {b.layer}"
            readable = claim(
                "probe.auc",
                f"{b.skill} is readable {where}: AUC",
                b.specialist,
                b.controls,
                subject | {"probe": "own"},
                recompute=recompute,
            )
            made.append(readable)
            for name, general, trained in (
                ("general", b.general, "all skills' responses"),
                ("general, same n", b.few, "as many responses"),
                ("leave one skill out", b.without, "the other skills' responses"),
            ):
                against = [] if readable.holds else ["the specialist itself does not hold against its controls"]
                gap = claim(
                    "probe.general_gap",
                    f"{b.skill} {where} needs its own probe: AUC above that of a probe of {trained}",
                    b.specialist - general,
                    {"no gap": 0.0},
                    subject | {"general": name},
                    against=against,
                    recompute=recompute,
                )
                made.append(Claim(gap.finding, gap.holds and readable.holds, gap.sentence))
            made.append(_emergence(b, readable.holds, recompute))
        return made


def _emergence(b: Best, readable: bool, recompute: str) -> Claim:
    low, high = b.emergence.interval
    known = math.isfinite(low)
    finding = Finding(
        what="probe.emergence",
        subject={"skill": b.skill, "position": b.position},
        estimate=b.emergence.value,
        interval=(low, high) if known else None,
        n=b.emergence.n,
        unit="prompts",
        recompute=recompute,
    )
    sentence = f"{b.skill} emerges at {b.position} by layer {b.emergence.value:.0f} [{low:.0f}, {high:.0f}]. " + (
        "For it: the skill is readable above all controls there."
        if readable
        else "Against it: the skill is not readable above its controls at this position."
    )
    return Claim(finding, readable and known, sentence)


def specialists(scan: Scan, surface: Scores | None = None, untrained: Scan | None = None) -> Specialists:
    """Lens 1 from what the probes said.

    Args:
        scan: all probes at all sites.
        surface: scores of the surface baseline, shape (positions, n).
        untrained: a scan of the same responses by an untrained model of the same shape.
    """
    if untrained is not None and len(untrained.prompt) != len(scan.prompt):
        raise ValueError("the untrained model's scan is of other responses")
    shape = (len(scan.layers), len(scan.positions), len(scan.skills))
    names = ("auc", "low", "high", "balanced_accuracy", "general", "few", "without", "shuffled")
    curves = {name: np.full(shape, np.nan) for name in names}
    best = []
    for k, skill in enumerate(scan.skills):
        rows = scan.rows(skill)
        met, fold, resamples = scan.met(rows), scan.design.fold[rows], scan.resamples(skill)
        own = scan.specialist[:, :, k][..., rows]
        for name in ("general", "few", "without"):
            curves[name][:, :, k] = aucs(getattr(scan, name)[..., rows], met, fold)
        shuffles = range(scan.shuffled.shape[2])
        labels = [scan.design.labels[rows, 1 + s] for s in shuffles]
        if labels:
            curves["shuffled"][:, :, k] = np.mean(
                [aucs(scan.shuffled[:, :, s][..., rows], labels[s], fold) for s in shuffles], axis=0
            )
        for j, position in enumerate(scan.positions):
            layers = [auc(scores, met, fold, resamples) for scores in own[:, j]]
            for i, estimate in enumerate(layers):
                curves["auc"][i, j, k] = estimate.value
                curves["low"][i, j, k], curves["high"][i, j, k] = estimate.interval
                curves["balanced_accuracy"][i, j, k] = balanced_accuracy(own[i, j], met).value

            def at_best(scores: Scores, labels: NDArray[np.bool_] = met) -> Estimate:
                at = scan.at_best_layer(scores, rows, labels)  # noqa: B023 - used before the loop goes on
                return auc(at, labels, fold, resamples)  # noqa: B023

            chosen = scan.own_at_best_layer(skill, position, rows)
            shuffled = [at_best(scan.shuffled[:, j, s][:, rows], labels[s]) for s in shuffles]
            best.append(
                Best(
                    skill=skill,
                    position=position,
                    layer=scan.layers[int(np.nanargmax(curves["auc"][:, j, k]))],
                    specialist=auc(chosen, met, fold, resamples),
                    balanced_accuracy=balanced_accuracy(chosen, met, resamples),
                    general=at_best(scan.general[:, j][:, rows]),
                    few=at_best(scan.few[:, j][:, rows]),
                    without=at_best(scan.without[:, j][:, rows]),
                    shuffles=tuple(shuffled),
                    surface=None
                    if surface is None or not np.isfinite(surface[j, rows]).all()
                    else auc(surface[j, rows], met, fold, resamples),
                    untrained=None if untrained is None else at_best(untrained.specialist[:, j, k][:, rows]),
                    emergence=_first(layers, scan.layers),
                )
            )
    return Specialists(scan.layers, scan.positions, scan.skills, scan.kind, **curves, best=tuple(best), surface=surface)


def _first(by_layer: list[Estimate], layers: tuple[int, ...]) -> Estimate:
    """First layer that has emerged, over the draws."""
    numbers = np.array(layers, float)

    def first(values: Floats) -> Floats:
        above = np.nan_to_num(values, nan=0.5) - 0.5
        reached = above >= EMERGED * above.max(axis=0)
        return np.asarray(numbers[np.argmax(reached, axis=0)])

    value = first(np.array([[e.value] for e in by_layer]))[0]
    return Estimate(float(value), first(np.stack([e.draws for e in by_layer])), by_layer[0].n)
