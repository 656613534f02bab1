"""The environment for `verifiers`: its real tasks and traces, scored as its own runner scores them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

vf = pytest.importorskip("verifiers.v1", reason="verifiers pins other versions of openai and mcp: run in its own venv")

MATH = {"domain": "math", "prompt": "2 + 2?", "answer": "4"}
ROWS = [
    {"prompt": "Describe the sea in at most 5 words."},
    {"prompt": "2 + 2?", "constraints": [{"kind": "length.words", "at_most": 9}], "problem": MATH},
]


@pytest.fixture
def tasks(tmp_path: Path) -> list[Any]:
    from adhere.integrations.verifiers import ConstraintTaskset, ConstraintTasksetConfig

    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return list(ConstraintTaskset(ConstraintTasksetConfig(path=path)))


def scored(task: Any, reply: str) -> dict[str, float]:
    trace = vf.Trace(
        task=vf.TraceTask(type=type(task).__name__, data=task.data, key=task.key, hash=task.hash),
        agent=vf.AgentInfo(config=vf.AgentConfig()),
        root_reply=reply,
    )
    asyncio.run(task.score(trace))
    return {name: reward.value for name, reward in trace.rewards.items() if reward is not None}


def test_each_task_is_paid_for_its_own_constraints_and_problem(tasks: list[Any]) -> None:
    assert scored(tasks[0], "The sea is blue.") == {"constraints": 1.0}
    assert scored(tasks[0], "The sea is blue and wide.") == {"constraints": 0.0}
    assert scored(tasks[1], "The answer is 4.") == {"constraints": 1.0, "problem": 1.0}
    assert scored(tasks[1], "It is 5, and I say so in very many words.") == {"constraints": 0.0, "problem": 0.0}


def test_a_check_that_breaks_is_an_error_and_no_reward_of_nothing(
    tasks: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from adhere.constraints import Words

    monkeypatch.setattr(Words, "check", lambda *_: 1 / 0)
    with pytest.raises(vf.TaskError):
        scored(tasks[0], "The sea.")


def test_the_reward_fits_into_another_taskset(tasks: list[Any]) -> None:
    from adhere.integrations.verifiers import constraints_reward

    trace = type("Trace", (), {"last_reply": "The sea is blue."})()
    assert asyncio.run(constraints_reward(tasks[0].data, trace)) == 1.0
