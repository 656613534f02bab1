"""Find where inside a model instruction following happens, when, and whether the model uses it.

explanation = explain("pocket", samples=80)
explanation.findings
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from adhere.api.results import Page, Progress, Result
from adhere.api.runs import command_of, folder_of, resumable
from adhere.core.errors import UserError
from adhere.core.extras import naming_extras
from adhere.core.findings import Finding

if TYPE_CHECKING:
    from adhere.explain.plan import ExplainPlan
    from adhere.explain.results import Explained
    from adhere.models.load import OpenModel

PROBES = ("logistic", "lda", "ridge", "mass_mean")
Probe = Literal["logistic", "lda", "ridge", "mass_mean"]
POSITIONS = ("prompt", "10", "25", "50", "75", "90", "eos", "mean")
HOSTED = frozenset(("openai", "anthropic", "google", "mistral", "groq", "together", "bedrock", "azureai", "grok"))
"""Providers whose weights are not on this machine."""
WATCHED = 400
"""Responses on which a saved monitor's threshold is set and tried."""


@dataclass(frozen=True)
class Explanation(Result):
    """Where following happens inside a model.

    Attributes:
        explained: every analysis with its controls.
        recompute: the command that makes this result again.
        folder: of the run, with arrays and saved monitors.
    """

    explained: Explained
    recompute: str
    folder: Path

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self.explained.findings(self.recompute))

    def page(self) -> Page:
        from adhere.report.sections.explain import sections

        explained = self.explained
        return Page(
            f"Where inside {explained.model} does following happen?",
            f"{explained.responses:,} responses, {explained.source}; {len(explained.skills)} skills.",
            tuple(sections(explained, recompute=self.recompute)),
        )


def explain(
    model: str = "pocket",
    *,
    logs: str | os.PathLike[str] | None = None,
    skills: str | None = None,
    positions: Iterable[str] = POSITIONS,
    layers: Iterable[int] | None = None,
    samples: int = 500,
    probe: Probe = "logistic",
    again: int = 48,
    false_alarms: float = 0.05,
    free: int | None = None,
    other_model: bool = False,
    device: str | None = None,
    dtype: str | None = None,
    processes: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    out: Path | None = None,
    progress: Progress | None = None,
    command: str | None = None,
) -> Explanation:
    """Explain an open-weight model, or carry on with it in the same folder.

    Args:
        model: `pocket`, a folder, a hub id, or `adhere/...` as Inspect names it.
        logs: Inspect logs of its answers; the model is sampled if None.
        skills: names with commas; all nine if None.
        positions: prompt, shares of the answer in percent, eos, mean.
        layers: 0 is before the first block; all if None.
        samples: cases of each skill, half of them met.
        probe: logistic, lda, ridge or mass_mean.
        again: prompts answered again with a skill erased; 0 for none.
        false_alarms: share of good answers that a saved monitor may stop; 0 saves none.
        free: prompts answered without the instruction; the plan's own number if None.
        other_model: replay the logs even if another model wrote them.
        device, dtype: of the model.
        processes: copies of the model at work; as many as are worth it if None.
        limit: cases at the most.
        seed: of sampling, splits and controls.
        out: folder of the run; the same one resumes it.
        progress: called with what is being done.
        command: the command that makes this result again; composed from the arguments if None.

    Raises:
        MissingExtra: an optional package is missing.
        UserError: the weights are out of reach, an option is out of range, or no skill has both outcomes.
    """
    with naming_extras():
        from adhere.explain.run import explain as run

        plan = plan_of(
            skills=skills,
            positions=positions,
            layers=layers,
            samples=samples,
            probe=probe,
            again=again,
            false_alarms=false_alarms,
            free=free,
            logs=logs,
            other_model=other_model,
            limit=limit,
            seed=seed,
        )
        folder = out or folder_of(model, plan, "explain")
        told = command or command_of(
            "explain", (model,), {"logs": logs, "skills": skills, "samples": samples, "seed": seed, "out": folder}
        )
        opened, name = open_named(model, device, dtype)
        with resumable(folder):
            explained = run(opened, name, folder, plan, processes=processes, progress=progress, recompute=told)
    return Explanation(explained, told, folder)


def open_named(model: str, device: str | None = None, dtype: str | None = None) -> tuple[OpenModel, str]:
    """The model, and its name as Inspect has it: a bare folder or hub id means `adhere/...`.

    Raises:
        UserError: it is another provider's, whose weights are out of reach, or there is none of that name.
    """
    from adhere.models.load import open_model

    if model.partition("/")[0] in HOSTED:
        raise UserError(
            f"{model} cannot be explained: its weights are not on this machine; give a folder or a hub id "
            "(adhere audit can measure it)"
        )
    bare = model.removeprefix("adhere/")
    return open_model(bare, device=device, dtype=dtype), f"adhere/{bare}"


def plan_of(
    *,
    skills: str | None,
    positions: Iterable[str],
    layers: Iterable[int] | None,
    samples: int,
    probe: str,
    again: int,
    false_alarms: float,
    free: int | None,
    logs: str | os.PathLike[str] | None,
    other_model: bool,
    limit: int | None,
    seed: int,
) -> ExplainPlan:
    """The plan that these options state.

    Raises:
        UserError: an unknown name, or a number out of range.
    """
    from adhere.explain.cases.labels import skill_names
    from adhere.explain.plan import ExplainPlan

    if probe not in PROBES:
        raise UserError(f"no probe is called {probe!r}; there are: {', '.join(PROBES)}")
    if not 0 <= false_alarms < 1:
        raise UserError(f"the share of false alarms is from 0 to 1, such as 0.05, not {false_alarms}")
    if logs is not None and not Path(logs).exists():
        raise UserError(f"there is no log at {logs}")
    chosen = skill_names(skills)
    if limit is not None and logs is None:
        samples = min(samples, limit)
    plan = ExplainPlan(
        skills=chosen,
        positions=_positions(positions),
        samples=samples,
        layers=None if layers is None else tuple(sorted(set(layers))),
        kind=probe,  # type: ignore[arg-type]  # looked at above
        seed=seed,
        logs=None if logs is None else str(logs),
        other_model=other_model,
        limit=limit if logs is not None else None,
        again=again,
        watched=WATCHED if false_alarms else 0,
        false_alarms=false_alarms or 0.05,
    )
    return plan if free is None else replace(plan, free=free)


def _positions(given: Iterable[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip().lower().removesuffix("%").strip() for part in given))
    for name in names:
        if name not in ("prompt", "eos", "mean") and not (name.isdigit() and 0 < int(name) <= 100):
            raise UserError(f"a position is prompt, a share of the answer from 1 to 100, eos or mean; not {name!r}")
    return names
