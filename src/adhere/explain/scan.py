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

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from adhere.errors import UserError
from adhere.explain import logistic
from adhere.explain.decodability import RESAMPLES, Resamples, aucs
from adhere.explain.examples import Examples
from adhere.explain.folds import FOLDS, deal
from adhere.explain.moments import Moments
from adhere.explain.probes import ALPHA, Centred, Kind, directions
from adhere.explain.sites import over, sites

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Scores = NDArray[np.float32]

SHUFFLES = 20
"""Times that labels are shuffled: the spread of what chance finds is then known to about a sixth."""

CELLS = 2**30
"""Bytes of moments of all (skill, fold) cells that are kept at once."""


@dataclass(frozen=True)
class Plan:
    """All that fitting at a site needs besides the states. Rows are responses.

    Attributes:
        code: number of the row's skill.
        fold: which fold it belongs to.
        constrained: whether probes may be trained on it.
        few: whether it is among the few on which the small general probe is trained.
        labels: True for met; the true labels and then the shuffled ones, shape (n, 1 + shuffles).
    """

    kind: Kind
    alpha: float
    skills: int
    folds: int
    code: NDArray[np.int64]
    fold: NDArray[np.int64]
    constrained: NDArray[np.bool_]
    few: NDArray[np.bool_]
    labels: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        examples: Examples,
        kind: Kind = "logistic",
        *,
        alpha: float = ALPHA,
        folds: int = FOLDS,
        shuffles: int = SHUFFLES,
        seed: int = 0,
    ) -> Plan:
        """Deal the folds, draw the few, shuffle the labels."""
        generator = np.random.default_rng(seed)
        code = _codes(examples)
        fold = deal(examples, folds, seed)
        few = np.zeros(len(examples), bool)
        labels = np.repeat(examples.met[:, None], 1 + shuffles, axis=1)
        skills = len(examples.skills)
        for skill in range(skills):
            asked = (code == skill) & examples.constrained
            for column in range(1, 1 + shuffles):
                labels[asked, column] = _shuffled(examples.met[asked], examples.prompt[asked], generator)
            for number in range(folds):
                for met in (False, True):
                    rows = np.flatnonzero(asked & (fold == number) & (examples.met == met))
                    few[generator.permutation(rows)[: round(len(rows) / skills)]] = True
        return cls(kind, alpha, skills, folds, code, fold, examples.constrained, few, labels)


def _shuffled(met: NDArray[np.bool_], prompt: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.bool_]:
    """Labels dealt anew, those of a prompt together to a prompt.

    Rows of a prompt resemble each other and tend to share their label. Labels shuffled one by one would lose that, and
    with it most of what chance alone makes a probe find.
    """
    numbers, row = np.unique(prompt, return_inverse=True)
    taken, given = (np.argsort(generator.permutation(len(numbers))[row], kind="stable") for _ in range(2))
    labels = np.empty_like(met)
    labels[given] = met[taken]
    return labels


def _codes(examples: Examples) -> NDArray[np.int64]:
    number = {skill: k for k, skill in enumerate(examples.skills)}
    return np.array([number[skill] for skill in examples.skill.tolist()], np.int64)


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


@dataclass(frozen=True)
class Probes:
    """Directions of one fold at one site: (d, skills), (d,), (d,), (d, skills), (d, skills, shuffles).

    `inner` holds the specialists trained without this fold and a later one, by the later: (d, skills).
    """

    specialist: Floats
    general: Floats
    few: Floats
    without: Floats
    shuffled: Floats
    inner: dict[int, Floats]


