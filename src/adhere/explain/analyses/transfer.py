"""Lens 2: what a probe of one skill says of another, and which skills cluster.

Rules:
- Row i, column j: the probe of skill i, read on responses to skill j from prompts that it did not see. Every cell has
  its interval, and one that holds for all cells together (`claims.simultaneous`): cells off the diagonal are judged by
  the latter.
- Once at a layer and position common to all skills, once for each i at the layer at which i itself is best read.
- Skills are clustered by average linkage (Sokal and Michener 1958). Their distance is 1 where neither probe tells
  anything of the other's skill and 0 where both tell all: 1 - |AUC_ij + AUC_ji - 1|. Telling the opposite is telling.
- Seen from outside, skills fail together or not. Whether transfer goes with that is the rank correlation over pairs of
  skills, with Mantel's test (Mantel 1967), which permutes skills, not pairs.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adhere.core.findings import Control, Finding, Scalar
from adhere.explain.analyses.claims import Claim, claim, simultaneous
from adhere.explain.analyses.specialists import Specialists
from adhere.explain.cases.examples import Examples
from adhere.explain.probing.decodability import Estimate, auc
from adhere.explain.probing.scan import Scan
from adhere.explain.probing.site_parallel import Site

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PERMUTATIONS = 5040
"""At most so many orders of the skills are tried: all of them up to seven skills."""

SHARED = 10
"""Fewest prompts that two skills must share for their failures to be correlated."""


@dataclass(frozen=True)
class Transfer:
    """The matrix at one site for each source.

    Attributes:
        sites: where each source's probe is read, in the order of `skills`.
        cells: AUC of probe i on skill j, `cells[i][j]`.
        together: an interval for every cell that holds for all of them together.
        linkage: scipy's, shape (skills - 1, 4). None for a single skill.
        order: skills in the order of the dendrogram's leaves.
    """

    name: str
    kind: str
    skills: tuple[str, ...]
    sites: tuple[Site, ...]
    cells: tuple[tuple[Estimate, ...], ...]
    together: tuple[tuple[tuple[float, float], ...], ...]
    linkage: Floats | None
    order: tuple[int, ...]

    @property
    def matrix(self) -> Floats:
        """AUC, shape (skills, skills)."""
        return np.array([[cell.value for cell in row] for row in self.cells])

    def arrays(self) -> dict[str, Floats]:
        """What is written as safetensors: the matrix with its intervals, and the dendrogram."""
        low, high = (np.array([[cell.interval[side] for cell in row] for row in self.cells]) for side in (0, 1))
        name = f"transfer.{self.name.replace(' ', '_')}"
        found = {f"{name}.auc": self.matrix, f"{name}.low": low, f"{name}.high": high}
        return found if self.linkage is None else {**found, f"{name}.linkage": self.linkage}

    def clusters(self, least: float = 0.7) -> tuple[tuple[str, ...], ...]:
        """Skills in groups, two of which merge if probes between them reach an AUC of `least`, or its mirror."""
        from scipy.cluster.hierarchy import fcluster

        if self.linkage is None:
            return (self.skills,)
        number = fcluster(self.linkage, 1 - 2 * abs(least - 0.5), "distance")
        groups: dict[int, list[str]] = {}
        for leaf in self.order:
            groups.setdefault(int(number[leaf]), []).append(self.skills[leaf])
        return tuple(tuple(group) for group in groups.values())

    def findings(self, recompute: str = "") -> list[Finding]:
        """Every cell, with its own interval."""
        return [c.finding for c in self.claims(recompute)]

    def claims(self, recompute: str = "") -> list[Claim]:
        """Every cell against chance; those off the diagonal by the interval that holds for all together."""
        made = []
        for i, source in enumerate(self.skills):
            layer, position = self.sites[i]
            for j, target in enumerate(self.skills):
                cell = self.cells[i][j]
                opposite = cell.value < 0.5 and i != j
                tells = "tells the opposite of" if opposite else "tells of"
                low, high = self.together[i][j]
                subject: dict[str, Scalar] = {
                    "from": source,
                    "to": target,
                    "layer": layer,
                    "position": position,
                    "kind": self.kind,
                    "at": self.name,
                }
                found = claim(
                    "transfer.auc",
                    f"a probe of {source} {tells} {target} at layer {layer}, {position}: AUC",
                    cell,
                    {"chance": 0.5},
                    subject,
                    interval=cell.interval if i == j else (low, high),
                    recompute=recompute,
                )
                if opposite and high < 0.5:
                    measured, _, _ = found.sentence.partition(" For it:")
                    found = Claim(
                        found.finding, True, f"{measured} For it: chance 0.50. Against it: none of the controls."
                    )
                made.append(found)
        return made

    def agreement(self, outside: Floats, seed: int = 0, recompute: str = "") -> Claim:
        """Does transfer go with how skills fail together, seen from outside?

        Args:
            outside: correlation of failures of each pair of skills, shape (skills, skills); NaN where unknown.
            seed: of the permutations.
        """
        value, p, pairs = mantel(closeness(self.matrix), outside, seed)
        finding = Finding(
            what="transfer.agreement",
            subject={"at": self.name, "kind": self.kind, "p": p if math.isfinite(p) else 1.0},
            estimate=value,
            n=pairs,
            unit="pairs of skills",
            control=Control(what="skills permuted (Mantel)", estimate=0.0),
            recompute=recompute,
        )
        if not math.isfinite(value):
            return Claim(finding, False, "Transfer and failures seen from outside: too few pairs of skills to compare.")
        holds = p <= 0.05
        sentence = (
            f"Skills whose probes carry over fail together, seen from outside: rank correlation {value:.2f} over "
            f"{pairs} pairs. {'For it' if holds else 'Against it'}: permuted skills correlate as much in a share of "
            f"{p:.3f}."
        )
        return Claim(finding, holds, sentence)


def closeness(matrix: Floats) -> Floats:
    """How much two skills' probes tell of each other, shape (skills, skills): 0 nothing, 1 all."""
    return np.asarray(np.abs(matrix + matrix.T - 1))


