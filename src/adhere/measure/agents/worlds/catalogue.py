"""All tasks by their keys: what a sample of Inspect names, and the world at its beginning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adhere.measure.agents.worlds import household_tasks, workshop_tasks
from adhere.measure.agents.worlds.task import AgentTask, SplitName
from adhere.measure.agents.worlds.world import World

WORLDS = ("household", "workshop")
TASK_KEY = "agent_task"
"""Key of a sample's metadata that says which task it is."""

SIZES = (3, 6, 10, 16)
"""Steps of the reference plans, where nothing else is said."""
CONSTRAINTS = tuple(range(1, 9))


def task_of(key: Mapping[str, Any]) -> AgentTask:
    """The task that a sample's metadata name."""
    if key["world"] == "household":
        return household_tasks.task(key["split"], key["seed"], key["size"])
    return workshop_tasks.task(key["split"], key["seed"], key["size"], key["k"])


def task_keys(
    world: str, split: SplitName, tasks: int, seed: int, sizes: Sequence[int], ks: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """The keys of `tasks` tasks, spread evenly over sizes and, in the workshop, over numbers of constraints."""
    for number in range(tasks):
        key = {"world": world, "split": split, "seed": seed + number, "size": sizes[number % len(sizes)]}
        yield key if world == "household" else {**key, "k": ks[number % len(ks)]}


def scene_of(task: AgentTask) -> World:
    """The world at the beginning of `task`."""
    return household_tasks.world(task) if task.world == "household" else workshop_tasks.world(task)
