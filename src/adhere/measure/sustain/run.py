"""A sustain run: ask a model, or read answers made elsewhere; outcomes, exclusions, findings.

    done = measure("adhere/pocket", Path("runs/x"), Plan())
    done.outcomes, done.exclusions, done.findings

Rules:

- Inspect asks (`task.sustain`); the logs of a run lie in `logs/` of its folder, and the same call again asks only what
  is missing.
- A model that runs on this machine is sampled at temperature 1, its own distribution, if no temperature is given: its
  engine is deterministic, and at temperature 0 the control would say nothing. Other providers keep their own default.
- A model that is not of the pocket world is asked easy problems in plain English if no data are given: a pilot chooses
  the kinds that it can do, and its shares are findings (`sustain.pilot`).
- Nothing is thrown away in silence: exclusions and errors are counted, and are findings (`sustain.excluded`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adhere.core.errors import UserError
from adhere.core.findings import Finding, Scalar
from adhere.measure.estimate import estimate
from adhere.measure.listening import listening
from adhere.measure.statistics.clustered_mean import clustered
from adhere.measure.statistics.rates import rate
from adhere.measure.sustain import arms as laid
from adhere.measure.sustain import patterns, practice_study, score_findings, scores
from adhere.measure.sustain.outcome import ArmOutcome, Exclusion, exclusions, outcomes
from adhere.measure.sustain.patterns import Lost
from adhere.measure.sustain.pilot import PilotKind, pilot
from adhere.measure.sustain.plan import EASY_SAMPLES, SustainPlan
from adhere.measure.sustain.problem_sets import EASY, POCKET, easy_kinds, gather
from adhere.measure.sustain.scores import Scores

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog
    from inspect_ai.model import Model

Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how many problems are done since the last call, and how many there are in all."""

DEFAULT = SustainPlan()
BACKLOG = 2
"""Answers that are waited for at once, for each connection: enough that batches are full, and few enough that problems
are finished one after another. An interruption costs the problems under way, never those that were finished."""
FEWEST_AT_ONCE = 8
"""Problems under way at once, at the least."""
OWN_TEMPERATURE = 1.0
EASY_TEMPERATURE = 0.7
"""Of answers to easy problems: at temperature 1 a small model keeps little of what it solved, whatever stands there."""
OWN_MAX_TOKENS = 128
"""Longest answer of the pocket model: three times its longest solution. What is not finished then goes in circles."""


@dataclass(frozen=True)
class Done:
    """What came of a run.

    Attributes:
        model: who was asked.
        outcomes, exclusions: in the order of the problems.
        scores, lost: what the page is drawn from; None of a study of kinds.
        findings: scores, failure patterns, exclusions, and of a study of kinds its groups.
        temperature: that of the answers; None for the provider's own.
        deterministic: no temperature above 0 is known, and every control answer equals its base answer, letter for
            letter: control says nothing.
        data: where the problems are from: source, format, sha256, rows.
        errors: problems that their provider failed to answer.
        log: the Inspect log, empty for saved responses.
    """

    model: str
    outcomes: tuple[ArmOutcome, ...]
    exclusions: tuple[Exclusion, ...]
    findings: tuple[Finding, ...]
    scores: Scores | None = None
    lost: Lost | None = None
    temperature: float | None = None
    deterministic: bool = False
    data: tuple[dict[str, Any], ...] = ()
    errors: int = 0
    log: str = ""


QUICK = "--quick is a first look"


def measure(
    name: str,
    folder: Path,
    plan: SustainPlan = DEFAULT,
    *,
    progress: Progress | None = None,
    recompute: str = "",
    notice: Callable[[str], None] | None = None,
) -> Done:
    """Ask the model called `name` under every arm; logs go to `folder`/logs. `notice` is called with an estimate if the
    model runs here and it takes long.

    Raises:
        UserError: the model, the data or an arm is not to be had, or nothing was answered.
    """
    from adhere.measure.adherence.audit import default_set
    from adhere.measure.model_access import release, resolve

    if plan.data is None and plan.kinds is None and default_set(name) != "pocket":
        plan = replace(plan, data=EASY)
    model = resolve(name)
    try:
        return _measure(model, folder, plan, progress, recompute, notice)
    finally:
        release(model)


