"""LangChain and LangGraph: an output guard, as a step of a chain.

chain = prompt | model | guard("Answer in under 50 words.")
"""

from __future__ import annotations

from typing import Any, Literal

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableLambda

from adhere.api.check import Checks, Constraints, check, constraints_of


class NotAdheringError(ValueError):
    """An output that does not meet its constraints; `checks` says which, why, and where."""

    def __init__(self, checks: Checks) -> None:
        super().__init__(
            f"the output does not meet {len(checks.failed)} of {len(checks)} constraints:\n{checks.feedback}"
        )
        self.checks = checks


def guard(constraints: Constraints, otherwise: Literal["raise", "flag"] = "raise") -> Runnable[Any, Any]:
    """A step that passes on an output that meets all `constraints`.

    Args:
        constraints: an instruction in English, a constraint, its JSON, or several of these.
        otherwise: `raise` a `NotAdheringError` (which `with_fallbacks` and `with_retry` catch), or `flag`: pass the
            message on with the verdicts in `response_metadata["adhere"]`.

    Raises:
        UserError: the instruction states no constraint.
    """
    required = constraints_of(constraints)

    def step(output: Any) -> Any:
        text = str(output.text) if isinstance(output, BaseMessage) else output
        checks = check(required, text)
        if otherwise == "flag" and isinstance(output, BaseMessage):
            metadata = {**getattr(output, "response_metadata", {}), "adhere": checks.to_json()}
            return output.model_copy(update={"response_metadata": metadata})
        if not checks.all_met:
            raise NotAdheringError(checks)
        return output

    return RunnableLambda(step, name="adhere")
