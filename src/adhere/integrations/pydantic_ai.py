"""pydantic-ai: an output guard. The model is asked again with what its answer does not meet.

agent = Agent("openai:gpt-5", retries=2)
guard_output(agent, "Answer in under 50 words.")
"""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent, ModelRetry

from adhere.api.check import Checked, Constraints, check, constraints_of


def guard_output(agent: Agent[Any, str], constraints: Constraints) -> None:
    """Let `agent` deliver only texts that meet all `constraints`; others are sent back with the reasons.

    Args:
        agent: an agent whose output is a string.
        constraints: an instruction in English, a constraint, its JSON, or several of these.

    Raises:
        UserError: the instruction states no constraint.
    """
    required = constraints_of(constraints)

    @agent.output_validator
    def adheres(output: str) -> str:
        failed: tuple[Checked, ...] = check(required, output).failed
        if failed:
            raise ModelRetry("\n".join(["The answer does not meet:", *(f"- {one.feedback}" for one in failed)]))
        return output
