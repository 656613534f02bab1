"""Measure how much task accuracy a model loses when a self-evident constraint is added (SustainScore).

result = sustain("pocket", limit=50)
result.findings
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adhere.api.results import Notice, Page, Progress, Result
from adhere.api.runs import command_of, folder_of, resumable
from adhere.api.sustain_prompts import prompts_to_answer
from adhere.core.errors import UserError
from adhere.core.extras import naming_extras
from adhere.core.findings import Finding
from adhere.measure.sustain import arms as laid
from adhere.measure.sustain.plan import SustainPlan

if TYPE_CHECKING:
    from adhere.explain.analyses.attention import AttentionCase
    from adhere.measure.sustain.run import Done
    from adhere.report.page import Section

__all__ = ["Sustain", "Trajectory", "prompts_to_answer", "sustain", "trajectory"]

MOST_ATTENDED = 2_000
"""Answers whose attention is looked at; of more, those to problems drawn at random."""


@dataclass(frozen=True)
class Sustain(Result):
    """What obedience costs a model.

    Attributes:
        done: outcomes, exclusions, scores.
        recompute: the command that makes this result again.
        folder: of the run.
    """

    done: Done
    recompute: str
    folder: Path

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.done.findings

    def about(self) -> dict[str, Any]:
        return {"data": list(self.done.data), "temperature": self.done.temperature}

    @property
    def has_page(self) -> bool:
        """Whether there is something to draw: a study of constraint kinds has findings only."""
        return self.done.scores is not None and self.done.lost is not None

    @property
    def section(self) -> Section | None:
        """The page's section on this run; None of a study of kinds, which has findings only."""
        from adhere.report.sections import sustain as section

        done = self.done
        if done.scores is None or done.lost is None:
            return None
        return section.section(
            done.scores,
            done.lost,
            attention=done.findings,
            exclusions=done.exclusions,
            judge=next((one for one in done.findings if one.what == "judge.error"), None),
            recompute=self.recompute,
        )

    def page(self) -> Page:
        done, section = self.done, self.section
        if section is None:
            raise UserError("a study of constraint kinds has no page: its findings are in `findings`")
        sources = "; ".join(f"{one['domain']}: {one['source']} (sha256 {str(one['sha256'])[:12]})" for one in done.data)
        lead = f"Problems: {sources or 'as given'}."
        if done.log:
            lead += f" Look at every sample with inspect view --log-dir {Path(done.log).parent}."
        return Page(f"What does obedience cost {done.model}?", lead, (section,))


def sustain(
    model: str = "pocket",
    *,
    domain: str | None = None,
    data: str | None = None,
    arms: str = "all",
    constraints: Iterable[int] = laid.LADDER,
    responses: str | os.PathLike[str] | None = None,
    practice: bool = False,
    extractor: str | None = None,
    rewriter: str | None = None,
    judge: str | None = None,
    attention: bool = True,
    temperature: float | None = None,
    max_tokens: int | None = None,
    limit: int | None = None,
    samples: int | None = None,
    seed: int = 0,
    enforce: bool = False,
    out: Path | None = None,
    progress: Progress | None = None,
    notice: Notice | None = None,
    command: str | None = None,
) -> Sustain:
    """Ask a model the problems that it solves again, with constraints that its solution already meets.

    Args:
        model: `pocket`, a folder, a hub id, or any model Inspect knows.
        domain: math, multihop, code, several with commas; None for all of the data's.
        data: problems: a file, a Hub name, `easy` (plain English, chosen by a pilot) or `pocket`; None for that of
            the last two which fits the model.
        arms: `all`, or some of control, placebo, long, constraint, position, attend, with commas.
        constraints: how many are inserted, rising.
        responses: answers made elsewhere, in place of asking a model.
        practice: compare the kinds of constraints that the pocket model was trained on with others.
        extractor, rewriter: models that propose constraints and word the longer problems; rules if None.
        judge: a model that says why an answer was lost where no rule can tell.
        attention: look at the attention to the constraint, where the weights are on this machine.
        temperature, max_tokens: of the answers.
        limit: problems of each domain, or easy kind, at the most.
        samples: how often each problem is asked; 3 of easy ones and 1 of others if None.
        seed: which problems and constraints, and what is sampled.
        enforce: send the constraints beside each prompt, for a gateway to enforce.
        out: folder of the run; the same one resumes it.
        progress, notice: called with what is being done, and with lines that a user should read.
        command: the command that makes this result again; composed from the arguments if None.

    Raises:
        MissingExtra: an optional package is missing.
        UserError: the model, the data or an arm cannot be used, or nothing was answered.
    """
    plan = plan_of(
        domain=domain,
        data=data,
        arms=arms,
        constraints=tuple(constraints),
        problems=limit,
        seed=seed,
        temperature=temperature,
        max_tokens=max_tokens,
        extractor=extractor,
        rewriter=rewriter,
        kinds="practice" if practice else None,
        enforce=enforce,
        samples=samples,
    )
    subject = model if responses is None else Path(responses).stem
    folder = out or folder_of(subject, plan, "sustain")
    told = command or command_of(
        "sustain",
        () if responses is not None else (model,),
        {"from_responses": responses, "domain": domain, "data": data, "limit": limit, "seed": seed, "out": out},
    )
    with naming_extras(), resumable(folder):
        from adhere.measure.sustain import run

        if responses is not None:
            done = _of_responses(Path(responses), plan, told)
        else:
            done = run.measure(model, folder, plan, progress=_labelled(model, progress), recompute=told, notice=notice)
        if judge is not None:
            done = _judged(done, judge, seed, told)
        if attention:
            done = _attended(done, seed, told, progress, notice)
    return Sustain(done, told, folder)


