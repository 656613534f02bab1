"""Asking the same model behind a gateway within a task that also asks it directly.

Its URL up to /v1 stands in ADHERE_GATEWAY_BASE_URL, its key in ADHERE_GATEWAY_API_KEY. What the gateway will not let
through (403), or will not deliver (422), is an answer: a refusal in words of our own, since an error's text may repeat
the request. A request that the model itself could not take (400, a prompt too long) has an empty answer, as bare. Any
other failure is an error of the sample.
"""

from __future__ import annotations

from inspect_ai.model import GenerateConfig, Model, ModelOutput, get_model
from inspect_ai.solver import Generate, Solver, TaskState, solver

SERVICE = "adhere-gateway"
REFUSED = frozenset({403, 422})
"""What a gateway answers when a policy, a monitor, the warden or the budget of repairs says no."""
UNREADABLE = 400
SAID = "I can't help with that: the gateway refused it."


class Behind:
    """The model behind the gateway; opened by the first question, since its provider reads the URL when it is made."""

    def __init__(self) -> None:
        self._opened: Model | None = None

    async def ask(self, state: TaskState, config: GenerateConfig | None = None) -> ModelOutput:
        """What the gateway answers to the messages of `state`."""
        if self._opened is None:
            self._opened = get_model(f"openai-api/{SERVICE}/{state.model.name}", memoize=False)
        try:
            return await self._opened.generate(state.messages, config=config or GenerateConfig())
        except Exception as error:
            status = getattr(error, "status_code", None)
            if status in REFUSED:
                return ModelOutput.from_content(state.model.name, SAID, stop_reason="content_filter")
            if status == UNREADABLE:
                return ModelOutput.from_content(state.model.name, "", stop_reason="model_length")
            raise


@solver
def behind_gateway() -> Solver:
    """Asks the gateway in the same words, with nothing added."""
    behind = Behind()

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        del generate
        state.output = await behind.ask(state)
        return state

    return solve
