"""Constraints as an environment of `verifiers` (0.4, `verifiers.v1`): a taskset with its rewards.

    from adhere.integrations.verifiers import ConstraintTaskset     # in your module `house_style.py`
    # uv run vf eval house_style --env.taskset.path prompts.jsonl

    rewards.adhere.fn = "adhere.integrations.verifiers:constraints_reward"   # or one reward in an environment of yours

Rules:

- The taskset reads rows of prompts (`train.rows`): each is a task with its constraints and, where it has one, its
  problem. The reward `constraints` is `train.reward.Reward`'s; `problem` is the problem's own grade.
- A check that fails with an error raises. verifiers then records an error for that trace, and no reward of 0.
- Only what the assistant says last is judged, its reasoning taken out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import verifiers.v1 as vf

from adhere.train.problem_rows import problem_to_json
from adhere.train.reward import ProblemReward, Reward, constraints_of
from adhere.train.rows import read_rows


class ConstraintData(vf.TaskData):  # type: ignore[misc]
    """A prompt with its constraints and problem as JSON strings."""

    constraints: str = "[]"
    problem: str | None = None


class ConstraintTask(vf.Task[ConstraintData]):  # type: ignore[misc]
    """One prompt; its answer is paid for the constraints met and for the problem solved."""

    @vf.reward  # type: ignore[untyped-decorator]
    async def constraints(self, trace: Any) -> float:
        """1 where every constraint of the prompt is met, else 0; 1 where it has none."""
        return _paid(self.data.constraints, trace, self.data.prompt)

    @vf.reward  # type: ignore[untyped-decorator]
    async def problem(self, trace: Any) -> float | dict[str, float]:
        """1 where the problem is solved, else 0; no reward where there is none or it cannot be decided."""
        if self.data.problem is None:
            return {}
        [grade] = ProblemReward()([trace.last_reply], problem=[self.data.problem])
        return {} if grade is None else grade


class ConstraintTasksetConfig(vf.TasksetConfig):  # type: ignore[misc]
    """Which rows are loaded."""

    path: Path = Path("prompts.jsonl")


class ConstraintTaskset(vf.Taskset[ConstraintTask, ConstraintTasksetConfig]):  # type: ignore[misc]
    """The rows of a file as tasks."""

    def load(self) -> Iterable[ConstraintTask]:
        """The tasks, in the file's order.

        Raises:
            UserError: the file cannot be read, or a row is malformed.
        """
        for row in read_rows(self.config.path):
            system = [one["content"] for one in row.messages if one["role"] == "system"]
            data = ConstraintData(
                id=row.id,
                prompt=row.text,
                system_prompt="\n\n".join(system) or None,
                constraints=json.dumps([one.to_json() for one in row.constraints]),
                problem=None if row.problem is None else json.dumps(problem_to_json(row.problem)),
            )
            yield ConstraintTask(data, self.config.task)


async def constraints_reward(task: Any, trace: Any) -> float:
    """A reward for tasks of any taskset whose data have a field `constraints`: a JSON string, or a list of objects."""
    data = task if isinstance(task, Mapping) else task.model_dump()
    return _paid(data["constraints"], trace, data.get("prompt"))


def _paid(constraints: object, trace: Any, prompt: object) -> float:
    required = constraints_of(constraints)
    if not required:
        return 1.0
    return Reward(required).score(trace.last_reply, prompt=prompt if isinstance(prompt, str) else "").value
