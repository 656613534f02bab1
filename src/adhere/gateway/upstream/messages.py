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
    BlockDone,
    CallDelta,
    Dropped,
    Event,
    Finished,
    FinishReason,
    Media,
    Message,
    Opaque,
    Reasoning,
    Request,
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

LARGEST = 4_000_000
"""Characters of an answer's thoughts."""
MAX_TOKENS = 4096
"""Of an answer, where the client did not say: this API wants to be told."""
_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "stop",
    "model_context_window_exceeded": "length",
}
_TAKEN = ("temperature", "top_p", "top_k")
_CHOICES = {"auto": "auto", "required": "any", "none": "none"}


def headers(key: str) -> dict[str, str]:
    return {"x-api-key": key, "anthropic-version": "2023-06-01"} if key else {"anthropic-version": "2023-06-01"}


def body(question: Question) -> dict[str, Any]:
    request = question.request
    given = request.parameters
    own = request.form == "messages"
    asked: dict[str, Any] = {
        "model": request.model,
        "messages": list(_turns(request.messages, own)),
        "max_tokens": given.get("max_completion_tokens") or given.get("max_tokens") or MAX_TOKENS,
        **{name: given[name] for name in _TAKEN if name in given},
        **(request.hints if own else {}),
    }
    if system := list(_system(request.messages, own)):
        asked["system"] = system
    if user := given.get("user"):
        asked["metadata"] = {"user_id": user}
    if not own and (output := _output(given.get("response_format"))):
        asked["output_config"] = output
    if stop := given.get("stop"):
        asked["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if request.tools:
        asked["tools"] = [
            {
                "name": tool.name,
                "description": tool.description,
                "input_schema": dict(tool.schema) or {"type": "object"},
                **(tool.carried if own else {}),
            }
            for tool in request.tools
        ]
        asked |= _choice(given.get("tool_choice"))
    if question.stream:
        asked["stream"] = True
    if question.prefix:
        asked["messages"].append({"role": "assistant", "content": question.prefix.rstrip()})
    return asked


def dropped(request: Request) -> tuple[str, ...]:
    """Names of what this API has no field for."""
    known = {*_TAKEN, "max_completion_tokens", "max_tokens", "stop", "tool_choice", "user", "parallel_tool_calls"}
    if _output(request.parameters.get("response_format")):
        known.add("response_format")
    unknown = tuple(name for name in request.parameters if name not in known)
    return unknown if request.form == "messages" else unknown + tuple(request.hints)


def _output(layout: Any) -> dict[str, Any] | None:
    """A JSON Schema for the answer, as this API has it."""
    schema = layout.get("json_schema") if isinstance(layout, Mapping) else None
    if not isinstance(schema, Mapping) or not isinstance(schema.get("schema"), Mapping):
        return None
    return {"format": {"type": "json_schema", "schema": schema["schema"]}}


def _system(messages: tuple[Message, ...], own: bool) -> Iterator[dict[str, Any]]:
    for message in messages:
        if message.role in ("system", "developer"):
            yield from (block for part in message.parts if (block := _block(part, own)) is not None)


def _choice(choice: Any) -> dict[str, Any]:
    if isinstance(choice, str) and choice in _CHOICES:
        return {"tool_choice": {"type": _CHOICES[choice]}}
    if isinstance(choice, Mapping) and isinstance(function := choice.get("function"), Mapping):
        return {"tool_choice": {"type": "tool", "name": function.get("name")}}
    return {}


def _turns(messages: tuple[Message, ...], own: bool) -> Iterator[dict[str, Any]]:
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
        blocks += [block for part in message.parts if (block := _block(part, own)) is not None]
    if blocks:
        yield {"role": role, "content": blocks}


def _block(part: Any, own: bool) -> dict[str, Any] | None:
    """A part as this API has it; `own`: the client speaks it too, so that opaque fields are carried."""
    kept = dict(part.carried) if own and isinstance(part, Text | ToolCall | ToolResult) else {}
    match part:
        case Text(text):
            return {"type": "text", "text": text, **kept} if text else None
        case ToolCall(name_, tool, arguments):
            return {"type": "tool_use", "id": name_, "name": tool, "input": _input(arguments), **kept}
        case ToolResult(call, text, failed, media):
            shown = [block for one in media if (block := _block(one, own)) is not None]
            content = [{"type": "text", "text": text}, *shown] if text and shown else shown or text
            return {"type": "tool_result", "tool_use_id": call, "content": content, "is_error": failed, **kept}
        case Reasoning(_, block) | Opaque(block) if own and block:
            return dict(block)
        case Media("image", payload):
            return {"type": "image", "source": _source(mapping(payload["image_url"], "image_url")["url"])}
        case Media(kind, _):
            raise UpstreamError(400, "unreadable", f"the upstream takes no {kind}")
    return None


def _input(arguments: str) -> Any:
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        raise UpstreamError(400, "unreadable", "the arguments of an earlier tool call are not JSON") from None
    return value if isinstance(value, dict) else {"input": value}


def _source(url: str) -> dict[str, str]:
    head, comma, data = url.partition(",")
    if comma and head.startswith("data:") and head.endswith(";base64"):
        return {"type": "base64", "media_type": head[5:-7], "data": data}
    return {"type": "url", "url": url}


class Reading:
    """Reads one answer."""

    def __init__(self) -> None:
        self._blocks: dict[int, dict[str, Any]] = {}
        """Thoughts that are being written, by index."""
        self._size = self._cached = 0
        self._calls: dict[int, int] = {}
        self._texts: set[int] = set()
        self._input = 0

    def whole(self, body: Json) -> Iterator[Event]:
        if body.get("type") == "error":
            raise _failed()
        usage = mapping(body.get("usage") or {}, "usage")
        yield Used(_usage(usage))
        for place, value in enumerate(items(body.get("content"), "content")):
            block = mapping(value, "content")
            yield from self._begun(place, block)
            if block["type"] == "tool_use":
                yield CallDelta(self._calls[place], arguments=json.dumps(mapping(block.get("input"), "input")))
            yield from self._ended(place)
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
            begun = _usage(usage)
            self._input, self._cached = begun.input, begun.cached
        elif kind == "content_block_start":
            yield from self._begun(_index(event), mapping(event.get("content_block"), "content_block"))
        elif kind == "content_block_delta":
            yield from self._went_on(_index(event), mapping(event.get("delta"), "delta"))
        elif kind == "message_delta":
            usage = mapping(event.get("usage") or {}, "usage")
            total = _usage(usage)
            yield Used(Usage(total.input or self._input, total.output, total.cached or self._cached))
            reason = mapping(event.get("delta") or {}, "delta").get("stop_reason")
            if reason is not None:
                yield Finished(_reason(reason))
        elif kind == "content_block_stop":
            yield from self._ended(_index(event))
        elif kind not in ("message_stop", "ping"):
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
        elif kind in ("thinking", "redacted_thinking"):
            self._blocks[index] = dict(block)
        else:
            raise Unreadable(f"the upstream's answer has a block of type {str(kind)[:40]!r}")

    def _went_on(self, index: int, delta: Json) -> Iterator[Event]:
        kind = delta.get("type")
        if kind == "text_delta" and index in self._texts:
            yield TextDelta(string(delta, "text"))
        elif kind == "input_json_delta" and index in self._calls:
            yield CallDelta(self._calls[index], arguments=string(delta, "partial_json"))
        elif kind in ("thinking_delta", "signature_delta") and index in self._blocks:
            name = kind.removesuffix("_delta")
            block = self._blocks[index]
            self._size += len(string(delta, name))
            if self._size > LARGEST:
                raise Unreadable(f"the upstream's thoughts are longer than {LARGEST:,} characters")
            block.setdefault(f"+{name}", []).append(string(delta, name))
        elif kind == "citations_delta":
            yield Dropped(("citations",))
        else:
            raise Unreadable(f"the upstream's answer goes on with {str(kind)[:40]!r}")

    def _ended(self, index: int) -> Iterator[Event]:
        """A thought is whole: it is handed on as it is."""
        block = self._blocks.pop(index, None)
        if block is None:
            return
        for name in ("thinking", "signature"):
            if pieces := block.pop(f"+{name}", None):
                block[name] = string(block, name, default="") + "".join(pieces)
        yield BlockDone("messages", block, string(block, "thinking", default=""))


def _usage(usage: Json) -> Usage:
    cached = whole(usage, "cache_read_input_tokens")
    read = whole(usage, "input_tokens") + cached + whole(usage, "cache_creation_input_tokens")
    return Usage(read, whole(usage, "output_tokens"), cached)


def reading() -> Reading:
    return Reading()


def _index(event: Json) -> int:
    index = event.get("index")
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < 1024:
        raise Unreadable("the upstream's answer has a block without a sensible index")
    return index


def _reason(value: Any) -> FinishReason:
    if not isinstance(value, str) or value not in _REASONS:
        raise Unreadable(f"the upstream finished for an unknown reason: {str(value)[:40]!r}")
    return _REASONS[value]


def _failed() -> UpstreamError:
    return UpstreamError(502, "upstream_error", "the upstream broke off with an error of its own", retry=True)