def plan_of(**values: Any) -> SustainPlan:
    """The plan with these values, once they are known to make sense.

    Raises:
        UserError: an arm of that name does not exist, or the study of practice is given data.
    """
    plan = SustainPlan(**values)
    laid.parse_arms(plan.arms, None)
    if plan.kinds and plan.data is not None:
        raise UserError("the study of practice is about the pocket world: it takes no data")
    return plan


@dataclass(frozen=True)
class Trajectory(Result):
    """The study of practice over the checkpoints of a training run."""

    findings: tuple[Finding, ...]
    recompute: str
    folder: Path

    def page(self) -> Page:
        raise UserError("a trajectory has no page: its findings are in `findings`")


def trajectory(
    checkpoints: Path,
    *,
    data: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    out: Path | None = None,
    progress: Progress | None = None,
    command: str | None = None,
) -> Trajectory:
    """Run the study of practice on every checkpoint of a training run.

    Raises:
        MissingExtra: an optional package is missing.
        UserError: the folder holds no checkpoints, or one cannot be measured.
    """
    plan = plan_of(data=data, problems=limit, seed=seed, kinds="practice")
    folder = out or folder_of(checkpoints.name, plan, "sustain")
    told = command or command_of("sustain", (), {"checkpoints": checkpoints, "limit": limit, "seed": seed, "out": out})
    findings: list[Finding] = []
    with naming_extras(), resumable(folder):
        from adhere.measure.sustain.training_trajectory import checkpoints_in, course

        for checkpoint in checkpoints_in(checkpoints):
            result = sustain(
                str(checkpoint.folder),
                practice=True,
                attention=False,
                limit=limit,
                seed=seed,
                out=folder / checkpoint.folder.name,
                progress=progress,
                command=told,
            )
            findings += course(checkpoint, result.done)
    return Trajectory(tuple(findings), told, folder)


def _labelled(model: str, progress: Progress | None) -> Progress | None:
    return None if progress is None else lambda what, *rest: progress(f"{model}: {what}", *rest)


def _of_responses(path: Path, plan: SustainPlan, command: str) -> Done:
    from adhere.measure.sustain import run, saved

    answers = saved.read(path, plan.data)
    if all(outcome.arm == "base" for outcome in answers.outcomes):
        solved = sum(bool(outcome.correct) for outcome in answers.outcomes)
        raise UserError(
            f"{path}: base answers only, {solved} of {len(answers.outcomes)} right; "
            "write what to ask next with --write-prompts FILE"
        )
    about = tuple({**asdict(one), "problems": len(one.problems)} for one in answers.material)
    return run.conclude(
        answers.outcomes, answers.exclusions, model=answers.model, data=about, seed=plan.seed, recompute=command
    )


def _judged(done: Done, judge: str, seed: int, command: str) -> Done:
    """`done` with the lost answers that were open decided by a judge where it can, and the judge's error."""
    from adhere.measure.adherence.judge import judge_of
    from adhere.measure.sustain import judging, patterns

    if done.scores is None or done.lost is None:
        return done
    pairs, tried = asyncio.run(judging.judged(done.lost.pairs, judge_of(judge)))
    lost = patterns.lost(done.scores.selection, decided=pairs, seed=seed)
    evidence = (done.log,) if done.log else ()
    findings = [one for one in done.findings if not one.what.startswith("sustain.lost")]
    findings += patterns.findings(lost, done.model, recompute=command, evidence=evidence)
    return replace(done, lost=lost, findings=(*findings, *(tried.finding(judge, recompute=command),)))


def _attended(done: Done, seed: int, command: str, progress: Progress | None, notice: Notice | None) -> Done:
    """`done` with the attention of its answers to their constraints, where the weights are on this machine."""
    local = done.model.removeprefix("adhere/")
    if local == done.model or done.scores is None:
        return done
    from adhere.explain.analyses import attention
    from adhere.models.load import open_model

    answers = drawn(list(attention.cases(done.outcomes)), seed)
    if progress:
        progress("attention", 0, len(answers))
    tell = (lambda n: progress("attention", n, None)) if progress else None
    try:
        attended = attention.attend(open_model(local), answers, progress=tell)
        findings = attention.findings(attention.compare(attended, seed=seed), model=done.model, recompute=command)
    except UserError as error:
        if notice:
            notice(f"The attention to the constraints is missing: {error}")
        return done
    return replace(done, findings=(*done.findings, *findings))


def drawn(answers: list[AttentionCase], seed: int) -> list[AttentionCase]:
    """All answers, or all those to as many problems as make `MOST_ATTENDED`."""
    if len(answers) <= MOST_ATTENDED:
        return answers
    by_problem: dict[str, list[AttentionCase]] = {}
    for answer in answers:
        by_problem.setdefault(answer.problem, []).append(answer)
    problems = list(by_problem)
    random.Random(seed).shuffle(problems)
    kept: list[AttentionCase] = []
    for problem in problems:
        if len(kept) + len(by_problem[problem]) <= MOST_ATTENDED:
            kept += by_problem[problem]
    return kept
