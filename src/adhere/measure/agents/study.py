"""Does decomposition help? The arms at equal budgets of tokens, on the same tasks, with and without the warden.

    measured = measure(("hasty-0.2", "pocket"), Path("runs/x"), AgentPlan(arms=("best_of_n", "validated")))

Rules

- One Inspect task for every world, budget and state of the warden; its samples are the tasks in every arm. A second
  call with the same plan and folder plays only what is missing.
- Every arm has the same budget on the same tasks, so arms are compared by paired differences, each against `best_of_n`:
  drawing again and checking is what has to be beaten. Differences of one table are corrected together (Holm).
- Several budgets, and k from 1 to 8 constraints, give curves: the same findings with `budget` and `k` in their subject.
- An arm that the model cannot play (masks without a model in torch) is left out, and that is said.
"""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adhere.core.errors import UserError
from adhere.core.findings import Control, Finding, Scalar
from adhere.measure.agents.arms import ARMS
from adhere.measure.agents.episode import EpisodeOutcome
from adhere.measure.agents.scripted import is_scripted, scripted
from adhere.measure.agents.tasks import ALL_ARMS, BUDGET, OUTCOME, household, numbers, outcome_in, workshop
from adhere.measure.agents.worlds.catalogue import CONSTRAINTS, SIZES, WORLDS
from adhere.measure.agents.worlds.workshop_tasks import MOST_CONSTRAINTS
from adhere.measure.statistics.rates import CONFIDENCE, Cluster, holm, paired, rate, reaching_zero

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog
    from inspect_ai.model import Model

OFFLINE = ("oracle", "hasty-0.2", "slow-2", "pocket")
"""Models that are measured where none is named."""
TO_BEAT = "best_of_n"
MEASURES = ("reached", "adherence", "forbidden")
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class AgentPlan:
    """What to measure.

    Attributes:
        worlds, arms, budgets, sizes, ks: what is varied; `budgets` in tokens of an episode, prompts included.
        warden: "both", "on" or "off".
        tasks: tasks of each world.
        plans: `free`: the model plans. `given`: it is given the reference plan, and only what it writes is measured.
        temperature: of first answers; further draws have 0.8 at the least.
    """

    worlds: tuple[str, ...] = ("household",)
    arms: tuple[str, ...] = ARMS
    budgets: tuple[int, ...] = (BUDGET,)
    sizes: tuple[int, ...] = SIZES
    ks: tuple[int, ...] = CONSTRAINTS
    warden: str = "both"
    tasks: int = 8
    plans: str = "free"
    temperature: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class Played:
    """An episode's outcome with the cell that it belongs to."""

    model: str
    warden: bool
    budget: int
    outcome: EpisodeOutcome
    seconds: float


