"""OpenAI's chat completions: the client's side.

Rules
- Known parameters go to the upstream as they came; an unknown one is refused unless the policy names it. What would
  make the upstream say more than the answer (several choices, log-probabilities, audio) is refused.
- An answer has one choice, index 0. A tool call is written whole, in one chunk, once it is released.
"""

from __future__ import annotations

import json
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
    Unreadable,
)
from adhere.gateway.exchange import Usage as Tokens
from adhere.gateway.wire import sse
from adhere.gateway.wire.custom import as_arguments, as_text, custom_tool
from adhere.gateway.wire.fields import Json, boolean, items, mapping, only, request, result, string
from adhere.gateway.wire.form import Answer, Failure, Head, Thought
from adhere.gateway.wire.kinds import CHAT, carried
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
        kept = carried(message, CHAT.message, ("role", "content", "tool_call_id"), where)
        return Message(
            "tool", (result(string(message, "tool_call_id", f"{where}."), _parts(content, where), where),), kept
        )
    if role in ("system", "developer", "user"):
        kept = carried(message, CHAT.message, ("role", "content"), where)
        return Message(role, tuple(_parts(content, where)), kept)
    if role != "assistant":
        raise Unreadable(f"{where}.role: unknown role {str(role)[:40]!r}", f"{where}.role")
    kept = carried(message, CHAT.message, _ASSISTANT, where)
    parts: list[Part] = []
    thought = message.get("reasoning_content") or message.get("reasoning")
    if thought:
        parts.append(Reasoning(thought if isinstance(thought, str) else _unreadable(where, "reasoning")))
    parts += _parts(content, where) if content is not None else ()
    if message.get("refusal"):
        parts.append(Text(string(message, "refusal", f"{where}.")))
    for call in items(message.get("tool_calls") or [], f"{where}.tool_calls"):
        parts.append(_call(call, f"{where}.tool_calls"))
    return Message("assistant", tuple(parts), kept)


_ASSISTANT = ("role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls", "adhere")


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
        kept = carried(part, CHAT.part, ("type", kind), where)
        return Text(string(part, kind, f"{where}."), kept)
    if kind == "thinking":  # as Mistral has it: a list of texts, or one
        thought = part.get("thinking")
        pieces = thought if isinstance(thought, list) else [{"text": thought}]
        return Reasoning("".join(string(mapping(piece, where), "text", f"{where}.") for piece in pieces), part)
    if kind in _MEDIA:
        return Media(_MEDIA[kind], part)  # type: ignore[arg-type]  # the values are its kinds
    raise Unreadable(f"{where}: a part cannot be read whose type is {kind[:40]!r}", where)


def _call(value: Any, where: str) -> ToolCall:
    call = mapping(value, where)
    kept = carried(call, CHAT.call, ("id", "type", "function", "custom", "index"), where)
    kind = call.get("type") or "function"
    if kind == "custom":
        custom = mapping(call.get("custom"), f"{where}.custom")
        given = as_arguments(string(custom, "input", f"{where}.custom."))
        return ToolCall(string(call, "id", f"{where}."), string(custom, "name", f"{where}."), given, kept)
    if kind != "function":
        raise Unreadable(f"{where}: a call of the unknown type {str(kind)[:40]!r}", where)
    function = mapping(call.get("function"), f"{where}.function")
    kept |= carried(function, CHAT.call, ("name", "arguments"), f"{where}.function")
    arguments: Any = function.get("arguments")
    if isinstance(arguments, dict):  # as some clients send back what Ollama gave them
        arguments = json.dumps(arguments)
    elif arguments is None:
        arguments = "{}"
    elif not isinstance(arguments, str):
        raise Unreadable(f"{where}.arguments must be a string", f"{where}.arguments")
    return ToolCall(string(call, "id", f"{where}."), string(function, "name", f"{where}."), arguments, kept)


def _tool(value: Any, where: str) -> Tool | None:
    tool = mapping(value, where)
    if tool.get("type") == "custom":
        custom = mapping(tool.get("custom"), f"{where}.custom")
        return custom_tool(custom, f"{where}.custom.")
    if tool.get("type") != "function":
        return None  # it acts at the upstream, out of sight: it is not offered, and reported
    kept = carried(tool, CHAT.tool, ("type", "function"), where)
    function = mapping(tool.get("function"), f"{where}.function")
    only(function, ("name", "description", "parameters", "strict"), f"{where}.function")
    return Tool(
        string(function, "name", f"{where}.function."),
        string(function, "description", f"{where}.function.", ""),
        mapping(function.get("parameters") or {}, f"{where}.function.parameters"),
        boolean(function, "strict") if function.get("strict") is not None else None,
        carried=kept,
    )


# writing


def usage(tokens: Tokens) -> dict[str, Any]:
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
    }


def _call_line(head: Head, call: ToolCall) -> dict[str, Any]:
    if head.is_custom(call.name):
        custom = {"name": call.name, "input": as_text(call.arguments)}
        return {"id": call.id, "type": "custom", "custom": custom, **call.carried}
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function, **call.carried}


def answer(head: Head, said: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": said.text if said.text or not said.calls else None,
        "refusal": None,
        **said.thought.carried_as(form),
    }
    if said.thought.reasoning:
        message["reasoning_content"] = said.thought.reasoning
    if said.calls:
        message["tool_calls"] = [_call_line(head, call) for call in said.calls]
    return {
        "id": f"chatcmpl-{head.id}",
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": said.reason}],
        "usage": usage(said.usage),
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
        self._head = head
        self._usage_wanted = head.request.usage_wanted
        self._calls = 0

    def _chunk(self, delta: Mapping[str, Any], reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return sse.write({**self._base, "choices": [choice], **more})

    def start(self) -> bytes:
        return self._chunk({"role": "assistant", "content": ""})

    def text(self, text: str) -> bytes:
        return self._chunk({"content": text})

    def thought(self, thought: Thought) -> bytes:
        delta = dict(thought.carried_as(form))
        if thought.reasoning:
            delta["reasoning_content"] = thought.reasoning
        return self._chunk(delta) if delta else b""

    def call(self, call: ToolCall) -> bytes:
        index, self._calls = self._calls, self._calls + 1
        return self._chunk({"tool_calls": [{"index": index, **_call_line(self._head, call)}]})

    def finish(self, said: Answer) -> bytes:
        end = self._chunk({}, said.reason, adhere=said.report)
        if self._usage_wanted:
            end += sse.write({**self._base, "choices": [], "usage": usage(said.usage), "adhere": said.report})
        return end + sse.DONE

    def error(self, failure: Failure) -> bytes:
        return sse.write(error(failure))


def writer(head: Head) -> Stream:
    return Stream(head)