def mantel(inside: Floats, outside: Floats, seed: int = 0) -> tuple[float, float, int]:
    """Correlation of ranks over pairs (Spearman's where all are known), its two-sided p, and how many are known."""
    from scipy.stats import rankdata

    size = len(inside)
    upper = np.triu_indices(size, 1)
    known = np.isfinite(outside[upper]) & np.isfinite(inside[upper])
    if known.sum() < 3:
        return math.nan, math.nan, int(known.sum())
    target = rankdata(outside[upper][known])
    ranks = np.zeros_like(inside)
    ranks[upper] = rankdata(inside[upper])  # once: permuting skills permutes the ranks
    ranks += ranks.T

    def correlation(order: NDArray[np.int64]) -> float:
        values = ranks[np.ix_(order, order)][upper][known]
        if np.ptp(values) == 0 or np.ptp(target) == 0:
            return 0.0
        return float(np.corrcoef(values, target)[0, 1])

    value = correlation(np.arange(size))
    if math.factorial(size) <= PERMUTATIONS:
        orders = [np.array(order) for order in itertools.permutations(range(size))]
    else:
        generator = np.random.default_rng(seed)
        orders = [np.arange(size), *(generator.permutation(size) for _ in range(PERMUTATIONS - 1))]
    as_much = sum(abs(correlation(order)) >= abs(value) - 1e-12 for order in orders)
    return value, as_much / len(orders), int(known.sum())


def transfer(scan: Scan, specialists: Specialists, position: str | None = None) -> tuple[Transfer, Transfer]:
    """The matrices at the common site and at each source's best layer of the same position."""
    common = specialists.common_site(position)
    own = tuple((specialists.at(skill, common[1]).layer, common[1]) for skill in scan.skills)
    return (
        _at(scan, "a common layer", (common,) * len(scan.skills)),
        _at(scan, "best layer of each", own),
    )


def _at(scan: Scan, name: str, sites: tuple[Site, ...]) -> Transfer:
    cells: list[tuple[Estimate, ...]] = []
    for i, (layer, position) in enumerate(sites):
        scores = scan.specialist[scan.layers.index(layer), scan.positions.index(position), i]
        row = []
        for skill in scan.skills:
            rows = scan.rows(skill)
            row.append(auc(scores[rows], scan.met(rows), scan.design.fold[rows], scan.resamples(skill)))
        cells.append(tuple(row))
    size = len(scan.skills)
    flat = simultaneous([cell for row in cells for cell in row])
    linkage, order = _cluster(np.array([[cell.value for cell in row] for row in cells]))
    together = tuple(tuple(flat[i * size : (i + 1) * size]) for i in range(size))
    return Transfer(name, scan.kind, scan.skills, sites, tuple(cells), together, linkage, order)


def _cluster(matrix: Floats) -> tuple[Floats | None, tuple[int, ...]]:
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(matrix) < 2:
        return None, (0,)
    distance = 1 - np.nan_to_num(closeness(matrix))
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average")
    return tree, tuple(int(leaf) for leaf in leaves_list(tree))


def failures(examples: Examples) -> Floats:
    """Correlation over prompts of how often two skills fail, shape (skills, skills).

    Of constrained responses, for prompts that ask for both skills; NaN for pairs that share too few prompts.
    """
    skills = examples.skills
    numbers, row = np.unique(examples.prompt, return_inverse=True)
    rate = np.full((len(skills), len(numbers)), np.nan)
    for k, skill in enumerate(skills):
        rows = (examples.skill == skill) & examples.constrained
        asked = np.bincount(row[rows], minlength=len(numbers))
        failed = np.bincount(row[rows], ~examples.met[rows], minlength=len(numbers))
        rate[k, asked > 0] = failed[asked > 0] / asked[asked > 0]
    found = np.full((len(skills), len(skills)), np.nan)
    for i, j in itertools.product(range(len(skills)), repeat=2):
        both = np.isfinite(rate[i]) & np.isfinite(rate[j])
        if both.sum() >= SHARED and np.ptp(rate[i, both]) > 0 and np.ptp(rate[j, both]) > 0:
            found[i, j] = np.corrcoef(rate[i, both], rate[j, both])[0, 1]
    return found
