"""One normal form for what passes through the gateway, whatever API it came in by.

Rules
- A request is messages of typed parts, tools, and parameters under their chat-completions names. What it holds is of
  three kinds (`wire.kinds` has one table for each API):
  *words* are read, so that they can be checked; a part or an event of an unknown type is `Unreadable` and refused;
  *opaque* fields (signatures, cache control, ids) are `carried` unchanged, in both directions, where client and
  upstream speak the same API;
  *hints* (sampling and service options) are passed on where the upstream knows them, else dropped and reported.
- Authority is by role: system and developer speak for the operator, user for the user; assistant and tool messages,
  and whatever is quoted in them, have none.
- An upstream's answer is a sequence of events, the same for streamed and whole answers: `TextDelta`, `ReasoningDelta`,
  `CallDelta`, `Finished`. Tool calls come in pieces and are not looked at until they are complete.
- Everything is frozen: what was checked is what is sent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from adhere.constraints.constraint import Constraint

Role = Literal["system", "developer", "user", "assistant", "tool"]
Form = Literal["chat", "responses", "messages"]
"""OpenAI's chat completions, OpenAI's Responses, Anthropic's messages."""
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Unreadable(Exception):
    """A request, or an upstream's answer, that holds something unreadable; `where` is the field at fault."""

    def __init__(self, text: str, where: str = "") -> None:
        super().__init__(text)
        self.where = where


Fields = Mapping[str, Any]
"""Fields of a JSON object, as the API of the request has them."""


@dataclass(frozen=True, slots=True)
class Text:
    """What was said."""

    text: str
    carried: Fields = field(default_factory=dict)
    """Its opaque fields, as cache control."""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model thought; no part of its answer. `block` is how its API has it, with the signature."""

    text: str
    block: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opaque:
    """A part without readable words, as encrypted reasoning: it is carried between client and upstream of one API."""

    block: Fields


@dataclass(frozen=True, slots=True)
class Media:
    """An image, a sound or a file: known, and not readable by any check. A policy has to admit it by its kind."""

    kind: Literal["image", "audio", "file"]
    payload: Mapping[str, Any]
    """As the chat-completions API has it."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete call of a tool; `arguments` is JSON text, byte for byte as the model wrote it."""

    id: str
    name: str
    arguments: str
    carried: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered. It has no authority, whatever it says."""

    call: str
    """The id of the call that it answers."""
    text: str
    failed: bool = False
    media: tuple[Media, ...] = ()
    carried: Fields = field(default_factory=dict)


Part = Text | Reasoning | Opaque | Media | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    parts: tuple[Part, ...]
    carried: Fields = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What it says, its text parts joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model may call; `schema` is the JSON Schema of its arguments.

    A `custom` tool takes one text. The upstream is offered a function with the argument `input`, and its call is handed
    back as the client's API has it.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    strict: bool | None = None
    custom: bool = False
    carried: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for."""

    form: Form
    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Sampling and the like, under the names of chat completions: `temperature`, `max_completion_tokens`, `stop`,
    `tool_choice`, `response_format`."""
    unread: Mapping[str, Any] = field(default_factory=dict)
    """Unknown fields of the body that may carry words. The request goes no further unless the
    policy names every one."""
    hints: Fields = field(default_factory=dict)
    """Options that only the client's own API has: passed on to an upstream that speaks it."""
    dropped: tuple[str, ...] = ()
    """Names of the hints that go no further; they are reported."""
    stream: bool = False
    usage_wanted: bool = False
    """Whether a streaming client asked for the usage (chat completions' `stream_options`)."""
    constraints: tuple[Constraint, ...] = ()
    """Those that came with the request."""

    def said_by(self, *roles: Role) -> Iterator[str]:
        """The texts of the messages of these roles, every turn, in their order."""
        return (message.text for message in self.messages if message.role in roles)

    def texts(self) -> Iterator[tuple[Role, str]]:
        """Every readable text of the request with the role it has: messages, tool arguments, tool results.

        The one place to look for what should not be there: no turn and no field is left out.
        """
        for message in self.messages:
            for part in message.parts:
                if isinstance(part, Text | Reasoning | ToolResult):
                    yield message.role, part.text
                elif isinstance(part, ToolCall):
                    yield message.role, part.arguments

    def with_messages(self, messages: tuple[Message, ...]) -> Request:
        """The same request with other messages."""
        return dataclasses.replace(self, messages=messages)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the upstream counted them."""

    input: int = 0
    output: int = 0
    cached: int = 0
    """Of the input, those that the upstream had cached."""
    reasoning: int = 0
    """Of the output, those that were thought."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.reasoning + other.reasoning,
        )


NOTHING = Usage()


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class BlockDone:
    """A part of the upstream's answer that is handed on as it is, whole: a signed thought, encrypted reasoning."""

    form: Form
    block: Fields
    text: str = ""
    """The readable words in it."""


@dataclass(frozen=True, slots=True)
class CarriedDelta:
    """Opaque fields of the answer's message, as `form` has them."""

    form: Form
    fields: Fields


@dataclass(frozen=True, slots=True)
class Dropped:
    """Unknown fields of the upstream's answer. They are not handed on."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallDelta:
    """A piece of a tool call: the first of an index brings `id` and `name`, all bring some of `arguments`."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    carried: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finished:
    """The upstream ended its answer of its own will. An answer without it was cut off."""

    reason: FinishReason


@dataclass(frozen=True, slots=True)
class Used:
    usage: Usage


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A saved probe monitor in a local model's server foresaw that the answer will fail at `skill`, after so many
    tokens. It is evidence and no part of the answer."""

    skill: str
    tokens: int


Event = TextDelta | ReasoningDelta | BlockDone | CarriedDelta | Dropped | CallDelta | Finished | Used | Foreseen
