"""Everything that a run measured: claims by lens, findings, arrays, and the files they are saved in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adhere.core import findings
from adhere.core.errors import UserError
from adhere.core.findings import Finding, Scalar
from adhere.explain.analyses.alignment import Alignment
from adhere.explain.analyses.behaviour import Behaviour
from adhere.explain.analyses.claims import Claim
from adhere.explain.analyses.dependency import Dependencies
from adhere.explain.analyses.specialists import Specialists
from adhere.explain.analyses.specificity import Specificity
from adhere.explain.analyses.timing import Timing
from adhere.explain.analyses.transfer import Transfer
from adhere.explain.monitors.monitor_fitting import Watched
from adhere.explain.plan import ExplainPlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Explained:
    """Everything that a run measured.

    Attributes:
        blocks: of the model; layer `blocks` is the last.
        labels: (met, violated) of each skill, before balancing.
        skills: those that could be explained.
        left_out: a line for each skill that could not.
        used: balanced cases of each skill.
        responses: how many there were; `source` says where from.
        outside: correlation of failures of each pair of skills.
    """

    model: str
    digest: str
    blocks: int
    plan: ExplainPlan
    source: str
    responses: int
    labels: Mapping[str, tuple[int, int]]
    used: Mapping[str, int]
    skills: tuple[str, ...]
    left_out: tuple[str, ...]
    specialists: Specialists
    transfers: tuple[Transfer, ...]
    outside: Floats
    dependencies: Dependencies
    timing: Timing
    alignment: Alignment
    specificity: tuple[Specificity, ...]
    behaviour: tuple[Behaviour, ...]
    watched: tuple[Watched, ...]

    def place(self, layer: int) -> str:
        """A layer in words, with its relative depth: models of different depth can be compared by it."""
        return f"layer {layer} ({layer / self.blocks:.0%} deep)"

    def claims(self, recompute: str = "") -> dict[str, list[Claim]]:
        """All that may be said, by lens; what does not hold is among it, and marked."""
        common = self.transfers[0]
        return {
            "decodability": self.specialists.claims(recompute),
            "transfer": [*common.claims(recompute), common.agreement(self.outside, recompute=recompute)],
            "dependency": self.dependencies.claims(recompute),
            "behaviour": [one.claim(self.model, recompute) for one in self.behaviour],
            "timing": [*self.timing.claims(recompute), *self.alignment.claims(recompute)],
            "specificity": [claim for one in self.specificity for claim in one.claims(recompute)],
        }

    def findings(self, recompute: str = "") -> list[Finding]:
        """Every estimate with its interval and its control, those that do not hold included."""
        measured = self.specialists.findings(recompute)
        for transferred in self.transfers[1:]:
            measured += transferred.findings(recompute)
        measured += [claim.finding for claims in self.claims(recompute).values() for claim in claims]
        measured += [finding for one in self.watched for finding in one.findings(recompute)]
        return [one.model_copy(update={"subject": self._subject(one.subject)}) for one in measured]

    def _subject(self, subject: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The subject of a finding with the model, and the relative depth of its layer."""
        layer = subject.get("layer")
        depth = {"depth": round(layer / self.blocks, 3)} if isinstance(layer, int) else {}
        return {"model": self.model, **subject, **depth}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Matrices and curves, by name; axes are described in `arrays.json`."""
        arrays: dict[str, NDArray[Any]] = {key: np.asarray(value) for key, value in self.specialists.arrays().items()}
        for key, one in zip(("common", "own"), self.transfers, strict=False):
            arrays[f"transfer.{key}"] = one.matrix
            if one.linkage is not None:
                arrays[f"transfer.{key}.linkage"] = one.linkage
        arrays["failures"] = self.outside
        for method, rank in self.dependencies.lost:
            arrays[f"dependency.{method}.{rank}"] = self.dependencies.matrix(method, rank)
        return arrays


def save(folder: Path, explained: Explained, recompute: str) -> None:
    """Write `arrays.safetensors`, `arrays.json` with its axes, and `findings.json`.

    Raises:
        UserError: the folder cannot be written.
    """
    from safetensors.numpy import save_file

    arrays = {key: np.ascontiguousarray(value) for key, value in explained.arrays().items()}
    names = {
        "skills": explained.skills,
        "layers": explained.specialists.layers,
        "positions": explained.specialists.positions,
        "axes": {
            "probe.*": "layers, positions, skills",
            "transfer.*": "from, to",
            "transfer.*.linkage": "scipy's linkage over skills",
            "failures": "skills, skills",
            "dependency.<method>.<rank>": "erased, read",
        },
    }
    try:
        save_file(arrays, folder / "arrays.safetensors")
        (folder / "arrays.json").write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}") from error
    findings.write(folder / "findings.json", explained.findings(recompute))
