"""The time that explaining a model will take, estimated before it begins: answers and a replay are timed, the rest is
computed.

Rules:

- The trial writes answers to a few of the run's own prompts, and replays them. How often a skill is followed is not
  known before: a case is assumed to take `ANSWERS_PER_CASE` answers.
- Answers with a direction erased are written in torch, at `SLOWER` times the seconds of a replayed token.
- Probes are assumed to take `PROBE_SECONDS` a site and skill, as measured on one core of 2024.
"""

from __future__ import annotations

import math
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from adhere.explain.collection.replaying import Take, states_of
from adhere.explain.collection.sampling import WorkerAnswers, seeds_of
from adhere.explain.workers import Workers, worth

if TYPE_CHECKING:
    from adhere.explain.plan import Answering, ExplainPlan, PromptSource
    from adhere.models.load import OpenModel

TRIAL = 16
"""Answers of the trial."""
ANSWERS_PER_CASE = 1.7
"""If three of ten answers have the rarer outcome, a pair takes 3.3 answers."""
ERASED_ARMS = 5
"""Bare, and LEACE and its control in one layer and in all (`analyses.behaviour`)."""
SLOWER = 6.0
PROBE_SECONDS = 0.5
LONG = 120.0
"""Seconds from which there is an estimate."""
QUICK_SECONDS = 1_200.0
"""Seconds from which `--quick` is offered."""


def estimate(
    opened: OpenModel,
    answering: Answering | None,
    plan: ExplainPlan,
    source: PromptSource,
    folder: Path,
    processes: int | None = None,
) -> str | None:
    """A line that says how long the run will take; None where that is short, or the run has begun already.

    Args:
        opened: the model.
        answering: the engine; the model itself if None.
        plan: of the run, its layers named.
        source: of its prompts.
        folder: of the run.
        processes: copies of the model; as many as are worth it if None.
    """
    if plan.logs is not None or (folder / "plan.json").exists() or source.name == "pocket":
        return None
    streams = source.streams(plan.skills, plan.seed)
    prompts = [next(stream) for stream in islice(streams.values(), TRIAL)]
    with Workers(opened, 1) as workers:
        ask = answering or WorkerAnswers(workers, plan.max_tokens)
        ask(prompts[:1], seeds_of(prompts[:1], plan.seed - 1))  # the engine starts
        start = time.monotonic()
        answers = ask(prompts, seeds_of(prompts, plan.seed))
        each = (time.monotonic() - start) / len(prompts)
    start = time.monotonic()
    states_of(opened, answers, Take(plan.layers, plan.positions))
    replay = (time.monotonic() - start) / len(answers)
    cores = processes or worth(opened)
    cases = plan.samples * len(plan.skills)
    sites = len(plan.layers or ()) * len(plan.positions)
    parts = {
        "sampling": each * (ANSWERS_PER_CASE * cases + plan.free * len(plan.skills)),
        "replaying": replay * (cases * (1 + plan.untrained) + plan.free * len(plan.skills)) / cores,
        "probes": PROBE_SECONDS * sites * len(plan.skills) * (1 + plan.untrained) / cores,
        "answers with directions erased": SLOWER * replay * ERASED_ARMS * plan.again * len(plan.skills) / cores,
    }
    return line(parts, plan)


def line(parts: dict[str, float], plan: ExplainPlan) -> str | None:
    """The estimate in words, from the seconds of each part; None where it is short."""
    total = sum(parts.values())
    if total < LONG:
        return None
    details = ", ".join(f"{name} {_minutes(seconds)}" for name, seconds in parts.items() if seconds >= 30)
    text = f"about {_minutes(total)} for {plan.samples} cases of {len(plan.skills)} skills ({details})"
    text += "; an interrupted run goes on where it stopped"
    return text if total < QUICK_SECONDS else f"{text}; --quick is a first look"


def _minutes(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 5_400 else f"{max(1, math.ceil(seconds / 60))} min"