def read_site(x: Scores, plan: Plan) -> Read:
    """Fit and read all probes at one site, x of shape (n, d)."""
    fitted, means = (by_logistic if plan.kind == "logistic" else by_moments)(x, plan)
    n, shuffles = len(x), plan.labels.shape[1] - 1
    read = Read(
        specialist=np.empty((plan.skills, n), np.float32),
        general=np.empty(n, np.float32),
        few=np.empty(n, np.float32),
        without=np.empty(n, np.float32),
        shuffled=np.empty((shuffles, n), np.float32),
        inner=np.full((plan.folds, n), np.nan, np.float32),
    )
    for number, probes in enumerate(fitted):
        rows = np.flatnonzero(plan.fold == number)
        code = plan.code[rows]
        every = np.concatenate(
            [probes.specialist, probes.general[:, None], probes.few[:, None], probes.without]
            + [probes.shuffled[:, :, k] for k in range(shuffles)],
            axis=1,
        )
        every /= np.maximum(np.linalg.norm(every, axis=0), 1e-30)
        scores = x[rows] @ every.astype(np.float32) - (means[number] @ every).astype(np.float32)[code]
        own, s = np.arange(len(rows)), plan.skills
        read.specialist[:, rows] = scores[:, :s].T
        read.general[rows], read.few[rows] = scores[:, s], scores[:, s + 1]
        read.without[rows] = scores[own, s + 2 + code]
        for k in range(shuffles):
            read.shuffled[k, rows] = scores[own, s + 2 + (k + 1) * s + code]
        for other, inner in probes.inner.items():
            for outer, held_out in ((number, other), (other, number)):
                chosen = np.flatnonzero(plan.fold == held_out)
                within = (x[chosen] @ inner.astype(np.float32))[np.arange(len(chosen)), plan.code[chosen]]
                read.inner[outer, chosen] = within
    if plan.skills == 1:
        read.without[:] = np.nan
    return read


def training(
    x: Scores, plan: Plan, chosen: NDArray[np.bool_], left_out: Sequence[tuple[int, ...]]
) -> Iterator[list[Moments]]:
    """For each tuple of folds left out the moments of the other folds' rows, by skill, of the rows chosen.

    From one pass, what is held out being subtracted from the total. Where so many matrices would not fit, as at the
    width of large models, each is summed up when its turn comes, at several times the work.
    """
    rows = np.flatnonzero(chosen)
    sign = np.where(plan.labels[rows], np.float32(1), np.float32(-1))
    code, fold = plan.code[rows], plan.fold[rows]
    if plan.skills * plan.folds * x.shape[1] ** 2 * 8 <= CELLS:
        moments = Moments.of(x[rows], (code, fold), (plan.skills, plan.folds), sign)
        whole = moments.sum(1)
        for numbers in left_out:
            left = [whole[s] for s in range(plan.skills)]
            for number in numbers:
                left = [part.less(moments[s, number]) for s, part in enumerate(left)]
            yield left
        return
    shift = x[rows].mean(axis=0, dtype=np.float64)
    for numbers in left_out:
        train = ~np.isin(fold, numbers)
        moments = Moments.of(x[rows[train]], (code[train],), (plan.skills,), sign[train], shift)
        yield [moments[s] for s in range(plan.skills)]


def by_moments(x: Scores, plan: Plan) -> tuple[list[Probes], list[Floats]]:
    """Probes of each fold and the skills' training means, shape (skills, d), from one pass of moments."""
    fitted: list[Probes] = []
    means: list[Floats] = []
    alone = [(number,) for number in range(plan.folds)]
    pairs = list(itertools.combinations(range(plan.folds), 2))
    inner: list[dict[int, Floats]] = [{} for _ in alone]
    for (first, second), train in zip(pairs, training(x, plan, plan.constrained, pairs), strict=True):
        inner[first][second] = np.stack([_direction(Centred.of(part), plan) for part in train], axis=1)
    for train, small in zip(
        training(x, plan, plan.constrained, alone), training(x, plan, plan.few, alone), strict=True
    ):
        centred = [Centred.of(part) for part in train]
        pool = sum(centred[1:], centred[0])
        little = [Centred.of(part) for part in small]
        own = np.stack([directions(part, plan.kind, plan.alpha) for part in centred], axis=1)
        others = [pool - part for part in centred] if plan.skills > 1 else []
        fitted.append(
            Probes(
                specialist=own[:, :, 0],
                general=_direction(pool, plan),
                few=_direction(sum(little[1:], little[0]), plan),
                without=np.stack([_direction(part, plan) for part in others], axis=1) if others else 0 * own[:, :, 0],
                shuffled=own[:, :, 1:],
                inner=inner[len(fitted)],
            )
        )
        means.append(np.stack([part.mean for part in train]))
    return fitted, means


def _direction(centred: Centred, plan: Plan) -> Floats:
    """The probe of the true labels alone, shape (d,)."""
    return directions(Centred(centred.n, centred.scatter, centred.cross[:1]), plan.kind, plan.alpha)[:, 0]


