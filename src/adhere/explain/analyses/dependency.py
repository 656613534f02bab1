"""Whether one skill needs what another is read from: the dependency of skill j on skill i, by erasing i.

At one (layer, position), for every fold, on the training rows: erase skill i, fit j's probe anew on what is left, and
read it on the held-out rows of j. The dependency i -> j is the AUC lost, less the AUC lost when a random subspace of
the same rank is erased. Both losses are paired on the same rows and draws of prompts.

Nothing is really erased from any activation. Erasing is linear, so the moments of what is left follow from those
before, and the probe that a ridge with penalty D finds there, as a direction u of the activations before, solves

    u = A^-1 (c + L m + D R s),   L'u = 0,   R'D u = R'D R s,   A = G + D,

for j's scatter G and cross moments c: two triangular solves with j's one Cholesky factor for each erased direction, and
a system of the size of the rank. (Erasing leaves u orthogonal to L; R s is the part of the probe's weights that reads
nothing any more, chosen to make the penalty smallest.) D is that of j before erasing: the scale of the features is not
learned anew. A random subspace is drawn several times, and its loss averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adhere.core.findings import Finding, Scalar
from adhere.explain.analyses.claims import Claim, claim, simultaneous
from adhere.explain.cases.examples import Examples
from adhere.explain.probing.decodability import Estimate, Resamples, auc, mean
from adhere.explain.probing.erasers import RANKS, Eraser, Method, inlp, leace, random_subspace
from adhere.explain.probing.fitting import training
from adhere.explain.probing.folds import FOLDS
from adhere.explain.probing.probes import ALPHA, Centred, Factor, Kind, penalty
from adhere.explain.probing.site_parallel import Site, over
from adhere.explain.probing.splits import Design

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Scores = NDArray[np.float32]

DRAWS = 8
"""Random subspaces of each rank."""

_NOTHING = 1e-7
"""Share of a probe's length below which what erasing has left of it is rounding."""


@dataclass(frozen=True)
class ErasurePlan:
    """A scan's design with the ranks and the number of random subspaces."""

    design: Design
    ranks: tuple[int, ...]
    draws: int
    seed: int


@dataclass(frozen=True)
class Erased:
    """Scores of every row by its own skill's probe at one site, shape (..., n), before and after erasing.

    Attributes:
        before: shape (n,).
        leace: after LEACE of each skill, shape (skills, n).
        inlp: after INLP of each skill at each rank, shape (skills, ranks, n).
        random: after each random subspace of each rank, shape (draws, ranks, n).
    """

    before: Scores
    leace: Scores
    inlp: Scores
    random: Scores


def erase_site(x: Scores, erasure: ErasurePlan) -> Erased:
    """All erasures of all skills, read on all skills, at one site."""
    design, ranks = erasure.design, erasure.ranks
    kind: Kind = "lda" if design.kind == "logistic" else design.kind
    n, d = x.shape
    generator = np.random.default_rng(erasure.seed)
    aimless = [random_subspace(d, max(ranks), np.zeros(d), generator) for _ in range(erasure.draws)]
    found = Erased(
        before=np.zeros(n, np.float32),
        leace=np.zeros((design.skills, n), np.float32),
        inlp=np.zeros((design.skills, len(ranks), n), np.float32),
        random=np.zeros((erasure.draws, len(ranks), n), np.float32),
    )
    alone = [(number,) for number in range(design.folds)]
    for number, train in enumerate(training(x, design, design.constrained, alone)):
        centred = [Centred.of(part) for part in train]
        pairs = list(zip(centred, train, strict=True))
        surgical = [leace(c, part.mean) for c, part in pairs]
        repeated = [inlp(c, part.mean, max(ranks), kind=kind, alpha=design.alpha) for c, part in pairs]
        for skill, (c, part) in enumerate(pairs):
            rows = np.flatnonzero((design.fold == number) & (design.code == skill))
            before, after = refit(c, penalty(c, kind, design.alpha), [*surgical, *repeated, *aimless], ranks)
            centre = part.mean.astype(np.float32)
            probes = np.column_stack(
                [before, *(after[k][:, -1] for k in range(design.skills)), *after[design.skills :]]
            )
            scores = ((x[rows] - centre) @ _unit(probes, before).astype(np.float32)).T
            s, r = design.skills, len(ranks)
            found.before[rows] = scores[0]
            found.leace[:, rows] = scores[1 : s + 1]
            found.inlp[:, :, rows] = scores[s + 1 : s + 1 + s * r].reshape(s, r, -1)
            found.random[:, :, rows] = scores[s + 1 + s * r :].reshape(erasure.draws, r, -1)
    return found


