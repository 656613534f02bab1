"""What every API is asked to do: read a request, and write an answer, a stream and an error in its own form.

`Writer` writes one streamed answer: `start`, then `text` and `call` as they are released, then `finish`, or `error`
after which nothing follows. Each gives the bytes to send. The report of what was checked goes into a field `adhere`
that official clients pass over.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from adhere.gateway.exchange import NOTHING, Fields, FinishReason, Form, Request, ToolCall, Usage
from adhere.gateway.wire.limits import Limits


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of an answer before its first word."""

    id: str
    model: str
    created: int
    request: Request

    @classmethod
    def of(cls, id: str, request: Request) -> Head:
        return cls(id, request.model, int(time.time()), request)

    def is_custom(self, tool: str) -> bool:
        """Whether the client offered the tool as a custom one."""
        return any(one.custom and one.name == tool for one in self.request.tools)


@dataclass(frozen=True, slots=True)
class Thought:
    """What comes with an answer and is no part of it, as the upstream's API (`form`) has it."""

    form: Form | None = None
    reasoning: str = ""
    blocks: tuple[Fields, ...] = ()
    """Signed thoughts, encrypted reasoning."""
    carried: Fields = field(default_factory=dict)
    """Opaque fields of the message."""

    def __bool__(self) -> bool:
        return bool(self.reasoning or self.blocks or self.carried)

    def blocks_as(self, form: Form) -> tuple[Fields, ...]:
        """The blocks, for a client that speaks the same API."""
        return self.blocks if self.form == form else ()

    def carried_as(self, form: Form) -> Fields:
        """The opaque fields, for a client that speaks the same API."""
        return self.carried if self.form == form else {}


NO_THOUGHT = Thought()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, as it is delivered."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    reason: FinishReason = "stop"
    usage: Usage = NOTHING
    report: Mapping[str, Any] = field(default_factory=dict)
    thought: Thought = NO_THOUGHT


class Failure(Exception):
    """An answer that is not given, and why: `status` as HTTP has it, `kind` a stable code, `where` the field at
    fault."""

    def __init__(
        self,
        status: int,
        kind: str,
        text: str,
        where: str = "",
        report: Mapping[str, Any] | None = None,
        after: float | None = None,
    ) -> None:
        super().__init__(text)
        self.status, self.kind, self.text, self.where, self.report = status, kind, text, where, report
        self.after = after
        """Seconds after which asking again may help."""


class Writer(Protocol):
    def start(self) -> bytes: ...

    def text(self, text: str) -> bytes: ...

    def thought(self, thought: Thought) -> bytes: ...

    def call(self, call: ToolCall) -> bytes: ...

    def finish(self, answer: Answer) -> bytes: ...

    def error(self, failure: Failure) -> bytes: ...


class Wire(Protocol):
    """One API."""

    form: Form

    def read(self, body: Mapping[str, Any], limits: Limits = ...) -> Request:
        """The request in a body.

        Raises:
            Unreadable: something in it cannot be read.
        """
        ...

    def answer(self, head: Head, answer: Answer) -> dict[str, Any]:
        """A whole answer."""
        ...

    def writer(self, head: Head) -> Writer:
        """A writer for a streamed one."""
        ...

    def error(self, failure: Failure) -> dict[str, Any]:
        """The body of an error."""
        ...
