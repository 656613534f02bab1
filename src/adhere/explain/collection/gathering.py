"""What a run works on: the model's responses, the balanced cases of each skill, and answers without the instruction.

Rules:
- Responses are read from logs where there are some, else sampled. A round of sampling is kept as soon as it is done.
- What is answered again with a skill erased are prompts on which nothing was fitted: of a log, one prompt in `HELD_OUT`
  is kept for that; without a log, fresh ones are drawn.
- A skill that lacks one outcome is left out with a line that says how many responses it would take; the others go on.
- Free answers are of the prompts of the chosen cases, with the one skill's instruction taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from adhere.core.errors import UserError
from adhere.explain.cases.examples import LEAST, Shortfall
from adhere.explain.cases.labels import LabelledCase, Prompt, Response, balance, cases, counts
from adhere.explain.collection import journal
from adhere.explain.collection.logs import read
from adhere.explain.collection.sampling import sample, seeds_of
from adhere.explain.plan import ExplainPlan, Run

HELD_OUT = 4
"""Of a log's prompts, one in so many is kept for what is answered again."""


@dataclass(frozen=True)
class Gathered:
    """Responses, and the balanced cases of those skills that can be explained, asked and free.

    Attributes:
        responses: all of them; `source` says where from.
        chosen: balanced cases of the skills that can be explained.
        skills: those; `left_out` has a line for each of the others.
        free: answers without the skill's instruction, and their balanced cases.
        again: for each skill, prompts to be answered again with its direction erased.
    """

    responses: list[Response]
    source: str
    chosen: list[LabelledCase]
    skills: tuple[str, ...]
    left_out: tuple[str, ...]
    free: list[Response]
    free_cases: list[LabelledCase]
    again: dict[str, list[Prompt]]


def gather(run: Run) -> Gathered:
    """Responses and cases, those of an earlier run of the same plan included.

    Raises:
        UserError: logs of another model or none, or no skill has enough of both outcomes.
    """
    plan = run.plan
    responses, source = _sampled(run) if plan.logs is None else _logged(run, plan.logs)
    labelled = [case for case in cases(responses, plan.skills) if plan.counts(responses[case.response])]
    kept = plan.logs is not None and plan.again > 0
    fitting = [case for case in labelled if case.prompt % HELD_OUT] if kept else labelled
    chosen = balance(fitting, plan.samples, plan.seed)
    skills, left_out = enough(labelled, chosen, plan)
    chosen = [case for case in chosen if case.skill in skills]
    free = _free(run, responses, chosen)
    free_cases = []
    for skill in skills:
        own = [
            case
            for case in cases(free, (skill,))
            if free[case.response].prompt.task.endswith(f"-{skill}") and plan.counts(free[case.response])
        ]
        free_cases += balance(own, plan.free, plan.seed)
    return Gathered(responses, source, chosen, skills, left_out, free, free_cases, _again(run, responses, skills))


def _logged(run: Run, logs: str) -> tuple[list[Response], str]:
    opened, plan = run.workers.opened, run.plan
    logged = read(Path(logs), opened, other_model=plan.other_model, limit=plan.limit, name=run.name)
    source = f"read from {len(logged.files)} Inspect logs (weights compared by {logged.checked})"
    return list(logged.responses), source


def _sampled(run: Run) -> tuple[list[Response], str]:
    plan, place = run.plan, run.folder / "responses.jsonl"
    responses, finished = journal.load(place)
    if not finished:
        wanted = plan.samples * len(plan.skills)
        run.tell("sampling", 0, wanted)
        had = 0

        def step(have: int, _total: int) -> None:
            nonlocal had
            run.tell("sampling", have - had, wanted)
            had = have

        responses = sample(
            run.answering,
            run.source.streams(plan.skills, plan.seed),
            plan.skills,
            plan.samples,
            plan.seed,
            budget=plan.budget * plan.samples,
            counts=plan.counts,
            done=responses,
            keep=lambda fresh: journal.append(place, fresh),
            progress=step,
            answered=lambda n, total: run.tell("answering", n, total),
        )
        journal.append(place, [], finished=True)
    return responses, f"sampled at temperature 1 from {run.source.description}"


def enough(
    labelled: Sequence[LabelledCase], chosen: Sequence[LabelledCase], plan: ExplainPlan
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The skills with enough of both outcomes, and for each of the others a line with how many responses it would take.

    Args:
        labelled: all cases.
        chosen: those that are left when what is answered again is kept apart, and the rest balanced.
        plan: what is asked for.

    Raises:
        UserError: there is none.
    """
    have, seen = counts(chosen), counts(labelled)
    least, why = LEAST, ""
    if plan.logs is not None and plan.again:
        least = -(-LEAST * HELD_OUT // (HELD_OUT - 1))
        why = f" (one prompt in {HELD_OUT} is kept to be answered again)"
    skills = tuple(skill for skill in plan.skills if have.get(skill, (0, 0))[0] >= LEAST)
    lines = []
    for skill in (one for one in plan.skills if one not in skills):
        met, broken = seen.get(skill, (0, 0))
        pairs = have.get(skill, (0, 0))[0]
        if not met + broken:
            lines.append(f"{skill}: no response was asked for it")
        elif min(met, broken) < LEAST:
            lines.append(str(Shortfall(skill, met, broken, least)) + why)
        else:
            lines.append(
                f"{skill}: {met} met and {broken} violated, but only {pairs} pairs of like items; a probe needs "
                f"{LEAST}: sample about {-(-LEAST * (met + broken) // max(1, pairs))} responses, or leave it out"
            )
    if not skills:
        raise UserError(lines[0] + (f" (and {len(lines) - 1} more skills)" if len(lines) > 1 else ""))
    return skills, tuple(lines)


def _again(run: Run, responses: Sequence[Response], skills: Sequence[str]) -> dict[str, list[Prompt]]:
    """For each skill, prompts on which nothing was fitted."""
    plan = run.plan
    if not plan.again:
        return {}
    if plan.logs is not None:
        kept = {one.prompt.id: one.prompt for one in responses if one.prompt.id % HELD_OUT == 0}
        return {skill: [p for p in kept.values() if skill in p.skills][: plan.again] for skill in skills}
    seen = {one.prompt.id for one in responses}
    drawn = {skill: islice(run.source.unseen(skill, plan.seed), 4 * plan.again + 20) for skill in skills}
    return {
        skill: list({p.id: p for p in fresh if p.id not in seen}.values())[: plan.again]
        for skill, fresh in drawn.items()
    }


def _free(run: Run, responses: Sequence[Response], chosen: Sequence[LabelledCase]) -> list[Response]:
    """Answers to the prompts of the chosen cases with the skill's instruction taken out, for each skill."""
    plan, place = run.plan, run.folder / "free.jsonl"
    done, finished = journal.load(place)
    if finished or not plan.free:
        return done
    place.unlink(missing_ok=True)
    prompts: list[Prompt] = []
    for skill in dict.fromkeys(case.skill for case in chosen):
        twins: dict[int, Prompt] = {}
        for case in chosen:
            if case.skill == skill and case.prompt not in twins and len(twins) < plan.free:
                twin = run.source.without(responses[case.response].prompt, skill)
                if twin is not None:
                    twins[case.prompt] = replace(twin, task=f"free-{skill}")
        prompts += twins.values()
    what = "answering without the instruction"
    run.tell(what, 0, len(prompts))
    seeds = seeds_of(prompts, plan.seed + 1)
    answers = run.answering(prompts, seeds, progress=lambda n: run.tell(what, n, len(prompts)))
    journal.append(place, answers, finished=True)
    return answers
