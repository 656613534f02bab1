"""Custom tools: they take one text where functions take an object.

An upstream is offered a function with one argument, `input`, which every upstream understands; what it calls is handed
back to the client as a call of its custom tool.
"""

from __future__ import annotations

import json

from adhere.gateway.exchange import Tool
from adhere.gateway.wire.fields import Json, string

SCHEMA = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def custom_tool(tool: Json, where: str) -> Tool:
    """The tool as a function. A grammar for its text is part of the description: the upstream is not held to it."""
    description = string(tool, "description", where, "")
    layout = tool.get("format")
    if isinstance(layout, dict) and isinstance(layout.get("definition"), str):
        description += f"\n\nThe input follows this {layout.get('syntax', '')} grammar:\n{layout['definition']}"
    return Tool(string(tool, "name", where), description, SCHEMA, custom=True)


def as_arguments(text: str) -> str:
    """The arguments of the function, for the input of the custom tool."""
    return json.dumps({"input": text}, ensure_ascii=False)


def as_text(arguments: str) -> str:
    """The input of the custom tool; all of the arguments where they are not what was asked for."""
    try:
        value = json.loads(arguments)
    except ValueError:
        return arguments
    text = value.get("input") if isinstance(value, dict) else None
    return text if isinstance(text, str) else arguments
