"""What a language of an upstream has to say: how a request is put, and how an answer is read, streamed or whole.

Both ways of reading give the same events in the same order, so that what is decided does not depend on the way.
Anything in an answer that may carry words and cannot be read is `Unreadable`: it is not handed on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from adhere.constraints.constraint import Constraint
from adhere.gateway.exchange import Event, Request
from adhere.gateway.wire.sse import Sent


@dataclass(frozen=True, slots=True)
class Question:
    """One asking of the upstream: a request, the beginning of the answer to go on from, and what it shall meet."""

    request: Request
    prefix: str = ""
    constraints: Sequence[Constraint] = ()
    """For an upstream that can write under constraints; empty for all others."""
    stream: bool = False


class Reading(Protocol):
    """Reads one answer."""

    def whole(self, body: Mapping[str, Any]) -> Iterator[Event]:
        """The events of an answer that came whole."""
        ...

    def sent(self, sent: Sent) -> Iterator[Event]:
        """The events in one server-sent event of a streamed one."""
        ...


class Dialect(Protocol):
    path: str
    """Of the endpoint, below the base URL."""

    def headers(self, key: str) -> dict[str, str]: ...

    def body(self, question: Question) -> dict[str, Any]: ...

    def dropped(self, request: Request) -> tuple[str, ...]:
        """Names of the request's parameters and hints that this API has no field for."""
        ...

    def reading(self) -> Reading: ...


class UpstreamError(Exception):
    """The upstream gave no whole answer. `status` is what the client is told; `retry`: asking again may help;
    `after`: in so many seconds, as the upstream said."""

    def __init__(self, status: int, kind: str, text: str, *, retry: bool = False, after: float | None = None) -> None:
        super().__init__(text)
        self.status, self.kind, self.text, self.retry, self.after = status, kind, text, retry, after
