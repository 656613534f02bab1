"""Probes of every skill at every layer and position, and what each says of every response it was not trained on.

Rules:
- For every fold, layer and position these are fitted on the other folds' constrained responses: a specialist of each
  skill, a general probe pooled over skills, the same on as many responses as one specialist has, a pool without each
  skill, and specialists of labels shuffled within the skill, prompt by prompt.
- All of them are read on the rows of the fold that was left out, free ones included. Since a fold holds whole prompts,
  a specialist may be read on other skills' rows: that is the transfer matrix.
- Scores are relative to the mean that the row's skill has on the training folds, without labels: the threshold is zero
  for every probe, transferred ones included.
- What is kept are scores, not probes. AUCs, their intervals and their differences come from them afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from adhere.core.errors import UserError
from adhere.explain.cases.examples import Examples
from adhere.explain.probing.decodability import RESAMPLES, Resamples, aucs
from adhere.explain.probing.fitting import by_logistic, by_moments
from adhere.explain.probing.folds import FOLDS
from adhere.explain.probing.probes import ALPHA, Kind
from adhere.explain.probing.site_parallel import over, sites
from adhere.explain.probing.splits import SHUFFLES, Design

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Read:
    """Scores of all rows at one site, each by probes that did not see its fold.

    Attributes:
        specialist: by the probe of each skill, shape (skills, n).
        general: by the pool of all skills, shape (n,).
        few: by the pool of as many rows as one specialist has, shape (n,).
        without: by the pool of all skills but the row's own, shape (n,); NaN where there is no other.
        shuffled: by the row's own skill's probes of shuffled labels, shape (shuffles, n).
        inner: by its own skill's probe that saw neither its fold nor one other, shape (folds, n): for choosing a layer
            without that other fold. The row's own fold is NaN.
    """

    specialist: Scores
    general: Scores
    few: Scores
    without: Scores
    shuffled: Scores
    inner: Scores


def read_site(x: Scores, design: Design) -> Read:
    """Fit and read all probes at one site, x of shape (n, d)."""
    fitted, means = (by_logistic if design.kind == "logistic" else by_moments)(x, design)
    n, shuffles = len(x), design.labels.shape[1] - 1
    read = Read(
        specialist=np.empty((design.skills, n), np.float32),
        general=np.empty(n, np.float32),
        few=np.empty(n, np.float32),
        without=np.empty(n, np.float32),
        shuffled=np.empty((shuffles, n), np.float32),
        inner=np.full((design.folds, n), np.nan, np.float32),
    )
    for number, probes in enumerate(fitted):
        rows = np.flatnonzero(design.fold == number)
        code = design.code[rows]
        every = np.concatenate(
            [probes.specialist, probes.general[:, None], probes.few[:, None], probes.without]
            + [probes.shuffled[:, :, k] for k in range(shuffles)],
            axis=1,
        )
        every /= np.maximum(np.linalg.norm(every, axis=0), 1e-30)
        scores = x[rows] @ every.astype(np.float32) - (means[number] @ every).astype(np.float32)[code]
        own, s = np.arange(len(rows)), design.skills
        read.specialist[:, rows] = scores[:, :s].T
        read.general[rows], read.few[rows] = scores[:, s], scores[:, s + 1]
        read.without[rows] = scores[own, s + 2 + code]
        for k in range(shuffles):
            read.shuffled[k, rows] = scores[own, s + 2 + (k + 1) * s + code]
        for other, inner in probes.inner.items():
            for outer, held_out in ((number, other), (other, number)):
                chosen = np.flatnonzero(design.fold == held_out)
                within = (x[chosen] @ inner.astype(np.float32))[np.arange(len(chosen)), design.code[chosen]]
                read.inner[outer, chosen] = within
    if design.skills == 1:
        read.without[:] = np.nan
    return read


@dataclass(frozen=True)
class Scan:
    """What all probes say at all sites. `scores[site]` is a `Read`; rows are those of the examples.

    Arrays over sites have shape (layers, positions, ...).
    """

    kind: Kind
    layers: tuple[int, ...]
    positions: tuple[str, ...]
    skills: tuple[str, ...]
    design: Design
    prompt: NDArray[np.int64]
    specialist: Scores
    general: Scores
    few: Scores
    without: Scores
    shuffled: Scores
    inner: Scores

    def rows(self, skill: str, *, constrained: bool = True) -> NDArray[np.int64]:
        """Row numbers of a skill."""
        return np.flatnonzero((self.design.code == self.number(skill)) & (self.design.constrained == constrained))

    def number(self, skill: str) -> int:
        if skill not in self.skills:
            raise UserError(f"no probe of skill {skill}; there are {', '.join(self.skills)}")
        return self.skills.index(skill)

    def met(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True labels of some rows."""
        return np.asarray(self.design.labels[rows, 0])

    @cached_property
    def _resamples(self) -> dict[tuple[str, bool], Resamples]:
        return {}

    def resamples(self, skill: str, *, constrained: bool = True) -> Resamples:
        """The draws of prompts that all estimates on a skill's rows share."""
        key = (skill, constrained)
        if key not in self._resamples:
            rows = self.rows(skill, constrained=constrained)
            self._resamples[key] = Resamples.of(self.prompt[rows], RESAMPLES, self.number(skill))
        return self._resamples[key]

    def at_best_layer(
        self,
        scores: Scores,
        rows: NDArray[np.int64],
        met: NDArray[np.bool_],
        inner: Scores | None = None,
    ) -> Scores:
        """Scores of shape (layers, rows), each fold's at the layer that is best without it, shape (rows,).

        Args:
            scores: of some rows at every layer.
            rows: their numbers.
            met: their labels, true or shuffled.
            inner: scores by probes that did not see the fold for which a layer is chosen either, shape (layers, folds,
                rows). With them the choice owes nothing to the fold; this is nested cross-validation. Without them a
                layer is chosen by the other folds' scores, whose probes did see the fold, and the AUC is too high by
                a little: good enough for what a specialist must beat.
        """
        fold = self.design.fold[rows]
        best = np.zeros(self.design.folds, np.int64)
        for number in range(self.design.folds):
            others = fold != number
            chosen = (scores if inner is None else inner[:, number])[:, others]
            best[number] = int(np.argmax(np.nan_to_num(aucs(chosen, met[others], fold[others]), nan=0.5)))
        return np.asarray(scores[best[fold], np.arange(len(rows))])

    def own_at_best_layer(self, skill: str, position: str, rows: NDArray[np.int64]) -> Scores:
        """The specialist's scores of its skill's rows, each fold's at its layer, shape (rows,)."""
        place = self.positions.index(position)
        own = self.specialist[:, place, self.number(skill)][:, rows]
        return self.at_best_layer(own, rows, self.met(rows), self.inner[:, place][:, :, rows])