@dataclass(frozen=True)
class AgentResult:
    """What was measured."""

    findings: tuple[Finding, ...]
    played: tuple[Played, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Models and arms that were not measured, and why."""
    errors: int = 0
    seconds: float = 0.0


def check(plan: AgentPlan) -> None:
    """Refuse a plan that cannot be meant, before a model is opened.

    Raises:
        UserError: an unknown world or arm, or a number out of bounds.
    """
    for name, known, what in ((plan.worlds, WORLDS, "world"), (plan.arms, ALL_ARMS, "arm")):
        for one in name:
            if one not in known:
                raise UserError(f"there is no {what} {one!r}; there are: {', '.join(known)}")
        if not name:
            raise UserError(f"name a {what}: {', '.join(known)}")
    if plan.warden not in ("both", "on", "off"):
        raise UserError(f"--warden is both, on or off, not {plan.warden!r}")
    if plan.plans not in ("free", "given"):
        raise UserError(f"--plans is free or given, not {plan.plans!r}")
    numbers(list(plan.sizes), (), 3, 30, "a size")
    numbers(list(plan.ks), (), 1, MOST_CONSTRAINTS, "a number of constraints")
    if min(plan.budgets, default=0) < 1 or plan.tasks < 1:
        raise UserError("a budget and a number of tasks are at least 1")


def measure(
    models: Sequence[str],
    folder: Path,
    plan: AgentPlan,
    *,
    progress: Progress | None = None,
    recompute: str = "",
) -> AgentResult:
    """Play the plan's episodes with every model; logs go to `folder`/logs.

    Raises:
        UserError: the plan is wrong, or no model could be measured.
    """
    check(plan)
    start = time.monotonic()
    played: list[Played] = []
    left_out: dict[str, str] = {}
    logs: list[str] = []
    errors = 0
    for name in models:
        try:
            with _opened(name) as model:
                refused = {arm: why for arm in plan.arms if (why := _unplayable(arm, model, plan))}
                left_out |= {f"{name}, {arm}": why for arm, why in refused.items()}
                arms = [arm for arm in plan.arms if arm not in refused]
                for log in _logs(model, folder, plan, arms, name, progress) if arms else ():
                    played += _played(name, log)
                    logs.append(log.location)
                    errors += sum(1 for sample in log.samples or [] if sample.error is not None)
        except UserError as error:
            if len(models) == 1:
                raise
            left_out[name] = str(error)
    if not played:
        raise UserError(
            f"nothing was measured: {'; '.join(f'{k}: {v}' for k, v in left_out.items()) or 'no episode ended'}"
        )
    shared = {"recompute": recompute, "evidence": tuple(logs)}
    findings = tuple(one.model_copy(update=shared) for one in findings_of(played, plan))
    return AgentResult(findings, tuple(played), left_out, errors, time.monotonic() - start)


def _unplayable(arm: str, model: Model, plan: AgentPlan) -> str:
    if arm == "masked" and not getattr(model.api, "attends", False):
        return "masks need a model that runs in torch on this machine"
    if arm == "masked" and plan.worlds == ("household",):
        return "masks hold constraints of texts, and nothing is written in the household"
    return ""


@contextlib.contextmanager
def _opened(name: str) -> Iterator[Model]:
    from adhere.measure.model_access import release, resolve

    if is_scripted(name):
        yield scripted(name)
        return
    model = resolve(name)
    try:
        yield model
    finally:
        release(model)


def _logs(
    model: Model, folder: Path, plan: AgentPlan, arms: Sequence[str], name: str, progress: Progress | None
) -> Iterator[EvalLog]:
    from adhere.measure.evaluating import evaluate

    tell = progress or (lambda *_: None)
    wardens = {"both": (True, False), "on": (True,), "off": (False,)}[plan.warden]
    for world in plan.worlds:
        for budget in plan.budgets:
            for warden in wardens:
                title = f"{name.strip('./').replace('/', '-')}-{world}-{budget}-{'warden' if warden else 'open'}"
                shared: dict[str, Any] = {
                    "arm": list(arms), "warden": warden, "tasks": plan.tasks, "sizes": list(plan.sizes),
                    "budget": budget, "seed": plan.seed, "plans": plan.plans,
                }  # fmt: skip
                task = household(**shared) if world == "household" else workshop(**shared, k=list(plan.ks))
                tell(title, 0, len(task.dataset))
                log = evaluate(model, folder / "logs" / title, task, temperature=plan.temperature)
                tell(title, len(task.dataset), None)
                yield log


def _played(name: str, log: EvalLog) -> Iterator[Played]:
    about = log.eval.metadata or {}
    for sample in log.samples or []:
        if sample.error is None and OUTCOME in sample.metadata:
            outcome = outcome_in(sample.metadata)
            assert outcome is not None
            yield Played(name, bool(about["warden"]), int(about["budget"]), outcome, sample.total_time or 0.0)


def value(measure_: str, outcome: EpisodeOutcome) -> tuple[float, int]:
    """What an episode adds to a measure: (sum, trials)."""
    if measure_ == "reached":
        return float(outcome.reached), 1
    if measure_ == "forbidden":
        return float(outcome.forbidden_done > 0), 1
    return float(outcome.constraints_met), outcome.constraints


def findings_of(played: Sequence[Played], plan: AgentPlan) -> list[Finding]:
    """Every finding of what was played."""
    findings: list[Finding] = []
    cells: dict[tuple[str, str, bool, int], list[Played]] = defaultdict(list)
    for one in played:
        cells[one.model, one.outcome.world, one.warden, one.budget].append(one)
    for (model, world, warden, budget), here in cells.items():
        subject: dict[str, Scalar] = {"model": model, "world": world, "warden": warden, "budget": budget}
        if plan.plans != "free":
            subject["plans"] = plan.plans
        by_arm: dict[str, list[Played]] = defaultdict(list)
        for one in here:
            by_arm[one.outcome.arm].append(one)
        for arm, mine in by_arm.items():
            findings += _of_arm({**subject, "arm": arm}, mine)
            for k in sorted({one.outcome.k for one in mine if one.outcome.k}):
                of_k = [one for one in mine if one.outcome.k == k]
                findings += [_share(name, {**subject, "arm": arm, "k": k}, of_k) for name in ("reached", "adherence")]
        findings += _against(subject, by_arm, TO_BEAT, plan.seed)
    findings += _of_warden(played, plan.seed)
    return findings


def _of_arm(subject: Mapping[str, Scalar], mine: Sequence[Played]) -> list[Finding]:
    outcomes = [one.outcome for one in mine]
    shares = [_share("reached", subject, mine)]
    if any(one.constraints for one in outcomes):
        shares.append(_share("adherence", subject, mine))
    counts = {
        "tried": sum(one.forbidden_tried for one in outcomes),
        "allowed": sum(one.forbidden_allowed for one in outcomes),
        "done": sum(one.forbidden_done for one in outcomes),
    }
    shares.append(_share("forbidden", {**subject, **counts}, mine))
    means = {
        "tokens": [float(one.tokens) for one in outcomes],
        "steps": [float(one.steps) for one in outcomes],
        "asked_back": [float(one.asked_back) for one in outcomes],
        "seconds": [one.seconds for one in mine],
    }
    return shares + [_mean(name, subject, values) for name, values in means.items()]


UNITS = {
    "reached": "share of tasks whose end was reached",
    "adherence": "share of constraints met",
    "forbidden": "share of episodes in which something forbidden was done",
    "tokens": "tokens of an episode",
    "steps": "acts of an episode",
    "asked_back": "questions to the user in an episode",
    "seconds": "seconds of an episode",
}


def _share(name: str, subject: Mapping[str, Scalar], mine: Iterable[Played]) -> Finding:
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for one in mine:
        met, trials = value(name, one.outcome)
        sums[one.outcome.task][0] += met
        sums[one.outcome.task][1] += trials
    tally = rate((int(met), int(trials)) for met, trials in sums.values())
    return Finding(
        what=f"agents.{name}",
        subject=dict(subject),
        estimate=tally.estimate,
        interval=tally.interval if tally.n else None,
        n=tally.n,
        unit=UNITS[name],
    )


def _mean(name: str, subject: Mapping[str, Scalar], values: Sequence[float]) -> Finding:
    from scipy.stats import t

    n = len(values)
    mean = sum(values) / n
    interval = None
    if n > 1:
        spread = (sum((one - mean) ** 2 for one in values) / (n - 1)) ** 0.5
        half = float(t.ppf(0.5 + CONFIDENCE / 2, n - 1)) * spread / n**0.5
        interval = (mean - half, mean + half)
    return Finding(
        what=f"agents.{name}", subject=dict(subject), estimate=mean, interval=interval, n=n, unit=UNITS[name]
    )


def _clusters(a: Sequence[Played], b: Sequence[Played], name: str) -> list[Cluster]:
    """The tasks that both played, for a paired difference of the measure `name`."""
    of_b = {one.outcome.task: one.outcome for one in b}
    clusters = []
    for one in a:
        other = of_b.get(one.outcome.task)
        if other is not None:
            (x, trials), (y, _) = value(name, one.outcome), value(name, other)
            clusters += [Cluster(x, y, trials)] if trials else []
    return clusters


def _against(
    subject: Mapping[str, Scalar], by_arm: Mapping[str, Sequence[Played]], base: str, seed: int
) -> list[Finding]:
    """Every other arm less `base`, on the same tasks, corrected together."""
    if base not in by_arm:
        return []
    pairs = [
        (name, arm, clusters)
        for name in ("reached", "adherence")
        for arm in by_arm
        if arm != base and (clusters := _clusters(by_arm[arm], by_arm[base], name))
    ]
    return _differences([(name, {**subject, "arm": arm, "against": base}, c) for name, arm, c in pairs], seed)


def _of_warden(played: Sequence[Played], seed: int) -> list[Finding]:
    """What the warden changes, arm by arm: with it less without it, on the same tasks."""
    cells: dict[tuple[str, str, int, str], dict[bool, list[Played]]] = defaultdict(lambda: defaultdict(list))
    for one in played:
        cells[one.model, one.outcome.world, one.budget, one.outcome.arm][one.warden].append(one)
    pairs = []
    for (model, world, budget, arm), both in cells.items():
        if len(both) == 2:
            for name in ("reached", "forbidden"):
                subject: dict[str, Scalar] = {
                    "model": model, "world": world, "budget": budget, "arm": arm, "against": "no warden",
                }  # fmt: skip
                pairs.append((name, subject, _clusters(both[True], both[False], name)))
    return _differences(pairs, seed)


def _differences(pairs: Sequence[tuple[str, dict[str, Scalar], list[Cluster]]], seed: int) -> list[Finding]:
    differences = [paired(clusters, seed=seed) for _, _, clusters in pairs]
    corrected = holm([one.p for one in differences])
    findings = []
    for (name, subject, _), one, p in zip(pairs, differences, corrected, strict=True):
        findings.append(
            Finding(
                what="agents.difference",
                subject={**subject, "measure": name, "p": one.p, "p_holm": p, "test": one.test},
                estimate=one.estimate,
                interval=one.interval if p < 1 - CONFIDENCE else reaching_zero(one.interval),
                n=one.clusters,
                unit=f"difference in the {UNITS[name]}",
                control=Control(what="no difference", estimate=0.0),
            )
        )
    return findings
