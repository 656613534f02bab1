"""Interference over training: the practice study at every checkpoint of a run.

    for checkpoint in checkpoints_in(Path("runs/pocket")):
        found += course(checkpoint, measure(str(checkpoint.folder), ..., Plan(kinds="practice")))

Rules:

- Checkpoints are what `adhere pocket train --keep` leaves in `checkpoints/`: models in Hugging Face's format, each with
  the number of tokens it had read in `training.json`.
- All are asked the same problems. What a checkpoint solves at base differs, and so do the problems that count: the
  interference of a group is always against the control of the same problems.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adhere.core.errors import UserError
from adhere.core.findings import Finding, Scalar
from adhere.measure.statistics.rates import rate

if TYPE_CHECKING:
    from adhere.measure.sustain.run import Done


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model on its way."""

    folder: Path
    tokens: int


def checkpoints_in(folder: Path) -> list[Checkpoint]:
    """The checkpoints of a training run, by the tokens they had read.

    Args:
        folder: of the run, of its `checkpoints`, or of anything that holds checkpoint folders.

    Raises:
        UserError: there are none, or one does not say how much it had read.
    """
    within = folder / "checkpoints"
    checkpoints = []
    for config in sorted((within if within.is_dir() else folder).glob("*/config.json")):
        about = config.parent / "training.json"
        try:
            tokens = int(json.loads(about.read_text(encoding="utf-8"))["tokens"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{about}: does not say how many tokens were read ({error})") from error
        checkpoints.append(Checkpoint(config.parent, tokens))
    if not checkpoints:
        raise UserError(f"{folder} holds no checkpoints: train with adhere pocket train --keep MILLIONS")
    return sorted(checkpoints, key=lambda one: one.tokens)


def course(checkpoint: Checkpoint, done: Done) -> list[Finding]:
    """The study's findings with the tokens read, and how much was solved at base in each domain."""
    tokens: dict[str, Scalar] = {"tokens": checkpoint.tokens}
    results = [one.model_copy(update={"subject": {**one.subject, **tokens}}) for one in done.findings]
    for domain in dict.fromkeys(one.domain for one in done.outcomes):
        base = [one for one in done.outcomes if one.arm == "base" and one.domain == domain]
        solved = rate((bool(one.correct), 1) for one in base)
        results.append(
            Finding(
                what="sustain.solved",
                subject={"model": done.model, "domain": domain, "arm": "base", **tokens},
                estimate=solved.estimate,
                interval=solved.interval,
                n=solved.n,
                unit="share of problems",
                evidence=(done.log,) if done.log else (),
            )
        )
    return results
