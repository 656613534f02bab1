"""OpenAI's chat completions: the client's side.

Rules
- Known parameters go to the upstream as they came; an unknown one is refused unless the policy names it. What would
  make the upstream say more than the answer (several choices, log-probabilities, audio) is refused.
- An answer has one choice, index 0. A tool call is written whole, in one chunk, once it is released.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adhere.gateway.exchange import (
    Form,
    Media,
    Message,
    Part,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Unreadable,
)
from adhere.gateway.exchange import Usage as Tokens
from adhere.gateway.wire import sse
from adhere.gateway.wire.fields import Json, boolean, items, mapping, only, request, string
from adhere.gateway.wire.form import Answer, Failure, Head
from adhere.gateway.wire.limits import DEFAULT, Limits, within

form: Form = "chat"

PARAMETERS = frozenset(
    "temperature top_p max_tokens max_completion_tokens stop presence_penalty frequency_penalty logit_bias seed user "
    "tool_choice parallel_tool_calls response_format reasoning_effort verbosity metadata service_tier store "
    "prompt_cache_key safety_identifier top_k min_p repetition_penalty".split()
)
_KNOWN = PARAMETERS | {"model", "messages", "tools", "stream", "stream_options", "constraints", "n"}
_MEDIA = {"image_url": "image", "input_audio": "audio", "file": "file"}


def read(body: Json, limits: Limits = DEFAULT) -> Request:
    if body.get("n") not in (None, 1):
        raise Unreadable("n: one answer at a time, ask again for another", "n")
    options = mapping(body.get("stream_options") or {}, "stream_options")
    return request(
        form,
        body,
        messages=(_message(m, f"messages[{i}]") for i, m in enumerate(_some(body, limits))),
        tool=_tool,
        parameters={k: v for k, v in body.items() if k in PARAMETERS and v is not None},
        known=_KNOWN,
        usage_wanted=boolean(options, "include_usage"),
        limits=limits,
    )


def _some(body: Json, limits: Limits) -> list[Any]:
    messages = items(body.get("messages"), "messages")
    if not messages:
        raise Unreadable("messages is empty", "messages")
    within(len(messages), limits.messages, "messages", "messages")
    return messages


def _message(value: Any, where: str) -> Message:
    message = mapping(value, where)
    role = message.get("role")
    content = message.get("content")
    if role == "tool":
        only(message, ("role", "content", "tool_call_id", "name"), where)
        text = "".join(_text_only(part, where) for part in _parts(content, where))
        return Message("tool", (ToolResult(string(message, "tool_call_id", f"{where}."), text),))
    if role in ("system", "developer", "user"):
        only(message, ("role", "content", "name"), where)
        return Message(role, tuple(_parts(content, where)))
    if role != "assistant":
        raise Unreadable(f"{where}.role: nobody here knows the role {str(role)[:40]!r}", f"{where}.role")
    only(message, _ASSISTANT, where)
    parts: list[Part] = []
    thought = message.get("reasoning_content") or message.get("reasoning")
    if thought:
        parts.append(Reasoning(thought if isinstance(thought, str) else _unreadable(where, "reasoning")))
    parts += _parts(content, where) if content is not None else ()
    if message.get("refusal"):
        parts.append(Text(string(message, "refusal", f"{where}.")))
    for call in items(message.get("tool_calls") or [], f"{where}.tool_calls"):
        parts.append(_call(call, f"{where}.tool_calls"))
    return Message("assistant", tuple(parts))


_ASSISTANT = ("role", "content", "name", "refusal", "reasoning_content", "reasoning", "tool_calls", "adhere")


def _unreadable(where: str, name: str) -> str:
    raise Unreadable(f"{where}.{name} must be a string", f"{where}.{name}")


def _parts(content: Any, where: str) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)]
    return [
        _part(mapping(p, f"{where}.content"), f"{where}.content[{i}]")
        for i, p in enumerate(items(content, f"{where}.content"))
    ]


def _part(part: Json, where: str) -> Part:
    kind = str(part.get("type"))
    if kind in ("text", "refusal"):
        return Text(string(part, kind, f"{where}."))
    if kind in _MEDIA:
        return Media(_MEDIA[kind], part)  # type: ignore[arg-type]  # the values are its kinds
    raise Unreadable(f"{where}: nobody here can read a part of type {kind[:40]!r}", where)


def _text_only(part: Part, where: str) -> str:
    if not isinstance(part, Text):
        raise Unreadable(f"{where}: a tool's result is text", where)
    return part.text


def _call(value: Any, where: str) -> ToolCall:
    call = mapping(value, where)
    only(call, ("id", "type", "function", "index"), where)
    if call.get("type", "function") != "function":
        raise Unreadable(f"{where}: nobody here can read a call of type {str(call.get('type'))[:40]!r}", where)
    function = mapping(call.get("function"), f"{where}.function")
    only(function, ("name", "arguments"), f"{where}.function")
    return ToolCall(
        string(call, "id", f"{where}."),
        string(function, "name", f"{where}."),
        string(function, "arguments", f"{where}."),
    )


def _tool(value: Any, where: str) -> Tool:
    tool = mapping(value, where)
    if tool.get("type") != "function":
        raise Unreadable(f"{where}: nobody here can read a tool of type {str(tool.get('type'))[:40]!r}", where)
    function = mapping(tool.get("function"), f"{where}.function")
    only(function, ("name", "description", "parameters", "strict"), f"{where}.function")
    return Tool(
        string(function, "name", f"{where}.function."),
        string(function, "description", f"{where}.function.", ""),
        mapping(function.get("parameters") or {}, f"{where}.function.parameters"),
        boolean(function, "strict") if function.get("strict") is not None else None,
    )


# writing


def _usage(usage: Tokens) -> dict[str, int]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }


def _calls(calls: tuple[ToolCall, ...]) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in calls
    ]


def answer(head: Head, said: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": said.text if said.text or not said.calls else None,
        "refusal": None,
    }
    if said.calls:
        message["tool_calls"] = _calls(said.calls)
    return {
        "id": f"chatcmpl-{head.id}",
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": said.reason}],
        "usage": _usage(said.usage),
        "adhere": said.report,
    }


def error(failure: Failure) -> dict[str, Any]:
    body: dict[str, Any] = {
        "message": failure.text,
        "type": "invalid_request_error" if failure.status < 500 else "server_error",
        "param": failure.where or None,
        "code": failure.kind,
    }
    return {"error": body} if failure.report is None else {"error": body, "adhere": failure.report}


class Stream:
    """Writes one streamed answer."""

    def __init__(self, head: Head) -> None:
        self._base = {
            "id": f"chatcmpl-{head.id}",
            "object": "chat.completion.chunk",
            "created": head.created,
            "model": head.model,
        }
        self._usage_wanted = head.request.usage_wanted
        self._calls = 0

    def _chunk(self, delta: Mapping[str, Any], reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return sse.write({**self._base, "choices": [choice], **more})

    def start(self) -> bytes:
        return self._chunk({"role": "assistant", "content": ""})

    def text(self, text: str) -> bytes:
        return self._chunk({"content": text})

    def call(self, call: ToolCall) -> bytes:
        index, self._calls = self._calls, self._calls + 1
        return self._chunk({"tool_calls": [{"index": index, **_calls((call,))[0]}]})

    def finish(self, said: Answer) -> bytes:
        end = self._chunk({}, said.reason, adhere=said.report)
        if self._usage_wanted:
            end += sse.write({**self._base, "choices": [], "usage": _usage(said.usage), "adhere": said.report})
        return end + sse.DONE

    def error(self, failure: Failure) -> bytes:
        return sse.write(error(failure))


def writer(head: Head) -> Stream:
    return Stream(head)
