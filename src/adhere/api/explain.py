"""Find where inside a model instruction following happens, when, and whether the model uses it.

explanation = explain("pocket", samples=80)
explanation.findings
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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
    from adhere.explain.plan import Answering, ExplainPlan, PromptSource
    from adhere.explain.results import Explained
    from adhere.models.load import OpenModel

PROBES = ("logistic", "lda", "ridge", "mass_mean")
Probe = Literal["logistic", "lda", "ridge", "mass_mean"]
Prompts = Literal["pocket", "natural"]
POSITIONS = ("prompt", "10", "25", "50", "75", "90", "eos", "mean")
HOSTED = frozenset(("openai", "anthropic", "google", "mistral", "groq", "together", "bedrock", "azureai", "grok"))
"""Providers whose weights are not on this machine."""
POCKET = ("pocket", "pocket-base")
WATCHED = 400
"""Responses on which a saved monitor's threshold is set and tried."""
SLOTS = 16
"""Answers that llama.cpp writes at once: SmolLM2 in Q4_1 wrote 126 tokens a second of one core with 16."""


@dataclass(frozen=True)
class Preset:
    """What a run takes where nothing else is asked for; the fields are `ExplainPlan`'s."""

    skills: str | None = None
    samples: int = 500
    budget: int = 18
    max_tokens: int = 256
    most_layers: int = 12
    again: int = 48
    free: int = 160
    false_alarms: float = 0.05
    untrained: bool = True


FULL = Preset()
QUICK = Preset(
    skills="word_count,inclusion,sentiment",
    samples=120,
    budget=7,
    max_tokens=128,
    most_layers=7,
    again=0,
    free=0,
    false_alarms=0.0,
    untrained=False,
)


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
    samples: int | None = None,
    probe: Probe = "logistic",
    again: int | None = None,
    false_alarms: float | None = None,
    free: int | None = None,
    quick: bool = False,
    prompts: Prompts | None = None,
    other_model: bool = False,
    device: str | None = None,
    dtype: str | None = None,
    processes: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    out: Path | None = None,
    progress: Progress | None = None,
    notice: Callable[[str], None] | None = None,
    command: str | None = None,
) -> Explanation:
    """Explain an open-weight model, or carry on with it in the same folder.

    Args:
        model: `pocket`, `smollm2`, a GGUF file, a folder, a hub id, or `adhere/...` as Inspect names it.
        logs: Inspect logs of its answers; the model is sampled if None.
        skills: names with commas; all nine if None.
        positions: prompt, shares of the answer in percent, eos, mean.
        layers: 0 is before the first block; all if None.
        samples: cases of each skill, half of them met; 500, or 120 if `quick`.
        probe: logistic, lda, ridge or mass_mean.
        again: prompts answered again with a skill erased; 0 for none; 48, or 0 if `quick`.
        false_alarms: share of good answers that a saved monitor may stop; 0 saves none; 0.05, or 0 if `quick`.
        free: prompts answered without the instruction; the plan's own number if None.
        quick: a first look: three skills, eight layers, decodability and its baselines alone.
        prompts: `pocket` or `natural`; natural for any model but the pocket ones if None.
        other_model: replay the logs even if another model wrote them.
        device, dtype: of the model.
        processes: copies of the model at work; as many as are worth it if None.
        limit: cases at the most.
        seed: of sampling, splits and controls.
        out: folder of the run; the same one resumes it.
        progress: called with what is being done.
        notice: called with an estimate of the time it takes, where that is long.
        command: the command that makes this result again; composed from the arguments if None.

    Raises:
        MissingExtra: an optional package is missing.
        UserError: the weights are out of reach, an option is out of range, or no skill has both outcomes.
    """
    with naming_extras():
        from adhere.explain.estimate import estimate
        from adhere.explain.run import explain as run

        preset = QUICK if quick else FULL
        plan = plan_of(
            skills=skills or preset.skills,
            positions=positions,
            layers=layers,
            samples=preset.samples if samples is None else samples,
            probe=probe,
            again=preset.again if again is None else again,
            false_alarms=preset.false_alarms if false_alarms is None else false_alarms,
            free=preset.free if free is None else free,
            logs=logs,
            other_model=other_model,
            limit=limit,
            seed=seed,
        )
        plan = replace(
            plan,
            prompts=prompts or ("pocket" if _bare(model) in POCKET else "natural"),
            budget=preset.budget,
            max_tokens=preset.max_tokens,
            most_layers=preset.most_layers,
            untrained=preset.untrained,
        )
        folder = out or folder_of(model, plan, "explain")
        recompute = command or command_of(
            "explain",
            (model,),
            {"quick": quick, "logs": logs, "skills": skills, "samples": samples, "seed": seed, "out": folder},
        )
        opened, name = open_named(model, device, dtype)
        with resumable(folder), _engine(opened, model, folder, plan) as answering:
            if notice and (text := estimate(opened, answering, plan.on(opened), _source(plan), folder, processes)):
                notice(text)
            explained = run(
                opened,
                name,
                folder,
                plan,
                source=_source(plan),
                answering=answering,
                processes=processes,
                progress=progress,
                recompute=recompute,
            )
    return Explanation(explained, recompute, folder)


def _bare(model: str) -> str:
    return model.removeprefix("adhere/")


def _source(plan: ExplainPlan) -> PromptSource:
    """The prompts that the plan names."""
    from adhere.api.explain_prompts import NaturalPrompts
    from adhere.explain.collection.pocket_prompts import PocketPrompts

    if plan.prompts not in (PocketPrompts.name, NaturalPrompts.name):
        raise UserError(f"no prompts are called {plan.prompts!r}; there are: pocket, natural")
    return PocketPrompts() if plan.prompts == PocketPrompts.name else NaturalPrompts()


@contextmanager
def _engine(opened: OpenModel, model: str, folder: Path, plan: ExplainPlan) -> Iterator[Answering | None]:
    """llama.cpp for the answers of a model that is a GGUF file, if it is installed and `--engine` allows it; else
    None, and the model answers in torch."""
    from adhere.models.engines import llamacpp
    from adhere.models.engines.options import current
    from adhere.models.engines.sources import locate

    options = current()
    gguf = locate(_bare(model)).gguf
    if options.engine == "llamacpp" and gguf is None:
        raise UserError(f"--engine llamacpp answers with a GGUF file, and {model} is none")
    if gguf is None or plan.logs is not None or options.engine == "torch" or not llamacpp.available():
        yield None
        return
    from adhere.explain.collection.fast_answers import FastAnswers

    server = llamacpp.LlamaServer(gguf, replace(options, dtype=None, quant=None, batch=options.batch or SLOTS))
    try:
        yield FastAnswers(server, opened, folder / "answers.jsonl", plan.max_tokens)
    finally:
        server.close()


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
    bare = _bare(model)
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
