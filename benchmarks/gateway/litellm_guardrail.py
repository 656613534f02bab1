"""One guardrail for the LiteLLM proxy, of the custom kind that its documentation shows: it forbids a phrase."""

from __future__ import annotations

from typing import Any

from litellm.integrations.custom_guardrail import CustomGuardrail


class Forbids(CustomGuardrail):  # type: ignore[misc]  # it has no types
    async def async_post_call_success_hook(self, data: dict[str, Any], user_api_key_dict: Any, response: Any) -> Any:
        del data, user_api_key_dict
        if "swordfish" in (response.choices[0].message.content or "").lower():
            raise ValueError("forbidden")
        return response
