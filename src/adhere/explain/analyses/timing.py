"""Lens 4: when is the outcome readable? Before generation (planning), during it (monitoring), or only at its end.

Rules:
- Before is the last prompt token; during are the shares of the generated tokens; the end is EOS. At each position the
  probe stands at its best layer, chosen as in lens 1.
- Two contrasts per skill, paired on the same responses: during less before, and the end less before.
- Responses to one prompt have one state before generation: what is readable there is how hard the prompt is. Only
  between prompts can it tell met from violated.
- By the moment of decision: at each share the responses are split into those whose outcome was certain by then (the
  monitor said HOLDS or BROKEN) and those still OPEN. A probe that reads only the former reports what has happened; one
  that reads the latter foresees. The probe is the same; only the rows it is read on differ.
- Controls are those of lens 1, at the same position: the surface baseline sees only what had been written by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adhere.core.findings import Finding, Scalar
from adhere.explain.analyses.claims import Claim, claim
from adhere.explain.analyses.specialists import Best, Specialists
from adhere.explain.cases.examples import LEAST, Examples
from adhere.explain.probing.decodability import Estimate, Resamples, auc, mean, pooled
from adhere.explain.probing.scan import Scan

if TYPE_CHECKING:
    from numpy.typing import NDArray

BEFORE, END = "prompt", "eos"


@dataclass(frozen=True)
class Decided:
    """AUC at a position over the responses that were still open there, and over those that were decided; None where
    one of the two has too few of a class."""

    skill: str
    position: str
    open: Estimate | None
    decided: Estimate | None
    share_open: float
    surface: tuple[Estimate | None, Estimate | None] = (None, None)
    """The surface baseline on the same two sets of responses."""


@dataclass(frozen=True)
class Timing:
    """Decodability over the course of generation.

    Attributes:
        curve: lens 1's measurements, by skill and then in the order of positions.
        during: mean over the shares of generated tokens, by skill; None where no share was captured.
        by_decision: split by whether the outcome was certain; empty where nobody knows when it was.
    """

    kind: str
    skills: tuple[str, ...]
    curve: tuple[Best, ...]
    during: tuple[Estimate | None, ...]
    by_decision: tuple[Decided, ...]

    def at(self, skill: str, position: str) -> Best | None:
        """One point of the curve."""
        return next((b for b in self.curve if (b.skill, b.position) == (skill, position)), None)

    def findings(self, recompute: str = "") -> list[Finding]:
        """All points and contrasts."""
        return [c.finding for c in self.claims(recompute)]

    def claims(self, recompute: str = "") -> list[Claim]:
        """Every point against its controls, then the contrasts, then the split by decision."""
        made = []
        for b in self.curve:
            subject: dict[str, Scalar] = {"skill": b.skill, "position": b.position, "layer": b.layer, "kind": self.kind}
            against = ["all responses to one prompt share this state"] if b.position == BEFORE else []
            made.append(
                claim(
                    "timing.auc",
                    f"{b.skill} is readable {_when(b.position)}: AUC",
                    b.specialist,
                    b.controls,
                    subject,
                    against=against,
                    recompute=recompute,
                )
            )
        for skill, during in zip(self.skills, self.during, strict=True):
            before, end = self.at(skill, BEFORE), self.at(skill, END)
            if before is None:
                continue
            chance = _by_chance(self.curve, skill)
            for name, later in (("during", during), ("end", None if end is None else end.specialist)):
                if later is None:
                    continue
                controls: dict[str, Estimate | float] = {"no difference": 0.0}
                if name in chance:
                    controls["shuffled labels"] = chance[name]
                made.append(
                    claim(
                        "timing.auc",
                        f"{skill} is monitored more than planned: AUC {name} less AUC before",
                        later - before.specialist,
                        controls,
                        {"skill": skill, "contrast": f"{name} - before", "kind": self.kind},
                        recompute=recompute,
                    )
                )
        for d in self.by_decision:
            for name, estimate, surface in zip(("open", "decided"), (d.open, d.decided), d.surface, strict=True):
                if estimate is None:
                    continue
                controls = {"chance": 0.5}
                if surface is not None:
                    controls["length and character n-grams"] = surface
                word, whose = ("foreseen", "still open") if name == "open" else ("reported", "decided")
                made.append(
                    claim(
                        "timing.auc",
                        f"{d.skill} is {word} {_when(d.position)}, read on responses {whose} there "
                        f"({d.share_open:.0%} were open): AUC",
                        estimate,
                        controls,
                        {"skill": d.skill, "position": d.position, "outcome": name, "kind": self.kind},
                        recompute=recompute,
                    )
                )
        return made


def _by_chance(curve: tuple[Best, ...], skill: str) -> dict[str, Estimate]:
    """The two contrasts on shuffled labels."""
    shuffles = {b.position: b.shuffles for b in curve if b.skill == skill}
    before = shuffles.get(BEFORE, ())
    shares = [values for position, values in shuffles.items() if position.isdigit()]
    found = {}
    if before and shares:
        found["during"] = pooled([mean([v[k] for v in shares]) - before[k] for k in range(len(before))])
    if before and shuffles.get(END):
        found["end"] = pooled([end - b for end, b in zip(shuffles[END], before, strict=True)])
    return found


def _when(position: str) -> str:
    if position.isdigit():
        return f"after {position} % of the response"
    names = {BEFORE: "before generation", END: "at its end", "mean": "on average over the response"}
    return names.get(position, f"at {position}")


def timing(scan: Scan, specialists: Specialists, examples: Examples) -> Timing:
    """Lens 4 from what lens 1 measured, and the moments of decision that the examples carry."""
    shares = [position for position in scan.positions if position.isdigit()]
    during = tuple(
        mean([specialists.at(skill, share).specialist for share in shares]) if shares else None for skill in scan.skills
    )
    split = [] if examples.decided is None else _by_decision(scan, shares, examples.decided, specialists.surface)
    return Timing(scan.kind, scan.skills, specialists.best, during, tuple(split))


def _by_decision(
    scan: Scan, shares: list[str], decided: NDArray[np.float32], surface: NDArray[np.float32] | None
) -> list[Decided]:
    found = []
    for k, skill in enumerate(scan.skills):
        rows = scan.rows(skill)
        known = np.isfinite(decided[rows])
        met = scan.met(rows)
        for share in shares:
            chosen = scan.own_at_best_layer(skill, share, rows)
            still = decided[rows] > int(share) / 100
            parts: list[Estimate | None] = []
            plain: list[Estimate | None] = []
            for part in (known & still, known & ~still):
                if min(met[part].sum(), (~met[part]).sum()) < LEAST:
                    parts.append(None)
                    plain.append(None)
                    continue
                resamples = Resamples.of(scan.prompt[rows[part]], seed=k)
                fold = scan.design.fold[rows[part]]
                parts.append(auc(chosen[part], met[part], fold, resamples))
                written = None if surface is None else surface[scan.positions.index(share), rows[part]]
                plain.append(None if written is None else auc(written, met[part], fold, resamples))
            share_open = float(still[known].mean()) if known.any() else float("nan")
            found.append(Decided(skill, share, parts[0], parts[1], share_open, (plain[0], plain[1])))
    return found
