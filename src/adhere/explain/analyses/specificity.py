"""Is it the constraint or only the text? Constrained and free responses on the same probe's rowspace.

A probe that tells a met constraint from a violated one may read no more than what the text is like: short, or in JSON.
Free responses, to prompts without the constraint, are labelled by the same checker. Rules:

- The probe is trained on constrained responses alone. Its AUC on free ones, from folds it did not see, is what the text
  explains; the AUC it has beyond that on constrained ones is specific to the constraint (arXiv 2604.06015).
- The rowspace is INLP's of the given rank. For both kinds of responses: the share of the activations' variance that
  lies in it, and the distance of the class means in it, in standard deviations. A random subspace of that rank would
  hold rank / width of the variance if all directions were alike.
- The two AUCs come from different responses: their difference is not paired.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adhere.core.findings import Finding, Scalar
from adhere.explain.analyses.claims import Claim, claim
from adhere.explain.cases.examples import Examples
from adhere.explain.probing.decodability import Estimate, auc
from adhere.explain.probing.erasers import inlp
from adhere.explain.probing.moments import Moments
from adhere.explain.probing.probes import Centred, Kind
from adhere.explain.probing.scan import Scan
from adhere.explain.probing.site_parallel import Site

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RANK = 4
LEAST_FREE = 10
"""Fewest free responses of each class."""


@dataclass(frozen=True)
class Specificity:
    """One skill at one site.

    Attributes:
        asked: AUC on constrained responses. `free` on free ones, or None where one class is too rare.
        variance_asked, variance_free: share of the variance that lies in the rowspace.
        apart_asked, apart_free: distance of class means along the first direction, in standard deviations.
        free_met: share of free responses that meet the constraint unasked.
    """

    skill: str
    site: Site
    kind: str
    rank: int
    asked: Estimate
    free: Estimate | None
    variance_asked: float
    variance_free: float
    variance_random: float
    apart_asked: float
    apart_free: float
    free_met: float
    free_rows: int

    def findings(self, recompute: str = "") -> list[Finding]:
        """The difference, and the AUC on free responses."""
        return [c.finding for c in self.claims(recompute)]

    def claims(self, recompute: str = "") -> list[Claim]:
        """That the probe reads more than the text; none where there are too few free responses to say."""
        if self.free is None:
            return []
        layer, position = self.site
        subject: dict[str, Scalar] = {"skill": self.skill, "layer": layer, "position": position, "kind": self.kind}
        readable = f"{self.skill}'s probe tells met from violated in free responses as well"
        low, _ = self.free.interval
        against = [f"{readable} (AUC {self.free.value:.2f})"] if low > 0.5 else []
        return [
            claim(
                "probe.specificity",
                f"{self.skill}'s probe at layer {layer}, {position} reads the constraint beyond the text: "
                "AUC where asked less AUC on free responses",
                self.asked - self.free,
                {"no difference": 0.0},
                subject,
                against=against,
                recompute=recompute,
            ),
            claim(
                "probe.auc",
                f"{readable} at layer {layer}, {position}: AUC",
                self.free,
                {"chance": 0.5},
                subject | {"probe": "own", "on": "free responses"},
                recompute=recompute,
            ),
        ]


def specificity(
    examples: Examples, scan: Scan, sites: Sequence[Site], *, kind: Kind = "lda", rank: int = RANK
) -> list[Specificity]:
    """For each skill at its site: its probe and its rowspace on constrained and on free responses.

    Args:
        examples: what was scanned, free responses included.
        scan: all probes at all sites.
        sites: one for each skill, in the order of `scan.skills`.
        kind: of the probes that span the rowspace.
        rank: of the rowspace.
    """
    found = []
    for k, (skill, site) in enumerate(zip(scan.skills, sites, strict=True)):
        layer, position = site
        scores = scan.specialist[scan.layers.index(layer), scan.positions.index(position), k]
        asked, free = scan.rows(skill), scan.rows(skill, constrained=False)
        estimates: list[Estimate | None] = []
        for rows, constrained, least in ((asked, True, 1), (free, False, LEAST_FREE)):
            met = scan.met(rows)
            enough = min(met.sum(), (~met).sum()) >= least
            resamples = scan.resamples(skill, constrained=constrained) if enough else None
            estimates.append(auc(scores[rows], met, scan.design.fold[rows], resamples) if enough else None)
        own = estimates[0]
        assert own is not None
        x = examples.slab(*site)
        sign = np.where(scan.met(asked), np.float32(1), np.float32(-1))[:, None]
        moments = Moments.of(x[asked], (np.zeros(len(asked), np.int64),), (1,), sign)[0]
        rowspace = inlp(Centred.of(moments), moments.mean, rank, kind=kind).left
        first = rowspace[:, :1].sum(axis=1)  # none where all states are alike: then nothing lies apart along it
        found.append(
            Specificity(
                skill=skill,
                site=site,
                kind=scan.kind,
                rank=rowspace.shape[1],
                asked=own,
                free=estimates[1],
                variance_asked=_share(x[asked], rowspace),
                variance_free=_share(x[free], rowspace),
                variance_random=rowspace.shape[1] / x.shape[1],
                apart_asked=_apart(x[asked] @ first, scan.met(asked)),
                apart_free=_apart(x[free] @ first, scan.met(free)),
                free_met=float(scan.met(free).mean()) if len(free) else math.nan,
                free_rows=len(free),
            )
        )
    return found


def _share(x: NDArray[np.float32], rowspace: Floats) -> float:
    if len(x) < 2:
        return math.nan
    centred = x - x.mean(axis=0)
    total = float(np.sum(centred.astype(np.float64) ** 2))
    return float(np.sum((centred @ rowspace) ** 2)) / total if total else math.nan


def _apart(along: Floats, met: NDArray[np.bool_]) -> float:
    if min(met.sum(), (~met).sum()) < 2:
        return math.nan
    within = math.sqrt((along[met].var(ddof=1) + along[~met].var(ddof=1)) / 2)
    return float(along[met].mean() - along[~met].mean()) / within if within else math.nan
