"""OpenAI's Responses: the client's side.

Rules
- The gateway keeps no conversation: `previous_response_id`, `conversation`, `background` and stored prompts are
  refused, since what they stand for cannot be read here.
- Built-in tools act at the upstream, out of sight: they are not offered to the model, and reported.
- Items are read in their order; those of one assistant turn (what it said, its calls) become one message, and a
  reasoning item is reasoning.
"""

from __future__ import annotations

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
    Unreadable,
)
from adhere.gateway.wire import sse
from adhere.gateway.wire.chat import error as error
from adhere.gateway.wire.custom import as_arguments, as_text, custom_tool
from adhere.gateway.wire.fields import Json, boolean, items, mapping, request, result, string
from adhere.gateway.wire.form import Answer, Failure, Head, Thought
from adhere.gateway.wire.kinds import RESPONSES, carried
from adhere.gateway.wire.limits import DEFAULT, Limits, within

form: Form = "responses"

_PASSED = frozenset(
    "temperature top_p parallel_tool_calls user metadata service_tier prompt_cache_key safety_identifier".split()
)
_KNOWN = _PASSED | frozenset(
    "model input instructions tools tool_choice stream stream_options max_output_tokens reasoning text store "
    "constraints".split()
)


def read(body: Json, limits: Limits = DEFAULT) -> Request:
    given = body.get("input")
    said = [{"role": "user", "content": given}] if isinstance(given, str) else items(given, "input")
    within(len(said), limits.messages, "messages", "input")
    messages = list(_together(_item(mapping(item, f"input[{i}]"), f"input[{i}]") for i, item in enumerate(said)))
    if body.get("instructions") is not None:
        messages.insert(0, Message("system", (Text(string(body, "instructions")),)))
    if not messages:
        raise Unreadable("input is empty", "input")
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
    if body.get("max_output_tokens") is not None:
        asked["max_completion_tokens"] = body["max_output_tokens"]
    reasoning = mapping(body.get("reasoning") or {}, "reasoning")
    if reasoning.get("effort") is not None:
        asked["reasoning_effort"] = reasoning["effort"]
    text = mapping(body.get("text") or {}, "text")
    if text.get("verbosity") is not None:
        asked["verbosity"] = text["verbosity"]
    form = mapping(text.get("format") or {"type": "text"}, "text.format")
    if form.get("type") == "json_schema":
        asked["response_format"] = {
            "type": "json_schema",
            "json_schema": {k: v for k, v in form.items() if k != "type"},
        }
    elif form.get("type") == "json_object":
        asked["response_format"] = {"type": "json_object"}
    elif form.get("type") != "text":
        raise Unreadable(f"text.format: the type {str(form.get('type'))[:40]!r} is unknown", "text.format")
    choice = body.get("tool_choice")
    if isinstance(choice, str):
        asked["tool_choice"] = choice
    elif choice is not None:
        choice = mapping(choice, "tool_choice")
        if choice.get("type") not in ("function", "custom"):
            raise Unreadable("tool_choice: only functions and custom tools can be chosen", "tool_choice")
        asked["tool_choice"] = {"type": "function", "function": {"name": string(choice, "name", "tool_choice.")}}
    return asked


