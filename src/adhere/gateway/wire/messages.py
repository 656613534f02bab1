"""Anthropic's messages: the client's side.

Rules
- A tool's result stands in a user message on the wire; in the normal form it is a message of the tool's, which has no
  authority. What the user says beside it stays the user's.
- Thoughts are handed back and forth with their signatures, unchanged. Server tools act at the upstream, out of sight:
  they are not offered to the model, and reported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from adhere.gateway.exchange import (
    Form,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Unreadable,
    Usage,
)
from adhere.gateway.wire import sse
from adhere.gateway.wire.fields import Json, boolean, items, mapping, request, result, string
from adhere.gateway.wire.form import Answer, Failure, Head, Thought
from adhere.gateway.wire.kinds import MESSAGES, carried
from adhere.gateway.wire.limits import DEFAULT, Limits, within

form: Form = "messages"

_PASSED = frozenset({"temperature", "top_p", "top_k"})
_KNOWN = _PASSED | frozenset(
    "model messages system max_tokens stop_sequences stream tools tool_choice metadata constraints".split()
)
_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def read(body: Json, limits: Limits = DEFAULT) -> Request:
    given = items(body.get("messages"), "messages")
    if not given:
        raise Unreadable("messages is empty", "messages")
    within(len(given), limits.messages, "messages", "messages")
    messages = [
        m for i, value in enumerate(given) for m in _message(mapping(value, f"messages[{i}]"), f"messages[{i}]")
    ]
    if body.get("system") is not None:
        messages.insert(0, Message("system", tuple(_blocks(body["system"], "system"))))
    return request(
        form,
        body,
        messages=messages,
        tool=_tool,
        parameters=_parameters(body),
        known=_KNOWN,
        usage_wanted=True,
        limits=limits,
    )


def _parameters(body: Json) -> dict[str, Any]:
    asked = {k: v for k, v in body.items() if k in _PASSED and v is not None}
    tokens = body.get("max_tokens")
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
        raise Unreadable("max_tokens must be a whole number above 0", "max_tokens")
    asked["max_completion_tokens"] = tokens
    if stops := items(body.get("stop_sequences") or [], "stop_sequences"):
        asked["stop"] = stops
    output = mapping(body.get("output_config") or {}, "output_config")
    layout = output.get("format") or body.get("output_format")
    if isinstance(layout, dict) and layout.get("type") == "json_schema":
        schema = {"name": "answer", "schema": layout.get("schema")}
        asked["response_format"] = {"type": "json_schema", "json_schema": schema}
    user = mapping(body.get("metadata") or {}, "metadata").get("user_id")
    if isinstance(user, str):
        asked["user"] = user
    choice = body.get("tool_choice")
    if choice is not None:
        choice = mapping(choice, "tool_choice")
        if choice.get("disable_parallel_tool_use"):
            asked["parallel_tool_calls"] = False
        kind = str(choice.get("type"))
        if kind == "tool":
            asked["tool_choice"] = {"type": "function", "function": {"name": string(choice, "name", "tool_choice.")}}
        elif kind in _CHOICES:
            asked["tool_choice"] = _CHOICES[kind]
        else:
            raise Unreadable(f"tool_choice: the type {kind[:40]!r} is unknown", "tool_choice")
    return asked


def _message(message: Json, where: str) -> Iterator[Message]:
    kept = carried(message, MESSAGES.message, ("role", "content"), where)
    role = message.get("role")
    if role not in ("user", "assistant", "system"):
        raise Unreadable(f"{where}.role: unknown role {str(role)[:40]!r}", f"{where}.role")
    parts = _blocks(message.get("content"), f"{where}.content")
    results = tuple(part for part in parts if isinstance(part, ToolResult))
    if results and role != "user":
        raise Unreadable(f"{where}: a tool's result stands in a user's message", where)
    if results:
        yield Message("tool", results)
    said = tuple(part for part in parts if not isinstance(part, ToolResult))
    if said or not results:
        yield Message(role, said, kept)


def _blocks(content: Any, where: str) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)]
    return [_block(mapping(block, where), f"{where}[{i}]") for i, block in enumerate(items(content, where))]


def _block(block: Json, where: str) -> Part:
    kind = str(block.get("type"))
    if kind == "text":
        kept = carried(block, MESSAGES.part, ("type", "text"), where)
        return Text(string(block, "text", f"{where}."), kept)
    if kind == "tool_use":
        kept = carried(block, MESSAGES.call, ("type", "id", "name", "input"), where)
        arguments = json.dumps(mapping(block.get("input"), f"{where}.input"))
        return ToolCall(string(block, "id", f"{where}."), string(block, "name", f"{where}."), arguments, kept)
    if kind == "tool_result":
        kept = carried(block, MESSAGES.part, ("type", "tool_use_id", "content", "is_error"), where)
        parts = _blocks(block.get("content") or "", f"{where}.content")
        return result(string(block, "tool_use_id", f"{where}."), parts, where, boolean(block, "is_error"), kept)
    if kind == "thinking":
        return Reasoning(string(block, "thinking", f"{where}."), block)
    if kind == "redacted_thinking":
        return Opaque(block)
    if kind == "image":
        return Media("image", {"type": "image_url", "image_url": {"url": _url(block, where)}})
    if kind == "document" and mapping(block.get("source"), f"{where}.source").get("type") in ("text", "content"):
        return _document(block, where)
    if kind == "document":
        return Media("file", {"type": "file", "file": {"file_data": _url(block, where)}})
    raise Unreadable(f"{where}: a block of the unknown type {kind[:40]!r}", where)


def _document(block: Json, where: str) -> Text:
    """A document of plain text: its words are read, with its title and context."""
    source = mapping(block["source"], f"{where}.source")
    if source["type"] == "text":
        text = string(source, "data", f"{where}.source.")
    else:
        parts = _blocks(source.get("content"), f"{where}.source.content")
        text = result("", parts, where).text
    head = [string(block, name, f"{where}.") for name in ("title", "context") if block.get(name)]
    return Text("\n".join([*head, text]))


def _url(block: Json, where: str) -> str:
    source = mapping(block.get("source"), f"{where}.source")
    if source.get("type") == "url":
        return string(source, "url", f"{where}.source.")
    if source.get("type") == "base64":
        kind, data = (string(source, name, f"{where}.source.") for name in ("media_type", "data"))
        return f"data:{kind};base64,{data}"
    raise Unreadable(f"{where}.source: its type is unknown", f"{where}.source")


def _tool(value: Any, where: str) -> Tool | None:
    tool = mapping(value, where)
    if tool.get("type") not in (None, "custom"):
        return None  # it acts at the upstream, out of sight: it is not offered, and reported
    kept = carried(tool, MESSAGES.tool, ("type", "name", "description", "input_schema", "strict"), where)
    return Tool(
        string(tool, "name", f"{where}."),
        string(tool, "description", f"{where}.", ""),
        mapping(tool.get("input_schema") or {}, f"{where}.input_schema"),
        boolean(tool, "strict") if tool.get("strict") is not None else None,
        carried=kept,
    )


# writing


def _used(call: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}


def _usage(usage: Usage) -> dict[str, int]:
    cached = {"cache_read_input_tokens": usage.cached} if usage.cached else {}
    return {"input_tokens": usage.input - usage.cached, "output_tokens": usage.output, **cached}


def answer(head: Head, said: Answer) -> dict[str, Any]:
    content: list[Any] = list(said.thought.blocks_as(form))
    content += [{"type": "text", "text": said.text}] if said.text or not said.calls else []
    content += [_used(call) for call in said.calls]
    return {
        "id": f"msg_{head.id}",
        "type": "message",
        "role": "assistant",
        "model": head.model,
        "content": content,
        "stop_reason": _STOPS[said.reason],
        "stop_sequence": None,
        "usage": _usage(said.usage),
        "adhere": said.report,
    }


_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
    504: "timeout_error",
}


def error(failure: Failure) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": "error",
        "error": {"type": _KINDS.get(failure.status, "api_error"), "message": failure.text, "code": failure.kind},
    }
    return body if failure.report is None else {**body, "adhere": failure.report}


class Stream:
    """Writes one streamed answer."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._place = -1
        self._open = False

    def start(self) -> bytes:
        message = {**answer(self._head, Answer("")), "content": [], "stop_reason": None}
        del message["adhere"]
        return sse.write({"type": "message_start", "message": message}, "message_start")

    def _begin(self, block: dict[str, Any]) -> bytes:
        self._place += 1
        return sse.write(
            {"type": "content_block_start", "index": self._place, "content_block": block}, "content_block_start"
        )

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return sse.write({"type": "content_block_delta", "index": self._place, "delta": delta}, "content_block_delta")

    def _end(self) -> bytes:
        return sse.write({"type": "content_block_stop", "index": self._place}, "content_block_stop")

    def text(self, text: str) -> bytes:
        begun = b""
        if not self._open:
            self._open = True
            begun = self._begin({"type": "text", "text": ""})
        return begun + self._delta({"type": "text_delta", "text": text})

    def thought(self, thought: Thought) -> bytes:
        written = b""
        for block in thought.blocks_as(form):
            written += self._close()
            if block.get("type") != "thinking":
                written += self._begin(dict(block)) + self._end()
                continue
            written += self._begin({"type": "thinking", "thinking": "", "signature": ""})
            written += self._delta({"type": "thinking_delta", "thinking": block.get("thinking", "")})
            written += self._delta({"type": "signature_delta", "signature": block.get("signature", "")}) + self._end()
        return written

    def call(self, call: ToolCall) -> bytes:
        done = self._close()
        done += self._begin({**_used(call), "input": {}})
        return done + self._delta({"type": "input_json_delta", "partial_json": call.arguments}) + self._end()

    def _close(self) -> bytes:
        if not self._open:
            return b""
        self._open = False
        return self._end()

    def finish(self, said: Answer) -> bytes:
        delta = {
            "type": "message_delta",
            "delta": {"stop_reason": _STOPS[said.reason], "stop_sequence": None},
            "usage": _usage(said.usage),
            "adhere": said.report,
        }
        return self._close() + sse.write(delta, "message_delta") + sse.write({"type": "message_stop"}, "message_stop")

    def error(self, failure: Failure) -> bytes:
        return sse.write(error(failure), "error")


def writer(head: Head) -> Stream:
    return Stream(head)