def _unit(probes: Floats, before: Floats) -> Floats:
    """Columns of length one; those that erasing has left nothing of become zero, so that they tell nothing apart."""
    norms = np.linalg.norm(probes, axis=0)
    nothing = norms <= _NOTHING * np.linalg.norm(before)
    return np.asarray(np.where(nothing, 0.0, probes / np.where(nothing, 1.0, norms)))


def refit(
    centred: Centred, added: Floats, erasers: Sequence[Eraser], ranks: Sequence[int]
) -> tuple[Floats, list[Floats]]:
    """Probes before and after erasing, as directions of the activations before.

    Args:
        centred: moments on which the probe is fitted; the first column of labels is its target.
        added: the penalty's diagonal, shape (d,).
        erasers: what is erased, each on its own.
        ranks: for erasers of more than one direction, to how many of them each probe is held.

    Returns:
        The probe before, shape (d,), and for each eraser its probes, shape (d, ranks).
    """
    factor = Factor.of(centred, added)
    target = centred.cross[0]
    stacked = np.concatenate([m for e in erasers for m in (e.left, added[:, None] * e.right)], axis=1)
    solved = factor.solve(np.concatenate([target[:, None], stacked], axis=1))
    before = solved[:, 0]
    start = 1
    probes = []
    for eraser in erasers:
        k = eraser.rank
        left, right = stacked[:, start - 1 : start - 1 + k], stacked[:, start - 1 + k : start - 1 + 2 * k]
        left_solved, right_solved = solved[:, start : start + k], solved[:, start + k : start + 2 * k]
        start += 2 * k
        p = left.T @ left_solved
        q = left.T @ right_solved
        t = eraser.right.T @ right - right.T @ right_solved
        a, b = left.T @ before, right.T @ before
        columns = []
        for rank in ranks:
            r = min(rank, k)
            if r == 0:
                columns.append(before)
                continue
            outer = Factor.of_matrix(p[:r, :r].copy())
            inner = Factor.of_matrix(t[:r, :r] + q[:r, :r].T @ outer.solve(q[:r, :r]))
            s = inner.solve(b[:r] - q[:r, :r].T @ outer.solve(a[:r]))
            m = outer.solve(-a[:r] - q[:r, :r] @ s)
            columns.append(before + left_solved[:, :r] @ m + right_solved[:, :r] @ s)
        probes.append(np.stack(columns, axis=1))
    return before, probes


@dataclass(frozen=True)
class Dependencies:
    """What is left of each skill's decodability after each erasure at one site. i is erased, j is read.

    Attributes:
        site: layer and position.
        skills: names, in the order of the arrays.
        ranks: ranks of INLP.
        before: AUC of each j.
        lost: dependency by method and rank, `lost[method, rank][i][j]`, less the random control, with its draws.
        random: AUC lost by j to random subspaces of each rank, `random[rank][j]`.
    """

    site: Site
    skills: tuple[str, ...]
    ranks: tuple[int, ...]
    before: tuple[Estimate, ...]
    lost: Mapping[tuple[Method, int], tuple[tuple[Estimate, ...], ...]]
    random: Mapping[int, tuple[Estimate, ...]]

    def matrix(self, method: Method, rank: int = 1) -> Floats:
        """Dependencies i -> j, shape (skills, skills)."""
        return np.array([[e.value for e in row] for row in self.lost[method, rank]])

    def arrays(self) -> dict[str, Floats]:
        """What is written as safetensors: a matrix for each method and rank."""
        layer, position = self.site
        return {
            f"dependency.layer_{layer}.{position}.{method}.{rank}": self.matrix(method, rank)
            for method, rank in self.lost
        }

    def findings(self, recompute: str = "") -> list[Finding]:
        """Every pair, method and rank."""
        return [c.finding for c in self.claims(recompute)]

    def claims(self, recompute: str = "") -> list[Claim]:
        """Every pair against no loss beyond the random control, by intervals that hold for all pairs together."""
        layer, position = self.site
        made = []
        for (method, rank), rows in self.lost.items():
            together = simultaneous([e for row in rows for e in row])
            for i, source in enumerate(self.skills):
                for j, target in enumerate(self.skills):
                    name = method.upper() if method == "leace" else f"INLP of rank {rank}"
                    lowest, _ = self.before[j].interval
                    unread = f"{target} is not readable here before (AUC {self.before[j].value:.2f})"
                    against = [] if lowest > 0.5 else [unread]
                    subject: dict[str, Scalar] = {
                        "from": source,
                        "to": target,
                        "method": method,
                        "rank": rank,
                        "layer": layer,
                        "position": position,
                        "random_loss": self.random[rank][j].value,
                    }
                    found = claim(
                        "erasure.dependency",
                        f"{target} depends on {source} at layer {layer}, {position}: AUC lost by {name}, "
                        "beyond random subspaces,",
                        rows[i][j],
                        {"no loss beyond random subspaces": 0.0},
                        subject,
                        interval=together[i * len(self.skills) + j],
                        against=against,
                        recompute=recompute,
                    )
                    made.append(Claim(found.finding, found.holds and not against, found.sentence))
        return made


