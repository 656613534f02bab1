"""A live audit: ask a model, check what it answers, and say how sure that is.

    measured = measure("adhere/pocket", Path("runs/x"))
    measured.findings

Rules:

- Inspect asks (concurrency, retries, logs); what is asked and checked is the task `adherence`. All logs of an audit lie
  in `logs/` of its folder, and a second call with the same arguments and folder asks only what is missing (eval sets).
- A sample whose provider fails is asked again; one that keeps failing follows nothing, and is counted.
- The certificate is a run of its own, on prompts drawn independently, and ends as soon as the claim is settled.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adhere.core.errors import UserError
from adhere.core.findings import Finding, Scalar
from adhere.measure.adherence.run import ScoreRun
from adhere.measure.adherence.sessions import Sessions
from adhere.measure.adherence.summary import findings as findings_of
from adhere.measure.adherence.summary import session_findings
from adhere.measure.adherence.tally import Tally
from adhere.measure.estimate import estimate
from adhere.measure.evaluating import evaluate, first_error
from adhere.measure.listening import listening
from adhere.measure.model_access import release, resolve
from adhere.measure.statistics.certify import Certificate, ConfidenceSequence, Settled, answers_needed

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog
    from inspect_ai.model import Model
    from inspect_ai.util import EarlyStop, EarlyStopping

Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how many answers came since the last call, and how many are wanted in all, if known."""


@dataclass(frozen=True)
class AuditPlan:
    """What to measure.

    `task_set` is the model's own (`default_set`) if None. `per_skill` prompts for each skill in the sets `pocket` and
    `natural`; `data` for other sets; `limit` cuts any set. `claim` is the failure rate to certify, watched over at most
    `budget` answers. `enforce` sends the constraints beside every prompt, for a gateway to make them hold.
    """

    task_set: str | None = None
    data: str | None = None
    per_skill: int | None = None
    limit: int | None = None
    seed: int = 0
    judge: str | None = None
    claim: float | None = None
    confidence: float = 0.95
    budget: int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    enforce: bool = False


@dataclass(frozen=True)
class AuditResult:
    """What an audit measured of a model."""

    model: str
    run: ScoreRun
    findings: tuple[Finding, ...]
    certificate: Certificate | None
    logs: tuple[str, ...]
    errors: int
    """Samples that their provider failed to answer."""


POCKET_MODELS = ("pocket", "pocket-base")
POCKET_RECIPE = "training.json"
"""What a checkpoint of the pocket recipe has beside its weights."""


def default_set(name: str) -> str:
    """The prompts for the model called `name`: the pocket world's for the pocket models, which know no other words,
    and `natural` for every other."""
    bare = name.removeprefix("adhere/")
    return "pocket" if bare in POCKET_MODELS or (Path(bare) / POCKET_RECIPE).is_file() else "natural"


def measure(
    name: str,
    folder: Path,
    plan: AuditPlan = AuditPlan(),
    *,
    progress: Progress | None = None,
    recompute: str = "",
    notice: Callable[[str], None] | None = None,
) -> AuditResult:
    """Measure the model called `name`; logs go to `folder`/logs. `notice` is called with an estimate if it takes long.

    Raises:
        UserError: the model cannot be used, or nothing could be measured of it.
    """
    start = time.monotonic()
    plan = replace(plan, task_set=plan.task_set or default_set(name))
    model = resolve(name)
    try:
        return _measure(model, folder, plan, progress, recompute, start, notice)
    finally:
        release(model)


def _measure(
    model: Model,
    folder: Path,
    plan: AuditPlan,
    progress: Progress | None,
    recompute: str,
    start: float,
    notice: Callable[[str], None] | None,
) -> AuditResult:
    from adhere.measure.adherence.task import records_of

    label = str(model)
    task = _task(plan)
    prompts = min(plan.limit or len(task.dataset), len(task.dataset))
    if notice and not (folder / "logs").exists() and (text := estimate(model, prompts)):
        notice(text)
    if progress:
        progress("adherence", 0, prompts)
    with listening(partial(progress, "adherence", 1, None) if progress else None):
        log = ask(model, folder / "logs" / "adherence", task, plan)
    tally = Tally()
    sessions = Sessions()
    kept = []
    for record in records_of(log.samples or [], label):
        if tally.add(record) is None:
            kept.append(record)
            sessions.add(record)
    errors = sum(1 for sample in log.samples or [] if sample.error is not None)
    if errors == len(log.samples or []):
        raise UserError(f"{label} answered nothing: {first_error(log)}")
    findings = findings_of(tally, ("fixed",), seed=plan.seed, recompute=recompute, evidence=(log.location,))
    shared = {"recompute": recompute, "evidence": (log.location,)}
    findings += (one.model_copy(update=shared) for one in session_findings(sessions, ("fixed",)))
    logs = [log.location]
    if plan.judge is not None:
        findings += _judged(plan, log, recompute)
    certificate = None
    if plan.claim is not None:
        certificate, location = _certify(model, folder, plan, progress)
        logs.append(location)
        findings.append(_certified(certificate, label, plan, recompute, location))
    run = ScoreRun(
        tally=tally,
        journal=None,
        profiles=("fixed",),
        kept=tuple(kept),
        seconds=time.monotonic() - start,
        sessions=sessions,
    )
    return AuditResult(label, run, tuple(findings), certificate, tuple(logs), errors)


def _task(plan: AuditPlan) -> Any:
    from adhere.measure.adherence.task import adherence

    return adherence(
        task_set=plan.task_set or "pocket",
        data=plan.data,
        per_skill=plan.per_skill,
        seed=plan.seed,
        judge=plan.judge,
        enforce=plan.enforce,
    )


