"""Inspect: a scorer for anybody's dataset, and a solver that repairs.

    from adhere import as_inspect_scorer
    from adhere.integrations.inspect import constraint_solver

    Task(dataset=..., solver=constraint_solver(), scorer=as_inspect_scorer())

A sample states its constraints in `metadata["constraints"]`: an instruction in English, the JSON of a constraint, or a
list of these. Constraints that are given to the scorer apply to every sample instead.
"""

from __future__ import annotations

from typing import Any

from inspect_ai.model import ChatMessageUser
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from adhere.api.check import Checks, Constraints, check, constraints_of
from adhere.constraints.reasoning import answer
from adhere.core.errors import UserError

METADATA = "constraints"
"""The key of a sample's metadata that states its constraints."""


@scorer(name="adhere_constraints", metrics={"all": [mean(), stderr()], "share": [mean(), stderr()]})
def constraint_scorer(constraints: Any = None) -> Scorer:
    """Score an answer by its constraints: `all` (1 where every constraint is met) and `share` (the share met).

    An empty answer meets nothing. The explanation states why each constraint that is not met is not.

    Args:
        constraints: apply to every sample; None reads each sample's own from its metadata.

    Raises:
        UserError: a sample states no constraints, or none that can be read.
    """
    shared = None if constraints is None else [one.to_json() for one in constraints_of(constraints)]

    async def score(state: TaskState, target: Target) -> Score:
        del target
        text = state.output.completion
        checks = checked(state, text, shared)
        values = {"all": float(checks.all_met), "share": checks.share}
        if not checks.text.strip():
            values = {"all": 0.0, "share": 0.0}
        return Score(
            value=values,
            answer=text,
            explanation=checks.feedback or "every constraint is met",
            metadata=checks.to_json(),
        )

    return score


as_inspect_scorer = constraint_scorer


@solver(name="adhere_repair")
def constraint_solver(constraints: Any = None, attempts: int = 2) -> Solver:
    """Draft, check, repair: ask again with what is not met, until everything is or the attempts are used up.

    Args:
        constraints: apply to every sample; None reads each sample's own from its metadata.
        attempts: repairs of one answer, at most.

    Raises:
        UserError: a sample states no constraints, or none that can be read.
    """
    shared = None if constraints is None else [one.to_json() for one in constraints_of(constraints)]

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        state = await generate(state)
        for _ in range(attempts):
            checks = checked(state, state.output.completion, shared)
            if checks.all_met:
                break
            state.messages.append(ChatMessageUser(content=REPAIR.format(feedback=checks.feedback)))
            state = await generate(state)
        return state

    return solve


REPAIR = "Your answer does not meet these instructions:\n{feedback}\nAnswer again, complete, and meet all of them."


def checked(state: TaskState, text: str, shared: Constraints | None) -> Checks:
    """The checks of an answer, its reasoning left out.

    Raises:
        UserError: the sample states no constraints, or none that can be read.
    """
    stated = state.metadata.get(METADATA) if shared is None else shared
    if not stated:
        raise UserError(f'sample {state.sample_id} states no constraints: put them into its metadata["{METADATA}"]')
    return check(stated, answer(text).text)
