"""OpenAI Agents SDK: an output guardrail. An answer that does not meet its constraints trips it.

agent = Agent(name="support", output_guardrails=[guardrail("Answer in under 50 words.")])
"""

from __future__ import annotations

from typing import Any

from agents import Agent, GuardrailFunctionOutput, OutputGuardrail, RunContextWrapper

from adhere.api.check import Constraints, check, constraints_of


def guardrail(constraints: Constraints, name: str = "adhere") -> OutputGuardrail[Any]:
    """A guardrail that trips where the final output does not meet all `constraints`; `output_info` holds the verdicts.

    Args:
        constraints: an instruction in English, a constraint, its JSON, or several of these.
        name: of the guardrail, in traces.

    Raises:
        UserError: the instruction states no constraint.
    """
    required = constraints_of(constraints)

    async def adheres(context: RunContextWrapper[Any], agent: Agent[Any], output: Any) -> GuardrailFunctionOutput:
        del context, agent
        checks = check(required, output)
        return GuardrailFunctionOutput(output_info=checks.to_json(), tripwire_triggered=not checks.all_met)

    return OutputGuardrail(guardrail_function=adheres, name=name)
