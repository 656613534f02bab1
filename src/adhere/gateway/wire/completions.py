"""OpenAI's old completions: a prompt, and the text that follows it.

Rules
- The prompt is asked as a user's message, and the answer is checked, repaired and recorded as every answer is.
- One prompt at a time. What would put text beside the answer (`echo`, `suffix`, `best_of`) is refused.
"""

from __future__ import annotations

from typing import Any

from adhere.gateway.exchange import Form, Message, Request, Text, Tool, ToolCall, Unreadable
from adhere.gateway.wire import chat, sse
from adhere.gateway.wire.fields import Json, boolean, mapping, request
from adhere.gateway.wire.form import Answer, Failure, Head, Thought
from adhere.gateway.wire.limits import DEFAULT, Limits

form: Form = "chat"
_KNOWN = chat.PARAMETERS | {"model", "prompt", "stream", "stream_options", "constraints", "n", "logprobs"}
_REFUSED = ("echo", "suffix", "best_of")


def read(body: Json, limits: Limits = DEFAULT) -> Request:
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise Unreadable("prompt must be one text", "prompt")
    if body.get("n") not in (None, 1):
        raise Unreadable("n: one answer at a time, ask again for another", "n")
    for name in _REFUSED:
        if body.get(name) not in (None, False, "", 1):
            raise Unreadable(f"{name}: only the answer itself can be had", name)
    options = mapping(body.get("stream_options") or {}, "stream_options")
    return request(
        form,
        {name: value for name, value in body.items() if name not in _REFUSED},
        messages=(Message("user", (Text(prompt),)),),
        tool=_no_tool,
        parameters={k: v for k, v in body.items() if k in chat.PARAMETERS and v is not None},
        known=_KNOWN,
        usage_wanted=boolean(options, "include_usage"),
        limits=limits,
    )


def _no_tool(value: Any, where: str) -> Tool | None:
    del value
    raise Unreadable(f"{where}: completions have no tools", where)


def _body(head: Head, text: str, reason: str | None, **more: Any) -> dict[str, Any]:
    choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}
    base = {"id": f"cmpl-{head.id}", "object": "text_completion", "created": head.created, "model": head.model}
    return {**base, "choices": [choice], **more}


def answer(head: Head, said: Answer) -> dict[str, Any]:
    return _body(head, said.text, said.reason, usage=chat.usage(said.usage), adhere=said.report)


def error(failure: Failure) -> dict[str, Any]:
    return chat.error(failure)


class Stream:
    """Writes one streamed answer."""

    def __init__(self, head: Head) -> None:
        self._head = head

    def start(self) -> bytes:
        return b""

    def text(self, text: str) -> bytes:
        return sse.write(_body(self._head, text, None))

    def thought(self, thought: Thought) -> bytes:
        del thought
        return b""

    def call(self, call: ToolCall) -> bytes:
        del call
        return b""

    def finish(self, said: Answer) -> bytes:
        end = sse.write(_body(self._head, "", said.reason, adhere=said.report))
        if self._head.request.usage_wanted:
            end += sse.write(_body(self._head, "", None, choices=[], usage=chat.usage(said.usage)))
        return end + sse.DONE

    def error(self, failure: Failure) -> bytes:
        return sse.write(chat.error(failure))


def writer(head: Head) -> Stream:
    return Stream(head)