def ask(model: Model, folder: Path, task: Any, plan: AuditPlan, stop: EarlyStopping | None = None) -> EvalLog:
    """Ask until all samples are answered, or as many as the stop wants; what was answered before is kept.

    Raises:
        UserError: the evaluation cannot run.
        KeyboardInterrupt: it was interrupted; what was answered is in `folder`.
    """
    if stop is not None:
        task.early_stopping = stop
    return evaluate(
        model,
        folder,
        task,
        limit=None if isinstance(stop, Certifying) else plan.limit,
        temperature=plan.temperature,
        max_tokens=plan.max_tokens,
        seed=plan.seed,
    )


class Certifying:
    """Inspect's early stopping: no more samples once the confidence sequence has settled the claim.

    Samples in flight still finish and are counted; a confidence sequence holds at every n, so that is no harm.
    """

    def __init__(self, sequence: ConfidenceSequence) -> None:
        self.sequence = sequence

    async def start_task(self, task: Any, samples: list[Any], epochs: int) -> str:
        del task, samples, epochs
        return "adhere certificate"

    async def schedule_sample(self, id: str | int, epoch: int) -> EarlyStop | None:
        from inspect_ai.util import EarlyStop

        settled = self.sequence.settled
        return None if settled is Settled.OPEN else EarlyStop(id=id, epoch=epoch, reason=settled.value)

    async def complete_sample(self, id: str | int, epoch: int, scores: dict[str, Any]) -> None:
        del id, epoch
        for score in scores.values():
            self.sequence.update([score.score.value["prompt_strict"] < 1.0])

    async def complete_task(self) -> dict[str, Any]:
        low, high = self.sequence.interval
        return {"n": self.sequence.n, "failures": self.sequence.failures, "low": low, "high": high}


def _certify(model: Model, folder: Path, plan: AuditPlan, progress: Progress | None) -> tuple[Certificate, str]:
    """Ask independent prompts until the claim is settled or the budget is spent."""
    from inspect_ai import Task
    from inspect_ai.dataset import MemoryDataset
    from inspect_ai.solver import generate

    from adhere.measure.adherence.task import adherence_scorer, independent_samples, records_of

    assert plan.claim is not None
    assert plan.task_set is not None
    budget = plan.budget or 2 * answers_needed(plan.claim, plan.confidence)
    samples = list(itertools.islice(independent_samples(plan.task_set, plan.seed + 1, plan.data), budget))
    watched = ConfidenceSequence(plan.confidence, plan.claim)
    task = Task(
        name="certificate",
        dataset=MemoryDataset(samples, name=f"{plan.task_set}-independent"),
        solver=generate(),
        scorer=adherence_scorer(plan.judge),
    )
    if progress:
        progress("certificate", 0, None)
    log = ask(model, folder / "logs" / "certificate", task, plan, Certifying(watched))
    # the log is what counts: a resumed run holds answers that this process never saw
    sequence = ConfidenceSequence(plan.confidence, plan.claim)
    sequence.update(not record.followed("fixed") for record in records_of(log.samples or [], str(model)))
    return Certificate.of(sequence), log.location


MOST_JUDGED = 60
"""Answers on which a judge is compared with the word lists, and tried with pleas, at the most."""


def _judged(plan: AuditPlan, log: EvalLog, recompute: str) -> list[Finding]:
    """How far the judge can be believed: its agreement with the word lists on these answers, and what pleas move."""
    import asyncio

    from adhere.constraints.families.tone import _Tone
    from adhere.measure.adherence.judge import PLEAS, JudgeCase, agreement, judge_of, resistance
    from adhere.measure.adherence.task import constraints_of
    from adhere.measure.statistics.rates import wilson

    assert plan.judge is not None
    judge = judge_of(plan.judge)
    cases = [
        JudgeCase(sample.output.completion, constraint.aspect, constraint.label, constraint.scorer)
        for sample in log.samples or []
        for constraint in constraints_of(sample)
        if isinstance(constraint, _Tone) and sample.output.completion
    ][:MOST_JUDGED]
    agreed = asyncio.run(agreement(judge, cases))
    few = cases[: max(1, MOST_JUDGED // len(PLEAS))]
    moved = asyncio.run(resistance(judge, few))
    subject: dict[str, Scalar] = {"judge": plan.judge, "set": str(plan.task_set)}
    made = []
    for name, part, whole, unit, more in (
        ("judge.agreement", agreed.same, agreed.both, "share of answers both can tell", {"unread": agreed.unread}),
        ("judge.moved", moved.moved, moved.tried, "share of verdicts that arguing moved", {}),
        ("judge.moved_to_pass", moved.moved_to_pass, moved.tried, "share of verdicts argued into a pass", {}),
    ):
        made.append(
            Finding(
                what=name,
                subject={**subject, **more},
                estimate=part / whole if whole else None,
                interval=wilson(part, whole) if whole else None,
                n=whole,
                unit=unit,
                evidence=(log.location,),
                recompute=recompute,
            )
        )
    return made


def _certified(certificate: Certificate, model: str, plan: AuditPlan, recompute: str, location: str) -> Finding:
    return Finding(
        what="certificate.failure_rate",
        subject={
            "model": model,
            "set": str(plan.task_set),
            "claim": certificate.claim,
            "settled": certificate.settled.value,
            "failures": certificate.failures,
        },
        estimate=certificate.failures / certificate.n if certificate.n else None,
        interval=certificate.interval,
        confidence=certificate.confidence,
        n=certificate.n,
        unit="share of prompts not followed",
        evidence=(location,),
        recompute=recompute,
    )