def _item(item: Json, where: str) -> Message:
    kind = str(item.get("type", "message"))
    if kind == "function_call":
        kept = carried(item, RESPONSES.call, ("type", "call_id", "name", "arguments"), where)
        call = ToolCall(
            string(item, "call_id", f"{where}."),
            string(item, "name", f"{where}."),
            string(item, "arguments", f"{where}."),
            kept,
        )
        return Message("assistant", (call,))
    if kind == "custom_tool_call":
        arguments = as_arguments(string(item, "input", f"{where}."))
        call = ToolCall(string(item, "call_id", f"{where}."), string(item, "name", f"{where}."), arguments)
        return Message("assistant", (call,))
    if kind in ("function_call_output", "custom_tool_call_output"):
        kept = carried(item, RESPONSES.call, ("type", "call_id", "output"), where)
        parts = _parts(item.get("output"), f"{where}.output")
        return Message("tool", (result(string(item, "call_id", f"{where}."), parts, where, kept=kept),))
    if kind == "reasoning":
        thoughts = [*items(item.get("summary") or [], where), *items(item.get("content") or [], where)]
        said = tuple(Reasoning(string(mapping(t, where), "text", f"{where}.")) for t in thoughts)
        return Message("assistant", said or (Opaque(item),))
    if kind != "message":
        raise Unreadable(f"{where}: an item of the unknown type {kind[:40]!r}", where)
    kept = carried(item, RESPONSES.message, ("type", "role", "content"), where)
    role = item.get("role")
    if role not in ("system", "developer", "user", "assistant"):
        raise Unreadable(f"{where}.role: unknown role {str(role)[:40]!r}", f"{where}.role")
    return Message(role, tuple(_parts(item.get("content"), f"{where}.content")), kept)


def _parts(content: Any, where: str) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)]
    return [_part(mapping(part, where), f"{where}[{i}]") for i, part in enumerate(items(content, where))]


def _part(part: Json, where: str) -> Part:
    kind = str(part.get("type"))
    if kind in ("input_text", "output_text", "text"):
        return Text(string(part, "text", f"{where}."))
    if kind == "refusal":
        return Text(string(part, "refusal", f"{where}."))
    if kind == "input_image":
        url = {"url": string(part, "image_url", f"{where}."), "detail": string(part, "detail", f"{where}.", "auto")}
        return Media("image", {"type": "image_url", "image_url": url})
    if kind == "input_file":
        return Media("file", {"type": "file", "file": {k: v for k, v in part.items() if k != "type"}})
    if kind == "input_audio":
        return Media("audio", part)
    raise Unreadable(f"{where}: a part of the unknown type {kind[:40]!r}", where)


def _together(messages: Iterator[Message]) -> Iterator[Message]:
    """Messages of one assistant turn as one."""
    turn: list[Part] = []
    for message in messages:
        if message.role == "assistant":
            turn += message.parts
            continue
        if turn:
            yield Message("assistant", tuple(turn))
            turn = []
        yield message
    if turn:
        yield Message("assistant", tuple(turn))


def _tool(value: Any, where: str) -> Tool | None:
    tool = mapping(value, where)
    if tool.get("type") == "custom":
        return custom_tool(tool, f"{where}.")
    if tool.get("type") != "function":
        return None  # it acts at the upstream, out of sight: it is not offered, and reported
    kept = carried(tool, RESPONSES.tool, ("type", "name", "description", "parameters", "strict"), where)
    return Tool(
        string(tool, "name", f"{where}."),
        string(tool, "description", f"{where}.", ""),
        mapping(tool.get("parameters") or {}, f"{where}.parameters"),
        boolean(tool, "strict") if tool.get("strict") is not None else None,
        carried=kept,
    )


# writing


def _message(head: Head, text: str, status: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "id": f"msg_{head.id}", "status": status, "role": "assistant", "content": [part]}


def _call(head: Head, call: ToolCall, status: str, arguments: str) -> dict[str, Any]:
    if head.is_custom(call.name):
        return {
            "type": "custom_tool_call",
            "id": f"ctc_{call.id}",
            "call_id": call.id,
            "name": call.name,
            "input": as_text(arguments) if arguments else "",
            "status": status,
        }
    return {
        "type": "function_call",
        "id": f"fc_{call.id}",
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments,
        "status": status,
    }