def scan(
    examples: Examples,
    kind: Kind = "logistic",
    *,
    alpha: float = ALPHA,
    folds: int = FOLDS,
    shuffles: int = SHUFFLES,
    seed: int = 0,
    processes: int = 1,
    tick: Callable[[], None] | None = None,
) -> Scan:
    """Fit and read all probes at all sites.

    Args:
        examples: balanced within each skill (`Examples.balanced`).
        kind: "logistic" on the activations, or "lda", "ridge", "mass_mean" from their moments.
        alpha: strength of "ridge".
        folds: how many, dealt by prompt.
        shuffles: how many times labels are shuffled within the skill for the control.
        seed: of folds and shuffles.
        processes: over how many processes the sites are spread.
        tick: called after each site.

    Raises:
        UserError: activations that are not finite, a skill with one class, or too few prompts to split.
    """
    examples.require_finite()
    design = Design.of(examples, kind, alpha=alpha, folds=folds, shuffles=shuffles, seed=seed)
    reads = over(examples, sites(examples), read_site, design, processes=processes, tick=tick)
    shape = (len(examples.layers), len(examples.positions))

    def stacked(name: str) -> Scores:
        parts = np.stack([getattr(read, name) for read in reads.values()])
        return parts.reshape(*shape, *parts.shape[1:])

    return Scan(
        kind=kind,
        layers=examples.layers,
        positions=examples.positions,
        skills=examples.skills,
        design=design,
        prompt=examples.prompt,
        **{name: stacked(name) for name in ("specialist", "general", "few", "without", "shuffled", "inner")},
    )
