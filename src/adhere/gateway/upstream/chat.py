"""An upstream that speaks OpenAI's chat completions: OpenAI, vLLM, llama.cpp, Ollama, the server of `models/`.

Rules
- Of a message or a delta every field that says something is either read or refused; bookkeeping beside it (ids,
  fingerprints, log-probabilities) is dropped and not handed on.
- A reason to finish that nobody here knows is refused: an answer with it may be cut off or edited.
- Going on from a beginning is `continue_final_message`, as vLLM and the server of `models/` have it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from adhere.gateway.exchange import (
    CallDelta,
    Event,
    Finished,
    FinishReason,
    Foreseen,
    Media,
    Message,
    ReasoningDelta,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
    Unreadable,
    Usage,
    Used,
)
from adhere.gateway.upstream.dialect import Question, UpstreamError
from adhere.gateway.wire.fields import Json, items, mapping, only, whole
from adhere.gateway.wire.sse import Sent

path = "/chat/completions"

_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
_DROPPED = frozenset({"role", "annotations", "refusal", "content", "reasoning_content", "reasoning", "tool_calls"})


def headers(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"} if key else {}


def body(question: Question) -> dict[str, Any]:
    request = question.request
    asked: dict[str, Any] = {
        "model": request.model,
        "messages": [line for message in request.messages for line in _messages(message)],
        **request.parameters,
    }
    if request.tools:
        asked["tools"] = [_tool(tool) for tool in request.tools]
    if question.stream:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    if question.prefix:
        asked["messages"].append({"role": "assistant", "content": question.prefix})
        asked |= {"continue_final_message": True, "add_generation_prompt": False}
    if question.constraints:
        asked["constraints"] = [constraint.to_json() for constraint in question.constraints]
    return asked


def _messages(message: Message) -> Iterator[dict[str, Any]]:
    """A message as one line, or as one for each result where tools answered."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    for result in results:
        yield {"role": "tool", "tool_call_id": result.call, "content": result.text}
    said = [part for part in message.parts if isinstance(part, Text | Media)]
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    if results and not said and not calls:
        return
    line: dict[str, Any] = {"role": message.role}
    if any(isinstance(part, Media) for part in said):
        line["content"] = [
            {"type": "text", "text": part.text} if isinstance(part, Text) else dict(part.payload) for part in said
        ]
    else:
        line["content"] = message.text if said or not calls else None
    if calls:
        line["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    yield line


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


class Reading:
    """Reads one answer."""

    def whole(self, body: Json) -> Iterator[Event]:
        if body.get("error"):
            raise _failed()
        choices = items(body.get("choices"), "choices")
        if len(choices) != 1:
            raise Unreadable(f"the upstream gave {len(choices)} choices where one was asked for")
        choice = mapping(choices[0], "choice")
        yield from self._used(body)
        yield from self._foreseen(body)
        yield from self._said(mapping(choice.get("message"), "message"))
        yield Finished(_reason(choice.get("finish_reason")))

    def sent(self, sent: Sent) -> Iterator[Event]:
        if sent.event not in ("", "message", "error"):
            raise Unreadable(f"the upstream sent an event of type {sent.event[:40]!r}")
        if sent.data == "[DONE]":
            return
        try:
            chunk = mapping(json.loads(sent.data), "chunk")
        except (ValueError, RecursionError):
            raise Unreadable("the upstream sent an event that is not JSON") from None
        if chunk.get("error") or sent.event == "error":
            raise _failed()
        choices = items(chunk.get("choices") or [], "choices")
        if len(choices) > 1 or (choices and mapping(choices[0], "choice").get("index", 0) != 0):
            raise Unreadable("the upstream gave several choices where one was asked for")
        if "adhere" in chunk:
            yield from self._foreseen(chunk)
        if choices:
            yield from self._said(mapping(choices[0].get("delta") or {}, "delta"))
            if choices[0].get("finish_reason") is not None:
                yield Finished(_reason(choices[0]["finish_reason"]))
        if "usage" in chunk:
            yield from self._used(chunk)

    def _foreseen(self, body: Json) -> Iterator[Event]:
        """What the saved monitors of `models/`' server foresaw, on its last attempt."""
        told = body.get("adhere")
        if not isinstance(told, Mapping) or "alarms" not in told:
            return
        for alarm in items(told["alarms"], "alarms"):
            fields = mapping(alarm, "alarm")
            if fields.get("attempt") == told.get("attempts"):
                yield Foreseen(str(fields.get("skill"))[:80], whole(fields, "tokens"))

    def _said(self, said: Json) -> Iterator[Event]:
        only(said, _DROPPED, "the upstream's answer")
        for name in ("reasoning_content", "reasoning"):
            if name in said and (thought := _text(said, name)):
                yield ReasoningDelta(thought)
                break
        for name in ("content", "refusal"):
            if name in said and (text := _text(said, name)):
                yield TextDelta(text)
        if "tool_calls" in said:
            for place, call in enumerate(items(said["tool_calls"] or [], "tool_calls")):
                yield _call(mapping(call, "tool call"), place)

    def _used(self, body: Json) -> Iterator[Event]:
        if usage := body.get("usage"):
            usage = mapping(usage, "usage")
            yield Used(Usage(whole(usage, "prompt_tokens"), whole(usage, "completion_tokens")))


def reading() -> Reading:
    return Reading()


def _text(said: Json, name: str) -> str:
    value = said.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unreadable(f"the upstream's {name} is not text")
    return value


def _call(call: Json, place: int) -> CallDelta:
    only(call, ("index", "id", "type", "function"), "the upstream's tool call")
    if call.get("type") not in (None, "", "function"):
        raise Unreadable(f"the upstream calls a tool of type {str(call.get('type'))[:40]!r}")
    index = call.get("index", place)
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < 128:
        raise Unreadable("the upstream's tool call has no sensible index")
    function = mapping(call.get("function") or {}, "function")
    only(function, ("name", "arguments"), "the upstream's tool call")
    return CallDelta(index, _text(call, "id"), _text(function, "name"), _text(function, "arguments"))


def _reason(value: Any) -> FinishReason:
    if not isinstance(value, str) or value not in _REASONS:
        raise Unreadable(f"the upstream finished for a reason that nobody here knows: {str(value)[:40]!r}")
    return _REASONS[value]


def _failed() -> UpstreamError:
    return UpstreamError(502, "upstream_error", "the upstream broke off with an error of its own", retry=True)