def _response(head: Head, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    request = head.request
    return {
        "id": f"resp_{head.id}",
        "object": "response",
        "created_at": head.created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": head.model,
        "output": output,
        "parallel_tool_calls": request.parameters.get("parallel_tool_calls", True),
        "temperature": request.parameters.get("temperature"),
        "top_p": request.parameters.get("top_p"),
        "tool_choice": "auto",
        "tools": [],
        "metadata": {},
        "usage": None,
    }


def answer(head: Head, said: Answer) -> dict[str, Any]:
    output = [_message(head, said.text, "completed")] if said.text or not said.calls else []
    output += [_call(head, call, "completed", call.arguments) for call in said.calls]
    cut = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(said.reason)
    response = _response(head, "incomplete" if cut else "completed", output)
    if cut:
        response["incomplete_details"] = {"reason": cut}
    response["usage"] = {
        "input_tokens": said.usage.input,
        "input_tokens_details": {"cached_tokens": said.usage.cached},
        "output_tokens": said.usage.output,
        "output_tokens_details": {"reasoning_tokens": said.usage.reasoning},
        "total_tokens": said.usage.input + said.usage.output,
    }
    response["adhere"] = said.report
    return response


class Stream:
    """Writes one streamed answer."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._number = 0
        self._place = -1
        self._text: list[str] | None = None

    def _event(self, kind: str, **fields: Any) -> bytes:
        number, self._number = self._number, self._number + 1
        return sse.write({"type": kind, "sequence_number": number, **fields}, kind)

    def start(self) -> bytes:
        response = _response(self._head, "in_progress", [])
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def text(self, text: str) -> bytes:
        begun = b""
        where = {"item_id": f"msg_{self._head.id}", "content_index": 0}
        if self._text is None:
            self._text = []
            self._place += 1
            item = {**_message(self._head, "", "in_progress"), "content": []}
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            begun = self._event("response.output_item.added", output_index=self._place, item=item)
            begun += self._event("response.content_part.added", output_index=self._place, part=part, **where)
        self._text.append(text)
        delta = {"delta": text, "logprobs": []}
        return begun + self._event("response.output_text.delta", output_index=self._place, **where, **delta)

    def _text_done(self) -> bytes:
        if self._text is None:
            return b""
        text, self._text = "".join(self._text), None
        item = _message(self._head, text, "completed")
        where = {"item_id": item["id"], "output_index": self._place, "content_index": 0}
        done = self._event("response.output_text.done", text=text, logprobs=[], **where)
        done += self._event("response.content_part.done", part=item["content"][0], **where)
        return done + self._event("response.output_item.done", output_index=self._place, item=item)

    def thought(self, thought: Thought) -> bytes:
        del thought  # no upstream speaks this API, so there is nothing of its kind to hand on
        return b""

    def call(self, call: ToolCall) -> bytes:
        done = self._text_done()
        self._place += 1
        begun = _call(self._head, call, "in_progress", "")
        where = {"item_id": begun["id"], "output_index": self._place}
        done += self._event("response.output_item.added", output_index=self._place, item=begun)
        item = _call(self._head, call, "completed", call.arguments)
        if item["type"] == "custom_tool_call":
            done += self._event("response.custom_tool_call_input.delta", delta=item["input"], **where)
            done += self._event("response.custom_tool_call_input.done", input=item["input"], **where)
            return done + self._event("response.output_item.done", output_index=self._place, item=item)
        done += self._event("response.function_call_arguments.delta", delta=call.arguments, **where)
        done += self._event("response.function_call_arguments.done", arguments=call.arguments, name=call.name, **where)
        return done + self._event("response.output_item.done", output_index=self._place, item=item)

    def finish(self, said: Answer) -> bytes:
        response = answer(self._head, said)
        kind = "response.incomplete" if response["status"] == "incomplete" else "response.completed"
        return self._text_done() + self._event(kind, response=response)

    def error(self, failure: Failure) -> bytes:
        told = error(failure)
        return self._event("error", code=failure.kind, message=failure.text, param=failure.where or None, **told)


def writer(head: Head) -> Stream:
    return Stream(head)
