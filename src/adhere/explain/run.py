"""The whole explanation of a model: collect responses, label and replay them, run every analysis, save.

    explained = explain(open_model("pocket"), "adhere/pocket", Path("runs/x"), ExplainPlan())

Stages, in this order. A later call with the same plan reuses the files of those that are complete:

    gathering  responses.jsonl, free.jsonl        answers; answers to the same prompts without the instruction
    states     states/, free/, untrained/         `Examples`: of the balanced cases, of the free ones, of an untrained
                                                  model
    analyses   again.jsonl                        answers with directions erased, and the change of the loss
    monitors   monitor.safetensors, .json         a monitor for each skill; its trial is in watched.json
    results    arrays.safetensors, findings.json  the command line adds `report.html`

A skill that lacks one outcome is left out, with a line that says how many responses it would take.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from adhere.explain.collection import journal
from adhere.explain.collection.gathering import Gathered, gather
from adhere.explain.collection.pocket_prompts import PocketPrompts
from adhere.explain.collection.sampling import WorkerAnswers
from adhere.explain.collection.states import replayed
from adhere.explain.monitors.monitor_fitting import Watched, watch
from adhere.explain.pipeline import look
from adhere.explain.plan import Answering, ExplainPlan, Progress, PromptSource, Run
from adhere.explain.results import Explained, save
from adhere.explain.workers import Workers
from adhere.models.forward.selftest import self_test
from adhere.models.load import OpenModel


def explain(
    opened: OpenModel,
    name: str,
    folder: Path,
    plan: ExplainPlan,
    *,
    source: PromptSource | None = None,
    answering: Answering | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
    recompute: str = "",
) -> Explained:
    """Explain a model, or continue a run in the same folder.

    Args:
        opened: the model.
        name: as Inspect calls it.
        folder: of the run.
        plan: of the run.
        source: of prompts; the pocket world's if None.
        answering: a faster engine for answers; the model itself if None.
        processes: how many; as many as are worth it if None.
        progress: called with what is being done.
        recompute: the command, for the findings.

    Raises:
        UserError: the hooks do not read this model as transformers does, logs of another model, no skill with both
            outcomes, states that are not finite, no memory.
    """
    self_test(opened)  # what the hooks misread is an error at the start and not a figure
    journal.claim(folder, {**asdict(plan), "model": name, "weights": opened.digest})
    with Workers(opened, processes) as workers:
        run = Run(
            workers,
            name,
            folder,
            plan.on(opened),
            progress or (lambda _what, _done, _total: None),
            source or PocketPrompts(),
            answering or WorkerAnswers(workers, plan.max_tokens),
        )
        gathered = gather(run)
        explained = look(run, gathered, replayed(run, gathered))
        explained = replace(explained, watched=_watched(run, gathered, explained.skills))
    save(folder, explained, recompute)
    return explained


def _watched(run: Run, gathered: Gathered, skills: tuple[str, ...]) -> tuple[Watched, ...]:
    """A monitor for each skill, saved in the run's folder."""
    plan, total = run.plan, len(skills)
    if not plan.watched:
        return ()
    run.tell("fitting monitors", 0, total)
    return watch(
        run.workers,
        gathered.responses,
        skills,
        run.folder,
        most=plan.watched,
        false_alarms=plan.false_alarms,
        seed=plan.seed,
        max_tokens=plan.max_tokens,
        progress=lambda n: run.tell("fitting monitors", n, total),
    )
