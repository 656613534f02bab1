"""An upstream that speaks Anthropic's messages.

Rules are those of `chat`: what may carry words is read or refused. System and developer messages go into `system`, in
their order; a tool's results into the user message that the API wants them in. Going on from a beginning is a last
message of the assistant's, which this API has always understood (it wants no white space at its end, so that is cut).
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
    Media,
    Message,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolResult,
    Unreadable,
    Usage,
    Used,
)
from adhere.gateway.upstream.dialect import Question, UpstreamError
from adhere.gateway.wire.fields import Json, items, mapping, string, whole
from adhere.gateway.wire.sse import Sent

path = "/messages"

MAX_TOKENS = 4096
"""Of an answer, where the client did not say: this API wants to be told."""
_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_TAKEN = ("temperature", "top_p", "top_k")
_CHOICES = {"auto": "auto", "required": "any", "none": "none"}


def headers(key: str) -> dict[str, str]:
    return {"x-api-key": key, "anthropic-version": "2023-06-01"} if key else {"anthropic-version": "2023-06-01"}


def body(question: Question) -> dict[str, Any]:
    request = question.request
    given = request.parameters
    asked: dict[str, Any] = {
        "model": request.model,
        "messages": list(_turns(request.messages)),
        "max_tokens": given.get("max_completion_tokens") or given.get("max_tokens") or MAX_TOKENS,
        **{name: given[name] for name in _TAKEN if name in given},
    }
    if system := [{"type": "text", "text": text} for text in request.said_by("system", "developer") if text]:
        asked["system"] = system
    if stop := given.get("stop"):
        asked["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if request.tools:
        asked["tools"] = [
            {
                "name": tool.name,
                "description": tool.description,
                "input_schema": dict(tool.schema) or {"type": "object"},
            }
            for tool in request.tools
        ]
        asked |= _choice(given.get("tool_choice"))
    if question.stream:
        asked["stream"] = True
    if question.prefix:
        asked["messages"].append({"role": "assistant", "content": question.prefix.rstrip()})
    return asked


def _choice(choice: Any) -> dict[str, Any]:
    if isinstance(choice, str) and choice in _CHOICES:
        return {"tool_choice": {"type": _CHOICES[choice]}}
    if isinstance(choice, Mapping) and isinstance(function := choice.get("function"), Mapping):
        return {"tool_choice": {"type": "tool", "name": function.get("name")}}
    return {}


def _turns(messages: tuple[Message, ...]) -> Iterator[dict[str, Any]]:
    """The turns of user and assistant; neighbours of one role become one, as the API wants it."""
    role, blocks = "", list[dict[str, Any]]()
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        turn = "assistant" if message.role == "assistant" else "user"
        if turn != role and blocks:
            yield {"role": role, "content": blocks}
            blocks = []
        role = turn
        blocks += [block for part in message.parts if (block := _block(part)) is not None]
    if blocks:
        yield {"role": role, "content": blocks}


def _block(part: Any) -> dict[str, Any] | None:
    match part:
        case Text(text):
            return {"type": "text", "text": text} if text else None
        case ToolCall(name_, tool, arguments):
            return {"type": "tool_use", "id": name_, "name": tool, "input": json.loads(arguments or "{}")}
        case ToolResult(call, text, failed):
            return {"type": "tool_result", "tool_use_id": call, "content": text, "is_error": failed}
        case Media("image", payload):
            return {
                "type": "image",
                "source": {"type": "url", "url": mapping(payload["image_url"], "image_url")["url"]},
            }
        case Media(kind, _):
            raise UpstreamError(400, "unreadable", f"the upstream takes no {kind}")
    return None


class Reading:
    """Reads one answer."""

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}
        self._texts: set[int] = set()
        self._input = 0

    def whole(self, body: Json) -> Iterator[Event]:
        if body.get("type") == "error":
            raise _failed()
        usage = mapping(body.get("usage") or {}, "usage")
        yield Used(Usage(whole(usage, "input_tokens"), whole(usage, "output_tokens")))
        for place, value in enumerate(items(body.get("content"), "content")):
            block = mapping(value, "content")
            yield from self._begun(place, block)
            if block["type"] == "tool_use":
                yield CallDelta(self._calls[place], arguments=json.dumps(mapping(block.get("input"), "input")))
        yield Finished(_reason(body.get("stop_reason")))

    def sent(self, sent: Sent) -> Iterator[Event]:
        try:
            event = mapping(json.loads(sent.data), "event")
        except (ValueError, RecursionError):
            raise Unreadable("the upstream sent an event that is not JSON") from None
        kind = event.get("type")
        if kind == "error":
            raise _failed()
        if kind == "message_start":
            usage = mapping(mapping(event.get("message"), "message").get("usage") or {}, "usage")
            self._input = whole(usage, "input_tokens")
        elif kind == "content_block_start":
            yield from self._begun(_index(event), mapping(event.get("content_block"), "content_block"))
        elif kind == "content_block_delta":
            yield from self._went_on(_index(event), mapping(event.get("delta"), "delta"))
        elif kind == "message_delta":
            usage = mapping(event.get("usage") or {}, "usage")
            yield Used(Usage(whole(usage, "input_tokens") or self._input, whole(usage, "output_tokens")))
            reason = mapping(event.get("delta") or {}, "delta").get("stop_reason")
            if reason is not None:
                yield Finished(_reason(reason))
        elif kind not in ("content_block_stop", "message_stop", "ping"):
            raise Unreadable(f"the upstream sent an event of type {str(kind)[:40]!r}")

    def _begun(self, index: int, block: Json) -> Iterator[Event]:
        kind = block.get("type")
        if kind == "text":
            self._texts.add(index)
            if text := string(block, "text", default=""):
                yield TextDelta(text)
        elif kind == "tool_use":
            self._calls[index] = len(self._calls)
            yield CallDelta(self._calls[index], string(block, "id"), string(block, "name"))
        elif kind == "thinking":
            if thought := string(block, "thinking", default=""):
                yield ReasoningDelta(thought)
        elif kind != "redacted_thinking":
            raise Unreadable(f"the upstream's answer has a block of type {str(kind)[:40]!r}")

    def _went_on(self, index: int, delta: Json) -> Iterator[Event]:
        kind = delta.get("type")
        if kind == "text_delta" and index in self._texts:
            yield TextDelta(string(delta, "text"))
        elif kind == "input_json_delta" and index in self._calls:
            yield CallDelta(self._calls[index], arguments=string(delta, "partial_json"))
        elif kind == "thinking_delta":
            yield ReasoningDelta(string(delta, "thinking"))
        elif kind not in ("signature_delta", "citations_delta"):
            raise Unreadable(f"the upstream's answer goes on with {str(kind)[:40]!r}")


def reading() -> Reading:
    return Reading()


def _index(event: Json) -> int:
    index = event.get("index")
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < 1024:
        raise Unreadable("the upstream's answer has a block without a sensible index")
    return index


def _reason(value: Any) -> FinishReason:
    if not isinstance(value, str) or value not in _REASONS:
        raise Unreadable(f"the upstream finished for a reason that nobody here knows: {str(value)[:40]!r}")
    return _REASONS[value]


def _failed() -> UpstreamError:
    return UpstreamError(502, "upstream_error", "the upstream broke off with an error of its own", retry=True)
