"""How a library of skills grows with practice, and what it is worth: success on new tasks, with and without it.

Rules

- Skills are learned from errands of the practice split and used on the test split, which shares no content with it.
- The planner is the script `hasty-P`, which leaves out a step with probability P. An errand that a skill covers is done
  by the skill, so no step of it is left out. With and without the library the same steps are left out of the rest.
- Success is a predicate on the end state, as everywhere.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from adhere.core.findings import Finding
from adhere.core.intervals import wilson
from adhere.measure.agents.run_charter import RunCharter
from adhere.measure.agents.skills import Library, Trial, about, generalised
from adhere.measure.agents.worlds import household_tasks
from adhere.measure.agents.worlds.household import Household
from adhere.measure.agents.worlds.task import AgentTask
from adhere.measure.agents.worlds.world import Call, Goal
from adhere.warden.canonical import Refused

PRACTICE = (0, 1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class LearningPoint:
    """What a library of `practised` tasks is worth on `n` test tasks."""

    practised: int
    skills: int
    covered: float
    """Share of the test tasks' errands that a skill does."""
    reached_with: int
    reached_without: int
    n: int


def errands(task: AgentTask) -> list[tuple[str, list[Call]]]:
    """The errands of a task: the words, and the acts of the reference plan."""
    start = 0
    parts = []
    for words, count in task.errands:
        parts.append((words, list(task.reference[start : start + count])))
        start += count
    return parts


def learn(library: Library, task: AgentTask) -> int:
    """Make skills of the errands of `task` that none covers yet; how many were admitted."""
    learned = 0
    scene = household_tasks.world(task)
    for words, calls in errands(task):
        before = scene.facts
        for call in calls:
            scene.act(call)
        if not calls or any(call.tool == "ask" for call in calls) or library.covering(calls) is not None:
            continue
        values = about(calls)
        goal = Goal((tuple(sorted(scene.facts - before)),))
        skill = generalised(f"skill {len(library.skills) + 1}", words, calls, values)
        trial = Household(before, [goal], task.wanted, task.answers, task.texts)
        try:
            library.admit(skill, [Trial(trial, values)])
        except Refused:
            continue
        learned += 1
    return learned


def success(task: AgentTask, library: Library | None, miss: float) -> tuple[bool, int]:
    """Whether the hasty planner reaches the end of `task`, and how many errands a skill did."""
    scene = household_tasks.world(task)
    covered = 0
    for number, (_, calls) in enumerate(errands(task)):
        generator = random.Random(f"learning {task.id} {number}")
        known = library.covering(calls) if library is not None else None
        if known is not None and library is not None:
            covered += 1
            calls = library.plan(*known)
        else:
            calls = [call for call in calls if generator.random() >= miss]
        for call in calls:
            scene.act(call)
    return scene.reached(), covered


def curve(
    run: RunCharter, *, tests: int = 100, size: int = 8, miss: float = 0.2, practice: Sequence[int] = PRACTICE
) -> list[LearningPoint]:
    """The library after each number of practice tasks, tried on `tests` new ones."""
    library = Library(run)
    new = [household_tasks.task("test", seed, size) for seed in range(tests)]
    alone = sum(success(task, None, miss)[0] for task in new)
    points = []
    practised = 0
    for target in practice:
        while practised < target:
            learn(library, household_tasks.task("practice", practised, size))
            practised += 1
        results = [success(task, library, miss) for task in new]
        total = sum(len(task.errands) for task in new)
        points.append(
            LearningPoint(
                practised=practised,
                skills=len(library.skills),
                covered=sum(count for _, count in results) / total,
                reached_with=sum(reached for reached, _ in results),
                reached_without=alone,
                n=tests,
            )
        )
    return points


def findings_of(points: Sequence[LearningPoint], miss: float, recompute: str = "") -> list[Finding]:
    """A finding `agents.skills` for every point."""
    return [
        Finding(
            what="agents.skills",
            subject={
                "practised": one.practised, "skills": one.skills, "covered": one.covered, "miss": miss,
                "without": one.reached_without / one.n,
            },
            estimate=one.reached_with / one.n,
            interval=wilson(one.reached_with, one.n),
            n=one.n,
            unit="share of new tasks whose end was reached with the library",
            recompute=recompute,
        )
        for one in points
    ]  # fmt: skip
