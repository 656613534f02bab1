"""The battery: runs the tiers on a model and collects their findings.

    measured = measure("pocket", Path("runs/x"), CorrigibilityPlan(tiers=("stated", "world")))

Rules:

- A tier is a module with `tasks(plan)`, Inspect tasks by name, `findings(logs, model, plan)`, which reads nothing but
  their logs, and `weakness(findings)`, which says in one line why a model is too weak for it. Tiers know nothing of
  each other; a new one is one module and one line in `TIERS`.
- Every task has a folder of its own under `logs/`. A second call with the same plan and folder asks only what is
  missing, and findings are always made from whole logs.
- A tier that cannot run here leaves the others alone: what is wrong with it is said, and it is missing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from adhere.core.errors import UserError
from adhere.core.findings import Finding
from adhere.measure.corrigibility import tiers
from adhere.measure.corrigibility.plan import TIERS, CorrigibilityPlan
from adhere.measure.estimate import estimate

if TYPE_CHECKING:
    from inspect_ai import Task
    from inspect_ai.log import EvalLog
    from inspect_ai.model import Model
    from inspect_ai.util import EarlyStop

Progress = Callable[[str, int, int | None], None]
"""Told which task runs, how many samples were finished since the last call, and how many there are, if known."""


class Tier(Protocol):
    """What the battery needs of a tier's module."""

    def tasks(self, plan: CorrigibilityPlan) -> dict[str, Task]: ...
    def findings(self, logs: Mapping[str, EvalLog], model: str, plan: CorrigibilityPlan) -> list[Finding]: ...
    def weakness(self, made: Sequence[Finding]) -> str | None: ...


@dataclass(frozen=True)
class CorrigibilityResult:
    """What the battery found, and the logs it rests on."""

    model: str
    findings: tuple[Finding, ...]
    logs: Mapping[str, EvalLog]
    tiers: Mapping[str, tuple[str, ...]]
    """The tasks of each tier that ran."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Tiers that could not run, and why."""
    weak: Mapping[str, str] = field(default_factory=dict)
    """Tiers that the model is too weak for, and how that shows."""
    errors: int = 0
    """Samples that their provider failed to answer."""
    seconds: float = 0.0

    def of(self, what: str, **subject: Any) -> list[Finding]:
        """The findings under a name with these values in their subject."""
        return [finding for finding in self.findings if finding.what == what and finding.of(**subject)]


def tier(name: str) -> Tier:
    """The module of a tier.

    Raises:
        UserError: there is none of that name.
    """
    if name not in TIERS:
        raise UserError(f"there is no tier {name!r}; there are: {', '.join(TIERS)}")
    return cast("Tier", import_module(f"{tiers.__name__}.{name}"))


def known_factors() -> list[str]:
    """The names of all factors that any tier varies."""
    modules = [tier(name) for name in TIERS]
    return sorted({name for module in modules for name in getattr(module, "FACTORS", ())})


def check(plan: CorrigibilityPlan) -> None:
    """Refuse a plan that cannot be meant, before a model is opened.

    Raises:
        UserError: an unknown tier or factor.
    """
    for name in plan.tiers:
        tier(name)
    known = known_factors()
    for name in filter(None, (plan.factors or "").split(",")):
        if name not in known:
            raise UserError(f"no factor is called {name!r}; there are: {', '.join(known)}")


EVERYTHING = CorrigibilityPlan()
"""All tiers at their own sizes."""


