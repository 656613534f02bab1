"""Fitting all probes of a site: from moments, or by logistic regression on the activations.

Both give the same: for each fold the specialists, the pools and the specialists of shuffled labels, as directions of
the raw activations, none of which saw the fold; and for each pair of folds the specialists that saw neither.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adhere.explain.probing import logistic
from adhere.explain.probing.moments import Moments
from adhere.explain.probing.probes import Centred, directions
from adhere.explain.probing.splits import Design

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Scores = NDArray[np.float32]

CELLS = 2**30
"""Bytes of moments of all (skill, fold) cells that are kept at once."""


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


def training(
    x: Scores, design: Design, chosen: NDArray[np.bool_], left_out: Sequence[tuple[int, ...]]
) -> Iterator[list[Moments]]:
    """For each tuple of folds left out the moments of the other folds' rows, by skill, of the rows chosen.

    From one pass, what is held out being subtracted from the total. Where so many matrices would not fit, as at the
    width of large models, each is summed up when its turn comes, at several times the work.
    """
    rows = np.flatnonzero(chosen)
    sign = np.where(design.labels[rows], np.float32(1), np.float32(-1))
    code, fold = design.code[rows], design.fold[rows]
    if design.skills * design.folds * x.shape[1] ** 2 * 8 <= CELLS:
        moments = Moments.of(x[rows], (code, fold), (design.skills, design.folds), sign)
        whole = moments.sum(1)
        for numbers in left_out:
            left = [whole[s] for s in range(design.skills)]
            for number in numbers:
                left = [part.less(moments[s, number]) for s, part in enumerate(left)]
            yield left
        return
    shift = x[rows].mean(axis=0, dtype=np.float64)
    for numbers in left_out:
        train = ~np.isin(fold, numbers)
        moments = Moments.of(x[rows[train]], (code[train],), (design.skills,), sign[train], shift)
        yield [moments[s] for s in range(design.skills)]


def by_moments(x: Scores, design: Design) -> tuple[list[Probes], list[Floats]]:
    """Probes of each fold and the skills' training means, shape (skills, d), from one pass of moments."""
    fitted: list[Probes] = []
    means: list[Floats] = []
    alone = [(number,) for number in range(design.folds)]
    pairs = list(itertools.combinations(range(design.folds), 2))
    inner: list[dict[int, Floats]] = [{} for _ in alone]
    for (first, second), train in zip(pairs, training(x, design, design.constrained, pairs), strict=True):
        inner[first][second] = np.stack([_direction(Centred.of(part), design) for part in train], axis=1)
    for train, small in zip(
        training(x, design, design.constrained, alone), training(x, design, design.few, alone), strict=True
    ):
        centred = [Centred.of(part) for part in train]
        pool = sum(centred[1:], centred[0])
        little = [Centred.of(part) for part in small]
        own = np.stack([directions(part, design.kind, design.alpha) for part in centred], axis=1)
        others = [pool - part for part in centred] if design.skills > 1 else []
        fitted.append(
            Probes(
                specialist=own[:, :, 0],
                general=_direction(pool, design),
                few=_direction(sum(little[1:], little[0]), design),
                without=np.stack([_direction(part, design) for part in others], axis=1) if others else 0 * own[:, :, 0],
                shuffled=own[:, :, 1:],
                inner=inner[len(fitted)],
            )
        )
        means.append(np.stack([part.mean for part in train]))
    return fitted, means


def _direction(centred: Centred, design: Design) -> Floats:
    """The probe of the true labels alone, shape (d,)."""
    return directions(Centred(centred.n, centred.scatter, centred.cross[:1]), design.kind, design.alpha)[:, 0]


def by_logistic(x: Scores, design: Design) -> tuple[list[Probes], list[Floats]]:
    """The same by logistic regression on the activations: folds and shuffles of a skill are columns of one fit."""
    d, s, folds = x.shape[1], design.skills, design.folds
    columns = design.labels.shape[1]
    own = np.empty((folds, d, s, columns))
    means = [np.empty((s, d)) for _ in range(folds)]
    pairs = list(itertools.combinations(range(folds), 2))
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    inner = np.empty((len(pairs), d, s))
    for skill in range(s):
        rows = np.flatnonzero((design.code == skill) & design.constrained)
        part, fold = x[rows], design.fold[rows]
        outside = fold[:, None] != np.arange(folds)
        train = [np.repeat(outside, columns, axis=1), outside[:, first] & outside[:, second]]
        met = [np.tile(design.labels[rows], (1, folds)), np.repeat(design.labels[rows, :1], len(pairs), axis=1)]
        weights = logistic.fit(part, np.concatenate(met, axis=1), np.concatenate(train, axis=1)).weights
        own[:, :, skill, :] = weights[:, : folds * columns].reshape(d, folds, columns).transpose(1, 0, 2)
        inner[:, :, skill] = weights[:, folds * columns :].T
        for number in range(folds):
            means[number][skill] = part[fold != number].mean(axis=0, dtype=np.float64)
    rows = np.flatnonzero(design.constrained)
    part, fold, code, met = x[rows], design.fold[rows], design.code[rows], design.labels[rows, 0]
    outside = fold[:, None] != np.arange(folds)
    pools = [outside] if s == 1 else [outside, *(outside & (code != skill)[:, None] for skill in range(s))]
    pooled = logistic.fit(part, met, np.concatenate(pools, axis=1), group=code).weights.reshape(d, len(pools), folds)
    rows = np.flatnonzero(design.few)
    few = logistic.fit(
        x[rows], design.labels[rows, 0], design.fold[rows][:, None] != np.arange(folds), group=design.code[rows]
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
