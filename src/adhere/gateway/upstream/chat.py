"""An upstream that speaks OpenAI's chat completions: OpenAI, vLLM, llama.cpp, Ollama, the server of `models/`.

Rules
- Of a message or a delta the words are read and the opaque fields carried; an unknown field is dropped,
  not handed on, and reported.
- Servers differ: content may be a list, arguments an object; a call may have no index, or all of them index 0, and may
  name itself in every piece. All of it is read as what it means (`_Calls`).
- An unknown reason to finish is refused: an answer with it may be cut off or edited.
- Going on from a beginning is `continue_final_message`, as vLLM and the server of `models/` have it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from adhere.gateway.exchange import (
    CallDelta,
    CarriedDelta,
    Dropped,
    Event,
    Fields,
    Finished,
    FinishReason,
    Foreseen,
    Media,
    Message,
    Reasoning,
    ReasoningDelta,
    Request,
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
from adhere.gateway.wire.fields import Json, items, mapping, whole
from adhere.gateway.wire.kinds import CHAT, EMPTY
from adhere.gateway.wire.sse import Sent

path = "/chat/completions"

_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "complete": "stop",
    "completed": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "refusal": "content_filter",
}
_READ = frozenset(("role", "refusal", "content", "reasoning_content", "reasoning", "tool_calls", "adhere"))


def headers(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"} if key else {}


def body(question: Question) -> dict[str, Any]:
    request = question.request
    asked: dict[str, Any] = {
        "model": request.model,
        "messages": [line for message in request.messages for line in _messages(message, request.form == "chat")],
        **request.parameters,
        **(request.hints if request.form == "chat" else {}),
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


def dropped(request: Request) -> tuple[str, ...]:
    """Names of what this API has no field for."""
    return () if request.form == "chat" else tuple(request.hints)


def _messages(message: Message, own: bool) -> Iterator[dict[str, Any]]:
    """A message as one line, or as one for each result where tools answered. `own`: the client speaks this API."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    for result in results:
        yield {"role": "tool", "tool_call_id": result.call, "content": result.text}
    if shown := [dict(media.payload) for result in results for media in result.media]:
        # this API takes media from users alone; whose they are is said with them
        yield {"role": "user", "content": [{"type": "text", "text": "Returned by the tool:"}, *shown]}
    said = [part for part in message.parts if isinstance(part, Text | Media)]
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    if results and not said and not calls:
        return
    line: dict[str, Any] = {"role": message.role, **(message.carried if own else {})}
    if own and any(isinstance(part, Media) or part.carried for part in said):
        line["content"] = [
            {"type": "text", "text": part.text, **part.carried} if isinstance(part, Text) else dict(part.payload)
            for part in said
        ]
    elif any(isinstance(part, Media) for part in said):
        line["content"] = [
            {"type": "text", "text": part.text} if isinstance(part, Text) else dict(part.payload) for part in said
        ]
    else:
        line["content"] = message.text if said or not calls else None
    if calls:
        line["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
                **(call.carried if own else {}),
            }
            for call in calls
        ]
    thoughts = "".join(part.text for part in message.parts if isinstance(part, Reasoning)) if own else ""
    if thoughts:
        line["reasoning_content"] = thoughts
    yield line


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


class Reading:
    """Reads one answer."""

    def __init__(self) -> None:
        self._calls = _Calls()

    def whole(self, body: Json) -> Iterator[Event]:
        if body.get("error"):
            raise _failed()
        choices = items(body.get("choices"), "choices")
        if len(choices) != 1:
            raise Unreadable(f"the upstream gave {len(choices)} choices where one was asked for")
        choice = mapping(choices[0], "choice")
        yield from self._used(body)
        yield from self._foreseen(body)
        yield from self._said(mapping(choice.get("message"), "message"), whole=True)
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

    def _said(self, said: Json, *, whole: bool = False) -> Iterator[Event]:
        if not said.keys() <= _READ:
            yield from _beside(said)
        for name in ("reasoning_content", "reasoning"):
            if name in said and (thought := _text(said, name)):
                yield ReasoningDelta(thought)
                break
        content = said.get("content")
        if isinstance(content, list):
            yield from _content(content)
        elif content and (text := _text(said, "content")):
            yield TextDelta(text)
        if said.get("refusal") and (text := _text(said, "refusal")):
            yield TextDelta(text)
        if said.get("tool_calls"):
            for call in items(said["tool_calls"], "tool_calls"):
                yield self._calls.read(mapping(call, "tool call"), whole)

    def _used(self, body: Json) -> Iterator[Event]:
        if usage := body.get("usage"):
            usage = mapping(usage, "usage")
            read, thought = (
                mapping(usage.get(f"{name}_tokens_details") or {}, "usage") for name in ("prompt", "completion")
            )
            yield Used(
                Usage(
                    whole(usage, "prompt_tokens"),
                    whole(usage, "completion_tokens"),
                    whole(read, "cached_tokens"),
                    whole(thought, "reasoning_tokens"),
                )
            )