def dependencies(
    examples: Examples,
    chosen: Sequence[Site],
    *,
    kind: Kind = "lda",
    alpha: float = ALPHA,
    ranks: Sequence[int] = RANKS,
    draws: int = DRAWS,
    folds: int = FOLDS,
    seed: int = 0,
    processes: int = 1,
    tick: Callable[[], None] | None = None,
) -> dict[Site, Dependencies]:
    """Erase every skill and read every other, at the sites chosen.

    Args:
        examples: balanced within each skill.
        chosen: (layer, position) pairs: the common best layer, or all of them.
        kind: the probe with which decodability is measured and INLP made: "lda" or "ridge".
        alpha: strength of "ridge".
        ranks: ranks of INLP; LEACE has rank one and is compared with random directions of rank one.
        draws: random subspaces.
        folds, seed: as for `scan`.
        processes, tick: as for `sites.over`.
    """
    nested = tuple(sorted({1, *ranks}))
    design = Design.of(examples, kind, alpha=alpha, folds=folds, shuffles=0, seed=seed)
    erasure = ErasurePlan(design, nested, draws, seed)
    found = over(examples, chosen, erase_site, erasure, processes=processes, tick=tick)
    return {site: _summed_up(site, erased, examples, erasure) for site, erased in found.items()}


def _summed_up(site: Site, erased: Erased, examples: Examples, erasure: ErasurePlan) -> Dependencies:
    design, ranks = erasure.design, erasure.ranks
    skills = range(design.skills)
    methods: list[tuple[Method, int]] = [("leace", 1), *(("inlp", rank) for rank in ranks)]
    before: list[Estimate] = []
    random: dict[int, list[Estimate]] = {rank: [] for rank in ranks}
    lost: dict[tuple[Method, int], list[list[Estimate]]] = {key: [[] for _ in skills] for key in methods}
    for j in skills:
        rows = np.flatnonzero((design.code == j) & design.constrained)
        met, fold = design.labels[rows, 0], design.fold[rows]
        resamples = Resamples.of(examples.prompt[rows], seed=j)

        def read(scores: Scores) -> Estimate:
            return auc(scores[rows], met, fold, resamples)  # noqa: B023 - used before the loop goes on

        whole = read(erased.before)
        before.append(whole)
        aimless = {}
        for r, rank in enumerate(ranks):
            aimless[rank] = mean([read(erased.random[k, r]) for k in range(erasure.draws)])
            random[rank].append(whole - aimless[rank])
        for i in skills:
            lost["leace", 1][i].append(aimless[1] - read(erased.leace[i]))
            for r, rank in enumerate(ranks):
                lost["inlp", rank][i].append(aimless[rank] - read(erased.inlp[i, r]))
    return Dependencies(
        site,
        examples.skills,
        ranks,
        tuple(before),
        {key: tuple(tuple(row) for row in rows) for key, rows in lost.items()},
        {rank: tuple(values) for rank, values in random.items()},
    )