def _measure(
    model: Model,
    folder: Path,
    plan: SustainPlan,
    progress: Progress | None,
    recompute: str,
    notice: Callable[[str], None] | None,
) -> Done:
    from inspect_ai.model import ModelAPI

    from adhere.measure.evaluating import evaluate, first_error
    from adhere.measure.sustain.task import sustain

    api: ModelAPI = model.api
    local = hasattr(api, "opened")
    own = EASY_TEMPERATURE if easy_kinds(plan.data) is not None else OWN_TEMPERATURE if local else None
    temperature = own if plan.temperature is None else plan.temperature
    short = easy_kinds(plan.data) is not None or (plan.data in (None, POCKET) and local)
    max_tokens = OWN_MAX_TOKENS if plan.max_tokens is None and short else plan.max_tokens
    tried: tuple[PilotKind, ...] = ()
    arms = laid.parse_arms(plan.arms, bool(getattr(api, "attends", False)))
    if easy_kinds(plan.data) is not None:
        materials = gather(plan.domain, plan.data, 1, plan.seed)
        kinds = tuple(kind for material in materials for kind in easy_kinds(material.source) or ())
        _tell(progress, "pilot")
        tried = pilot(model, folder / "pilot", kinds, seed=plan.seed, temperature=temperature, max_tokens=max_tokens)
        plan = replace(plan, data=f"{EASY}:{','.join(one.kind for one in tried if one.kept)}")
    task = sustain(
        domain=plan.domain,
        data=plan.data,
        arms=",".join(arms),
        constraints=",".join(map(str, plan.constraints)),
        problems=plan.problems,
        seed=plan.seed,
        extractor=plan.extractor,
        rewriter=plan.rewriter,
        kinds=plan.kinds,
        enforce=plan.enforce,
        samples=plan.samples or (EASY_SAMPLES if tried else 1),
    )
    asked_at_once = BACKLOG * api.max_connections() // len((task.metadata or {})["conditions"])
    total = len(task.dataset)
    answers = total * (task.epochs or 1) * len((task.metadata or {})["conditions"])
    if notice and not (folder / "logs").exists() and (text := estimate(model, answers, smaller=QUICK)):
        notice(text)
    if progress:
        progress("problems", 0, total)
    with listening(partial(progress, "problems", 1, total) if progress else None):
        log = evaluate(
            model,
            folder / "logs",
            task,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=plan.seed,
            samples=max(FEWEST_AT_ONCE, asked_at_once),
        )
    errors = sum(sample.error is not None for sample in log.samples or [])
    if errors == len(log.samples or []):
        raise UserError(f"{model} answered nothing: {first_error(log)}")
    done = of_log(log, temperature=temperature, seed=plan.seed, recompute=recompute, errors=errors)
    return replace(done, findings=(*(one.finding(done.model, recompute) for one in tried), *done.findings))


def of_log(
    log: EvalLog, *, temperature: float | None = None, seed: int = 0, recompute: str = "", errors: int = 0
) -> Done:
    """What came of the run that an Inspect log holds."""
    about = log.eval.metadata or {}
    return conclude(
        tuple(outcomes(log)),
        tuple(exclusions(log)),
        model=log.eval.model,
        temperature=temperature,
        data=tuple(about.get("data", ())),
        seed=seed,
        recompute=recompute,
        errors=errors,
        log=log.location,
    )


