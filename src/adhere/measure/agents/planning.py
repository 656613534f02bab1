"""Making a plan, by every arm: from one answer to subtasks that validators check one by one.

Rules

- `single`, `best_of_n`, `ask_again`, `decomposed` and `validated` mean for plans what they mean for texts (`drafting`):
  one answer; draws until one has no faults; reasons for the faults and again; the request's sentences planned one after
  the other, unchecked; the same, each checked and asked again.
- A plan is made in a context that holds the request, the map of the world and what the user answered: nothing that was
  read in the world. So its acts are a model's, whatever lies about in the world.
- A plan that the validators refuse is not carried out by `validated` beyond its last valid step; the other arms carry
  out what they have.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from adhere.measure.agents.asking import Asker, question, read_plan
from adhere.measure.agents.messages import Context, Note
from adhere.measure.agents.plan import Fault, Plan, Step, reasons, validate
from adhere.measure.agents.worlds.world import World, changed
from adhere.warden.acts.acts import Table
from adhere.warden.acts.sources import Source

MOST_TOKENS = 400
"""Of a plan."""
PER_SUBTASK = 4
"""Times that one subtask is asked for."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
ASK_PLAN = "Write the plan."
EMPTY = "If it needs no act of its own, answer: nothing"


@dataclass(frozen=True)
class PlanningJob:
    """What is to be planned. `table` is the charter's, where a warden is there."""

    scene: World
    context: Context
    request: Note
    table: Table | None = None

    def faults(self, plan: Plan) -> list[Fault]:
        """What is wrong with `plan` in the world as it stands."""
        return validate(plan, self.scene, self.context.notes, self.table)


def subtasks(request: str) -> list[str]:
    """The sentences of a request; lines of a list stay with the sentence before them."""
    parts: list[str] = []
    for line in request.split("\n"):
        if line.lstrip().startswith("- ") and parts:
            parts[-1] += f"\n{line}"
        else:
            parts += [one for one in _SENTENCE.split(line.strip()) if one]
    return parts


async def _ask(
    asker: Asker, job: PlanningJob, words: str, share: int, *, warm: bool = False, told: str = ""
) -> Plan | None:
    answer = await _answer(asker, job, words, share, warm=warm, told=told)
    return None if answer is None else read_plan(answer, job.scene, job.request)


async def _answer(
    asker: Asker, job: PlanningJob, words: str, share: int, *, warm: bool = False, part: str = "", told: str = ""
) -> str | None:
    answered = sum(note.source is Source.USER for note in job.context.notes) - 1
    want = {"kind": "plan", "part": part, "told": told, "answered": answered}
    return await asker.ask([*job.context.chat(), question(words)], want, most=MOST_TOKENS, warm=warm, share=share)


async def single(asker: Asker, job: PlanningJob, share: int) -> Plan:
    """One plan."""
    return await _ask(asker, job, ASK_PLAN, share) or Plan(steps=())


async def best_of_n(asker: Asker, job: PlanningJob, share: int) -> Plan:
    """Plans until one has no faults, or the share is spent: the one that goes furthest."""
    return await _until(asker, job, share, again=False)


async def ask_again(asker: Asker, job: PlanningJob, share: int) -> Plan:
    """A plan, and what is wrong with it, until nothing is or the share is spent."""
    return await _until(asker, job, share, again=True)


async def _until(asker: Asker, job: PlanningJob, share: int, *, again: bool) -> Plan:
    limit = asker.budget.spent + share
    best, fewest, told = Plan(steps=()), 10**6, ""
    first = True
    while fewest:
        words = f"{ASK_PLAN}\nYour last plan cannot be carried out:\n{told}" if again and told else ASK_PLAN
        plan = await _ask(asker, job, words, limit - asker.budget.spent, warm=not first, told=told if again else "")
        if plan is None:
            break
        faults = job.faults(plan)
        told, first = reasons(faults), False
        if len(faults) < fewest:
            best, fewest = plan, len(faults)
    return best


async def decomposed(asker: Asker, job: PlanningJob, share: int) -> Plan:
    """The request's sentences one after the other, each on the state that the plan so far leads to; unchecked."""
    return await _by_parts(asker, job, share, tries=1)


async def validated(asker: Asker, job: PlanningJob, share: int) -> Plan:
    """As `decomposed`; each part is checked, and asked for again with the reasons. Only valid steps are kept."""
    return await _by_parts(asker, job, share, tries=PER_SUBTASK)


async def _by_parts(asker: Asker, job: PlanningJob, share: int, *, tries: int) -> Plan:
    limit = asker.budget.spent + share
    steps: list[Step] = []
    parts = subtasks(job.request.text)
    for number, part in enumerate(parts):
        here = _after(job.scene, steps)
        so_far = "\n".join(str(step.call) for step in steps) or "nothing"
        place = "\n".join(line for line in here.describe().splitlines() if line.startswith("You are"))
        told = ""
        kept: Sequence[Step] = ()
        for attempt in range(tries):
            words = f"Planned so far:\n{so_far}\n{place}\nNow plan only this part of the request:\n{part}\n{EMPTY}"
            if told:
                words += f"\nYour last plan for it cannot be carried out:\n{told}"
            answer = await _answer(
                asker, PlanningJob(here, job.context, job.request), words, limit - asker.budget.spent,
                warm=attempt > 0, part=part, told=told,
            )  # fmt: skip
            if answer is None:
                break
            plan = read_plan(answer, here, job.request)
            if tries == 1:
                kept = plan.steps
                break
            if not plan.steps and answer.strip().lower().startswith("nothing"):
                break
            faults = PlanningJob(here, job.context, job.request, job.table).faults(plan)
            valid = plan.steps[: min((fault.step for fault in faults), default=len(plan.steps) + 1) - 1]
            kept = max(kept, valid, key=len)
            if not faults:
                kept = plan.steps
                break
            told = reasons(faults)
        steps += [step.model_copy(update={"subtask": number}) for step in kept]
    return Plan(subtasks=tuple(parts), steps=tuple(steps))


def _after(scene: World, steps: Sequence[Step]) -> World:
    """The world as it would be after `steps`; steps that cannot be done are passed over."""
    facts = scene.facts
    for step in steps:
        if not scene.check(step.call) and not scene.missing(step.call, facts):
            facts = changed(facts, scene.effect(step.call, facts))
    later = copy.copy(scene)
    later.facts = facts
    return later


Planner = Callable[[Asker, PlanningJob, int], Awaitable[Plan]]
PLANNERS: Mapping[str, Planner] = {
    "single": single,
    "best_of_n": best_of_n,
    "ask_again": ask_again,
    "decomposed": decomposed,
    "validated": validated,
}
