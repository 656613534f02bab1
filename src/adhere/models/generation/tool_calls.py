"""Calls of tools in what an open-weight model wrote.

Two forms are read: that of Hermes and Qwen (`<tool_call>{...}</tool_call>`) and that of Llama 3 (the answer is one JSON
object with a name). What does not parse stays text: it is no call.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_TOOL_CALL = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.S)


@dataclass(frozen=True)
class Call:
    name: str
    arguments: dict[str, Any]


def split(text: str) -> tuple[str, tuple[Call, ...]]:
    """The text without its calls, and the calls."""
    found = [match[1] for match in _TOOL_CALL.finditer(text)]
    rest = _TOOL_CALL.sub("", text).strip() if found else ""
    if not found and text.lstrip().startswith("{"):
        found = [text.strip()]
    calls: list[Call] = []
    for record in found:
        try:
            call = json.loads(record)
            arguments = call.get("arguments", call.get("parameters", {}))
            if isinstance(call["name"], str) and isinstance(arguments, dict):
                calls.append(Call(call["name"], arguments))
        except (ValueError, KeyError, TypeError, AttributeError):
            return text, ()
    return (rest, tuple(calls)) if calls else (text, ())