def conclude(
    found: Sequence[ArmOutcome],
    left_out: Sequence[Exclusion],
    *,
    model: str,
    temperature: float | None = None,
    data: tuple[dict[str, Any], ...] = (),
    seed: int = 0,
    recompute: str = "",
    errors: int = 0,
    log: str = "",
) -> Done:
    """Scores and findings of outcomes, wherever they come from."""
    evidence = (log,) if log else ()
    scored = lost = None
    if practice_study.is_study(found):
        results = practice_study.findings(found, seed=seed, recompute=recompute, evidence=evidence)
    else:
        scored = scores.scores(found, seed=seed)
        lost = patterns.lost(scored.selection, seed=seed)
        results = score_findings.findings(scored, recompute=recompute, evidence=evidence)
        results += patterns.findings(lost, model, recompute=recompute, evidence=evidence)
    results += _added(found, model, recompute, evidence)
    results += _suspects(found, model, recompute, evidence)
    results += _counted(left_out, model, len({outcome.problem for outcome in found}), errors, recompute, evidence)
    return Done(
        model=model,
        outcomes=tuple(found),
        exclusions=tuple(left_out),
        findings=tuple(results),
        scores=scored,
        lost=lost,
        temperature=temperature,
        deterministic=not temperature and _deterministic(found),
        data=data,
        errors=errors,
        log=log,
    )


def _deterministic(found: Iterable[ArmOutcome]) -> bool:
    """Whether all controls say what base said, and there are any."""
    base = {(one.problem, one.epoch): one.response for one in found if one.arm == "base"}
    controls = [one for one in found if one.arm == "control"]
    return bool(controls) and all(one.response == base.get((one.problem, one.epoch)) for one in controls)


def _added(found: Iterable[ArmOutcome], model: str, recompute: str, evidence: tuple[str, ...]) -> Iterable[Finding]:
    """How much longer each condition made the prompts, on average: whether controls are as long as constraints."""
    lengths: dict[tuple[str, int, str, str], list[tuple[object, float]]] = {}
    for one in found:
        if one.arm in ("placebo", "long", "constraint"):
            lengths.setdefault((one.arm, one.k, one.position, one.unit), []).append((one.problem, one.added))
    for (arm, k, position, unit), values in sorted(lengths.items()):
        if any(value for _, value in values):
            subject: dict[str, Scalar] = {
                "model": model,
                "arm": arm,
                "k": k,
                "position": position,
                "counted_in": unit,
            }
            mean = clustered("sustain.added_length", subject, values, "prompts")
            yield mean.model_copy(update={"recompute": recompute, "evidence": evidence})


def _suspects(found: Iterable[ArmOutcome], model: str, recompute: str, evidence: tuple[str, ...]) -> Iterable[Finding]:
    """The share of programs that passed the tests they could reach and hold what could have made them pass.

    They count as not solved. Programs that are graded outside their own process cannot be suspect.
    """
    by_problem: dict[str, list[int]] = {}
    for one in found:
        if one.domain == "code":
            counts = by_problem.setdefault(one.problem, [0, 0])
            counts[0] += one.grade.outcome == "suspect"
            counts[1] += 1
    share = rate((suspects, n) for suspects, n in by_problem.values())
    if share.n:
        yield Finding(
            what="sustain.suspect",
            subject={"model": model, "domain": "code", "clusters": share.clusters},
            estimate=share.estimate,
            interval=share.interval,
            n=share.n,
            unit="share of programs",
            recompute=recompute,
            evidence=evidence,
        )


def _counted(
    left_out: Iterable[Exclusion], model: str, asked: int, errors: int, recompute: str, evidence: tuple[str, ...]
) -> list[Finding]:
    """One finding for each reason of exclusion, by domain, arm and k."""
    counts: Counter[tuple[str, str, str, int, str]] = Counter()
    for one in left_out:
        counts[one.domain, one.arm, one.why, one.k, one.position] += one.count
    if errors:
        counts["all", "base", "error", 0, "after"] += errors
    return [
        Finding(
            what="sustain.excluded",
            subject={"model": model, "domain": domain, "arm": arm, "why": why, "k": k, "position": position},
            estimate=float(count),
            n=asked,
            unit="candidates among constraints" if why in ("names_answer", "contradiction") else "problems",
            recompute=recompute,
            evidence=evidence,
        )
        for (domain, arm, why, k, position), count in sorted(counts.items())
    ]


def _tell(progress: Progress | None, what: str) -> None:
    if progress is not None:
        progress(what, 0, None)