def _beside(said: Json) -> Iterator[Event]:
    """What stands beside the words: opaque fields are carried, unknown ones are not handed on."""
    more = {name: value for name, value in said.items() if name not in _READ and value not in EMPTY}
    if kept := {name: value for name, value in more.items() if name in CHAT.message}:
        yield CarriedDelta("chat", kept)
    if unknown := tuple(str(name)[:80] for name in more if name not in CHAT.message):
        yield Dropped(unknown)


def _content(content: list[Any]) -> Iterator[Event]:
    """Content in parts: texts, and thoughts among them as Mistral has them."""
    for value in content:
        part = mapping(value, "content")
        kind = part.get("type")
        if kind in ("text", "output_text"):
            yield TextDelta(_text(part, "text"))
        elif kind == "thinking":
            thought = part.get("thinking")
            pieces = thought if isinstance(thought, list) else [{"text": thought}]
            yield ReasoningDelta("".join(_text(mapping(piece, "thinking"), "text") for piece in pieces))
        elif kind == "reference":
            yield Dropped(("content.reference",))
        else:
            raise Unreadable(f"the upstream's answer has a part of the unknown type {str(kind)[:40]!r}")


class _Calls:
    """Tells which call a piece belongs to, and takes out what is said again.

    A piece with an id other than that of the call at its index begins a new call; so does every call of an answer that
    came whole, and a piece without index that has a name or an id. Any other piece goes on with the call at its index,
    or with the last.
    """

    def __init__(self) -> None:
        self._begun: list[tuple[str, str]] = []
        """Id and name of every call so far."""
        self._at: dict[int, int] = {}
        """The upstream's index: the last call there."""

    def read(self, call: Json, whole: bool) -> CallDelta:
        kind = call.get("type")
        if kind not in (None, "", "function"):
            raise Unreadable(f"the upstream calls a tool of the unknown type {str(kind)[:40]!r}")
        index = call.get("index")
        if index is not None and (not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < 128):
            raise Unreadable("the upstream's tool call has no sensible index")
        function = mapping(call.get("function") or {}, "function")
        given, name = _text(call, "id"), _text(function, "name")
        place = self._place(index, given, name, whole)
        known_id, known_name = self._begun[place]
        if known_id or known_name:
            given, name = "" if known_id else given, "" if name == known_name else name
        self._begun[place] = (known_id or given, known_name + name)
        return CallDelta(place, given, name, _arguments(function), _kept(call, function))

    def _place(self, index: int | None, given: str, name: str, whole: bool) -> int:
        place = len(self._begun) - 1 if index is None else self._at.get(index, -1)
        new = whole or place < 0
        if not new and given and self._begun[place][0] and given != self._begun[place][0]:
            new = True
        if not new and index is None and (given or name) and (given, name) != self._begun[place]:
            new = True
        if new:
            place = len(self._begun)
            if place >= 128:
                raise Unreadable("the upstream calls more than 128 tools")
            self._begun.append(("", ""))
        if index is not None:
            self._at[index] = place
        return place


def _kept(call: Json, function: Json) -> Fields:
    kept = {name: value for name, value in call.items() if name in CHAT.call and value not in EMPTY}
    return kept | {name: value for name, value in function.items() if name in CHAT.call and value not in EMPTY}


def _arguments(function: Json) -> str:
    value = function.get("arguments")
    return json.dumps(value) if isinstance(value, dict) else _text(function, "arguments")


def reading() -> Reading:
    return Reading()


def _text(said: Json, name: str) -> str:
    value = said.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unreadable(f"the upstream's {name} is not text")
    return value


def _reason(value: Any) -> FinishReason:
    if isinstance(value, str) and value.lower() == "error":
        raise _failed()
    if not isinstance(value, str) or value.lower() not in _REASONS:
        raise Unreadable(f"the upstream finished for an unknown reason: {str(value)[:40]!r}")
    return _REASONS[value.lower()]


def _failed() -> UpstreamError:
    return UpstreamError(502, "upstream_error", "the upstream broke off with an error of its own", retry=True)