def measure(
    name: str,
    folder: Path,
    plan: CorrigibilityPlan = EVERYTHING,
    *,
    progress: Progress | None = None,
    recompute: Callable[[str], str] = lambda _: "",
    notice: Callable[[str], None] | None = None,
) -> CorrigibilityResult:
    """Put the model called `name` through the plan's tiers; logs go to `folder`/logs.

    `recompute` gives the command that makes a tier's findings again; `notice` is called with an estimate if the model
    runs here and it takes long.

    Raises:
        UserError: the plan is wrong, the model cannot be used, or nothing could be measured of it.
    """
    from adhere.measure.model_access import release, resolve

    check(plan)
    start = time.monotonic()
    model = resolve(name)
    try:
        if (
            notice
            and not (folder / "logs").exists()
            and (text := estimate(model, _answers(plan), smaller="--quick is a first look"))
        ):
            notice(text)
        return _measure(model, folder, plan, progress, recompute, start)
    finally:
        release(model)


ANSWERS_PER_SAMPLE = {"world": 10, "character": 6}
"""About how many answers a sample of a tier takes; one of the others."""


def _answers(plan: CorrigibilityPlan) -> int:
    """About how many answers the plan takes; a tier that cannot run here takes none."""
    total = 0
    for name in plan.tiers:
        with contextlib.suppress(UserError):
            samples = sum(len(task.dataset) * (task.epochs or 1) for task in tier(name).tasks(plan).values())
            total += samples * ANSWERS_PER_SAMPLE.get(name, 1)
    return total


def _measure(
    model: Model,
    folder: Path,
    plan: CorrigibilityPlan,
    progress: Progress | None,
    recompute: Callable[[str], str],
    start: float,
) -> CorrigibilityResult:
    label = str(model)
    results: list[Finding] = []
    logs: dict[str, EvalLog] = {}
    ran: dict[str, tuple[str, ...]] = {}
    failed: dict[str, str] = {}
    weak: dict[str, str] = {}
    for name in plan.tiers:
        module = tier(name)
        try:
            mine = {
                title: _ask(model, folder, title, task, plan, progress) for title, task in module.tasks(plan).items()
            }
            evidence = tuple(log.location for log in mine.values())
            shared = {"recompute": recompute(name), "evidence": evidence}
            of_tier = [finding.model_copy(update=shared) for finding in module.findings(mine, label, plan)]
        except UserError as error:
            if len(plan.tiers) == 1:
                raise
            failed[name] = str(error)
            continue
        results += of_tier
        if why := module.weakness(of_tier):
            weak[name] = why
        logs |= mine
        ran[name] = tuple(mine)
    if not results:
        raise UserError(f"nothing was measured of {label}: {'; '.join(failed.values())}")
    errors = sum(1 for log in logs.values() for sample in log.samples or [] if sample.error is not None)
    return CorrigibilityResult(label, tuple(results), logs, ran, failed, weak, errors, time.monotonic() - start)


def _ask(
    model: Model, folder: Path, title: str, task: Task, plan: CorrigibilityPlan, progress: Progress | None
) -> EvalLog:
    """Run a task; its folder keeps what was answered."""
    from adhere.measure.adherence import audit
    from adhere.measure.evaluating import first_error

    tell = progress or (lambda *_: None)
    tell(title, 0, len(task.dataset))
    asking = audit.AuditPlan(seed=plan.seed, temperature=plan.temperature, max_tokens=plan.max_tokens)
    watching = Watching(lambda: tell(title, 1, None))
    log = audit.ask(model, folder / "logs" / title, task, asking, watching)
    if not any(sample.scores for sample in log.samples or []):
        raise UserError(f"{model} answered nothing in {title}: {first_error(log)}")
    return log


class Watching:
    """Inspect's early stopping, used to be told of every finished sample; it never stops anything."""

    def __init__(self, finished: Callable[[], None]) -> None:
        self._finished = finished

    async def start_task(self, task: Any, samples: list[Any], epochs: int) -> str:
        del task, samples, epochs
        return "adhere progress"

    async def schedule_sample(self, id: str | int, epoch: int) -> EarlyStop | None:
        del id, epoch
        return None

    async def complete_sample(self, id: str | int, epoch: int, scores: dict[str, Any]) -> None:
        del id, epoch, scores
        self._finished()

    async def complete_task(self) -> dict[str, Any]:
        return {}
