"""A pilot before a run on easy problems: it finds the kinds that the model can solve.

Rules:

- `PILOT` problems of each kind are asked once, as they are. They come from another seed than the run's, so that a kind
  is not chosen by the answers that are then measured.
- A kind is kept where at least `FEWEST_SOLVED` of them are solved: of less, the run would spend its answers on problems
  that select nothing. What was left out, and why, is a finding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adhere.core.errors import UserError
from adhere.core.findings import Finding
from adhere.measure.statistics.rates import wilson
from adhere.problems.easy import KINDS, Kind, easy_problems
from adhere.problems.grading import grade_all

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog
    from inspect_ai.model import Model

PILOT = 20
FEWEST_SOLVED = 0.25
SEED_SHIFT = 1_000_003
"""Added to the run's seed."""


@dataclass(frozen=True)
class PilotKind:
    """What the pilot says of one kind of problem."""

    kind: Kind
    solved: int
    n: int

    @property
    def kept(self) -> bool:
        """Whether the run asks this kind."""
        return self.n > 0 and self.solved >= FEWEST_SOLVED * self.n

    def finding(self, model: str, recompute: str = "") -> Finding:
        """`sustain.pilot`."""
        return Finding(
            what="sustain.pilot",
            subject={"model": model, "kind": self.kind, "kept": self.kept},
            estimate=self.solved / self.n if self.n else None,
            interval=wilson(self.solved, self.n) if self.n else None,
            n=self.n,
            unit="share of problems solved",
            recompute=recompute,
        )


def pilot(
    model: Model,
    folder: Path,
    kinds: Sequence[Kind] = KINDS,
    *,
    seed: int = 0,
    temperature: float | None = None,
    max_tokens: int | None = None,
) -> tuple[PilotKind, ...]:
    """Ask the pilot's problems; what was answered in `folder` before is kept.

    Raises:
        UserError: too few problems of every kind are solved.
    """
    from adhere.measure.evaluating import evaluate

    log = evaluate(
        model, folder, _task(kinds, seed), temperature=temperature, max_tokens=max_tokens, seed=seed + SEED_SHIFT
    )
    tried = tuple(_of_kind(log, kind) for kind in kinds)
    if not any(one.kept for one in tried):
        solved = ", ".join(f"{one.kind} {one.solved} of {one.n}" for one in tried)
        raise UserError(
            f"{model} solves too few of the easy problems ({solved}): there is nothing to sustain; "
            "give problems that it can do with --data FILE"
        )
    return tried


def _task(kinds: Sequence[Kind], seed: int) -> Any:
    from inspect_ai import Task
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.scorer import Score, Target, mean, scorer
    from inspect_ai.solver import TaskState, generate

    problems = {
        f"{kind}-{number}": problem
        for kind in kinds
        for number, problem in enumerate(easy_problems(kind, PILOT, seed + SEED_SHIFT), 1)
    }

    @scorer(metrics=[mean()], name="solved")
    def solved() -> Any:
        async def score(state: TaskState, target: Target) -> Score:
            del target
            problem = problems[str(state.sample_id)]
            [grade] = await asyncio.to_thread(grade_all, [problem], [state.output.completion])
            return Score(value=float(bool(grade.correct)), answer=grade.answer, explanation=grade.reason)

        return score

    samples = [Sample(id=name, input=problem.prompt) for name, problem in problems.items()]
    return Task(name="pilot", dataset=MemoryDataset(samples, name="easy"), solver=generate(), scorer=solved())


def _of_kind(log: EvalLog, kind: Kind) -> PilotKind:
    values = [
        float(score.value)  # type: ignore[arg-type]
        for sample in log.samples or []
        if str(sample.id).rsplit("-", 1)[0] == kind
        for score in (sample.scores or {}).values()
    ]
    return PilotKind(kind, int(sum(values)), len(values))