def by_logistic(x: Scores, plan: Plan) -> tuple[list[Probes], list[Floats]]:
    """The same by logistic regression on the activations: folds and shuffles of a skill are columns of one fit."""
    d, s, folds = x.shape[1], plan.skills, plan.folds
    columns = plan.labels.shape[1]
    own = np.empty((folds, d, s, columns))
    means = [np.empty((s, d)) for _ in range(folds)]
    pairs = list(itertools.combinations(range(folds), 2))
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    inner = np.empty((len(pairs), d, s))
    for skill in range(s):
        rows = np.flatnonzero((plan.code == skill) & plan.constrained)
        part, fold = x[rows], plan.fold[rows]
        outside = fold[:, None] != np.arange(folds)
        train = [np.repeat(outside, columns, axis=1), outside[:, first] & outside[:, second]]
        met = [np.tile(plan.labels[rows], (1, folds)), np.repeat(plan.labels[rows, :1], len(pairs), axis=1)]
        weights = logistic.fit(part, np.concatenate(met, axis=1), np.concatenate(train, axis=1)).weights
        own[:, :, skill, :] = weights[:, : folds * columns].reshape(d, folds, columns).transpose(1, 0, 2)
        inner[:, :, skill] = weights[:, folds * columns :].T
        for number in range(folds):
            means[number][skill] = part[fold != number].mean(axis=0, dtype=np.float64)
    rows = np.flatnonzero(plan.constrained)
    part, fold, code, met = x[rows], plan.fold[rows], plan.code[rows], plan.labels[rows, 0]
    outside = fold[:, None] != np.arange(folds)
    pools = [outside] if s == 1 else [outside, *(outside & (code != skill)[:, None] for skill in range(s))]
    pooled = logistic.fit(part, met, np.concatenate(pools, axis=1), group=code).weights.reshape(d, len(pools), folds)
    rows = np.flatnonzero(plan.few)
    few = logistic.fit(
        x[rows], plan.labels[rows, 0], plan.fold[rows][:, None] != np.arange(folds), group=plan.code[rows]
    ).weights
    without = np.zeros((d, s, folds)) if s == 1 else pooled[:, 1:]
    fitted = [
        Probes(
            specialist=own[f, :, :, 0],
            general=pooled[:, 0, f],
            few=few[:, f],
            without=without[:, :, f],
            shuffled=own[f, :, :, 1:],
            inner={later: inner[k] for k, (number, later) in enumerate(pairs) if number == f},
        )
        for f in range(folds)
    ]
    return fitted, means


@dataclass(frozen=True)
class Scan:
    """What all probes say at all sites. `scores[site]` is a `Read`; rows are those of the examples.

    Arrays over sites have shape (layers, positions, ...).
    """

    kind: Kind
    layers: tuple[int, ...]
    positions: tuple[str, ...]
    skills: tuple[str, ...]
    plan: Plan
    prompt: NDArray[np.int64]
    specialist: Scores
    general: Scores
    few: Scores
    without: Scores
    shuffled: Scores
    inner: Scores

    def rows(self, skill: str, *, constrained: bool = True) -> NDArray[np.int64]:
        """Row numbers of a skill."""
        return np.flatnonzero((self.plan.code == self.number(skill)) & (self.plan.constrained == constrained))

    def number(self, skill: str) -> int:
        if skill not in self.skills:
            raise UserError(f"no probe of skill {skill}; there are {', '.join(self.skills)}")
        return self.skills.index(skill)

    def met(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True labels of some rows."""
        return np.asarray(self.plan.labels[rows, 0])

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
        fold = self.plan.fold[rows]
        best = np.zeros(self.plan.folds, np.int64)
        for number in range(self.plan.folds):
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
    plan = Plan.of(examples, kind, alpha=alpha, folds=folds, shuffles=shuffles, seed=seed)
    reads = over(examples, sites(examples), read_site, plan, processes=processes, tick=tick)
    shape = (len(examples.layers), len(examples.positions))

    def stacked(name: str) -> Scores:
        parts = np.stack([getattr(read, name) for read in reads.values()])
        return parts.reshape(*shape, *parts.shape[1:])

    return Scan(
        kind=kind,
        layers=examples.layers,
        positions=examples.positions,
        skills=examples.skills,
        plan=plan,
        prompt=examples.prompt,
        **{name: stacked(name) for name in ("specialist", "general", "few", "without", "shuffled", "inner")},
    )
