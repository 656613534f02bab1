"""Inspect's messages and tools as chat templates and OpenAI's API take them."""

from __future__ import annotations

import json
from typing import Any

from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageTool
from inspect_ai.tool import ToolInfo


def template_message(message: ChatMessage) -> dict[str, Any]:
    """A message as a tokenizer's chat template takes it: arguments of calls are objects."""
    record: dict[str, Any] = {"role": message.role, "content": message.text}
    if isinstance(message, ChatMessageAssistant) and message.tool_calls:
        record["tool_calls"] = [
            {"type": "function", "id": call.id, "function": {"name": call.function, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if isinstance(message, ChatMessageTool):
        record["name"] = message.function or ""
        record["tool_call_id"] = message.tool_call_id or ""
    return record


def api_message(message: ChatMessage) -> dict[str, Any]:
    """A message as OpenAI's API takes it: arguments of calls are JSON in a string."""
    record = template_message(message)
    for call in record.get("tool_calls", ()):
        call["function"]["arguments"] = json.dumps(call["function"]["arguments"], ensure_ascii=False)
    return record


def tool_schema(tool: ToolInfo) -> dict[str, Any]:
    """A tool as both take it."""
    parameters = tool.parameters.model_dump(exclude_none=True)
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }
