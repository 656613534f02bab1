"""OpenAI's chat completions, as the local server reads and writes them.

Read are the fields that change what is written here; a field that asks for something else (several choices, images,
audio) is refused, one that asks for nothing (user, metadata) is passed over. Beyond OpenAI's own:

    constraints               list of constraints in JSON: tokens that would break one are masked (`constrained`)
    attempts                  how often an answer under constraints may be begun anew, the first included
    monitors                  "watch" or "restart": the server's saved monitors read the answer while it is written
    continue_final_message    the last message is the assistant's, and the answer goes on from it

Messages are stripped of the model's special tokens: a stranger's text opens or ends no message.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from adhere.constraints.constraint import Check, Constraint
from adhere.constraints.registry import from_json
from adhere.core.errors import UserError
from adhere.models.generation import tool_calls
from adhere.models.generation.fluency import Fluency
from adhere.models.generation.generate import Reason, Sampling
from adhere.models.load import Message, OpenModel

DEFAULT_MAX_TOKENS = 512
FINISH: Mapping[Reason, str] = {
    "end": "stop",
    "stop": "stop",
    "guide": "stop",
    "watcher": "stop",
    "cancelled": "stop",
    "length": "length",
    "loop": "stop",
}


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class TextPart(_Read):
    type: Literal["text"]
    text: str


class Said(_Read):
    """A message."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] = Field(default_factory=list)
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(_Read):
    include_usage: bool = False


class JsonSchema(_Read):
    schema_: dict[str, Any] = Field(alias="schema")


class ResponseFormat(_Read):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class ChatRequest(_Read):
    """A request for an answer."""

    messages: list[Said] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=1)
    seed: int | None = None
    stop: str | list[str] | None = None
    n: Literal[1] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    tools: list[dict[str, Any]] = Field(default_factory=list)
    tool_choice: Literal["auto", "none"] | None = None
    response_format: ResponseFormat | None = None
    logprobs: Literal[False] | None = None
    constraints: list[dict[str, Any]] = Field(default_factory=list)
    attempts: int = Field(12, ge=1, le=64)
    monitors: Literal["watch", "restart"] | None = None
    continue_final_message: bool = False

    @model_validator(mode="after")
    def _continues_an_answer(self) -> ChatRequest:
        if self.continue_final_message and self.messages[-1].role != "assistant":
            raise ValueError("continue_final_message wants a last message of the assistant")
        return self

    @property
    def prefix(self) -> str:
        """The beginning of the answer that the request brings."""
        return self.messages[-1].text if self.continue_final_message else ""

    @property
    def wanted_schema(self) -> Mapping[str, Any] | None:
        """The JSON schema that the answer has to follow, if any."""
        wanted = self.response_format
        if wanted is None or wanted.type == "text":
            return None
        return wanted.json_schema.schema_ if wanted.json_schema else {"type": "object"}

    def constraint_objects(self) -> tuple[Constraint, ...]:
        """Raises: UserError: one of them is not a constraint."""
        return tuple(from_json(record) for record in self.constraints)

    def sampling(self) -> Sampling:
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Sampling(
            max_tokens=self.max_completion_tokens or self.max_tokens or DEFAULT_MAX_TOKENS,
            temperature=self.temperature or 0.0,
            top_p=1.0 if self.top_p is None else self.top_p,
            top_k=self.top_k,
            seed=secrets.randbits(63) if self.seed is None else self.seed,
            stop=tuple(stop),
        )

    def prompt(self, opened: OpenModel) -> tuple[int, ...]:
        """The tokens that the model reads."""
        messages = [_message(opened, one) for one in self.messages]
        if not self.continue_final_message and messages[-1]["role"] == "assistant":
            messages.append({"role": "user", "content": ""})
        return tuple(opened.encode(opened.render(messages, tools=self.tools or None)))


def _message(opened: OpenModel, said: Said) -> Message:
    made: Message = {
        "role": "system" if said.role == "developer" else said.role,
        "content": opened.plain(said.text),
    }
    if said.tool_calls:
        made["tool_calls"] = said.tool_calls
    if said.role == "tool":
        made |= {"name": said.name or "", "tool_call_id": said.tool_call_id or ""}
    return made


def read(body: bytes) -> ChatRequest:
    """The request in `body`.

    Raises:
        UserError: it is not JSON, or asks for something that is not to be had here.
    """
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise UserError(f"{where}: {first['msg']}" if where else first["msg"]) from None


class Answer:
    """Writes one answer, whole or as a stream of events."""

    def __init__(self, opened: OpenModel, asked: ChatRequest) -> None:
        self.id = f"chatcmpl-{secrets.token_hex(12)}"
        self.created = int(time.time())
        self._model = opened.name
        self._asked = asked

    def whole(
        self, text: str, reason: Reason, prompt: int, tokens: int, more: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The answer as one object."""
        text, calls = self._split(text)
        message: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else FINISH[reason]}
        made = {**self._head("chat.completion"), "choices": [choice], "usage": _usage(prompt, tokens)}
        return {**made, "adhere": more} if more else made

    def opening(self) -> str:
        return self._event({"role": "assistant", "content": ""})

    def piece(self, text: str) -> str:
        return self._event({"content": text})

    def called(self, text: str) -> Iterator[str]:
        """The events of a text that may hold calls of tools."""
        text, calls = self._split(text)
        if text:
            yield self.piece(text)
        if calls:
            yield self._event({"tool_calls": [{"index": k, **call} for k, call in enumerate(calls)]})

    def closing(
        self, text: str, reason: Reason, prompt: int, tokens: int, more: Mapping[str, Any] | None = None
    ) -> Iterator[str]:
        """The events behind the last piece of text."""
        finish = "tool_calls" if self._split(text)[1] else FINISH[reason]
        yield self._event({}, finish, {"adhere": more} if more else {})
        if self._asked.stream_options and self._asked.stream_options.include_usage:
            record = {**self._head("chat.completion.chunk"), "choices": [], "usage": _usage(prompt, tokens)}
            yield f"data: {json.dumps(record)}\n\n"
        yield "data: [DONE]\n\n"

    def _split(self, text: str) -> tuple[str, list[dict[str, Any]]]:
        if not self._asked.tools or self._asked.tool_choice == "none":
            return text, []
        rest, calls = tool_calls.split(text)
        return rest, [
            {
                "id": f"call_{self.id[-8:]}_{k}",
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
            }
            for k, call in enumerate(calls)
        ]

    def _event(self, delta: dict[str, Any], finish: str | None = None, more: Mapping[str, Any] | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        record = {**self._head("chat.completion.chunk"), "choices": [choice], **(more or {})}
        return f"data: {json.dumps(record, ensure_ascii=False)}\n\n"

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self._model}


def _usage(prompt: int, tokens: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}


def verdicts(
    constraints: Sequence[Constraint], checks: Sequence[Check], attempts: int, fluency: Fluency
) -> dict[str, Any]:
    """What is said of an answer under constraints, beside it: whether they are met, and whether it is one that the
    model would write."""
    return {
        "attempts": attempts,
        "logprob": fluency.logprob,
        "repetition": round(fluency.repetition, 4),
        "constraints": [
            {"constraint": constraint.to_json(), "verdict": check.verdict.value, "reason": check.reason}
            for constraint, check in zip(constraints, checks, strict=True)
        ],
    }


def failure(message: str, kind: str = "invalid_request_error", code: str | None = None) -> dict[str, Any]:
    """An error in OpenAI's form."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
