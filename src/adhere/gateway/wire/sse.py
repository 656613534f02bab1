"""Server-sent events: reading a stream of bytes in pieces of any size, and writing events.

Rules (WHATWG HTML, section 9.2.6)
- Lines end at LF, CRLF or CR; a blank line ends an event; `data` lines are joined by LF; comments are passed over.
- An event that the end of the stream cuts short is no event.
- An event larger than `LARGEST` is refused as soon as it is known to be: memory stays flat whatever an upstream sends.
- Bytes that are not UTF-8 are refused, not replaced.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adhere.gateway.exchange import Unreadable

LARGEST = 1 << 20
"""Bytes of one event. The largest that APIs send is the whole answer at a stream's end."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One event: its type (empty where none was given) and its data."""

    event: str
    data: str


class Reader:
    """Cuts bytes into events, in time linear in their number. Give it every piece with `feed`."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        """The pieces of an unfinished line."""
        self._held = 0
        """Bytes of it."""
        self._event = ""
        self._data: list[str] = []
        self._size = 0
        """Bytes of the finished lines of an unfinished event."""
        self._after_return = False

    def feed(self, piece: bytes) -> Iterator[Sent]:
        """The events that are complete with this piece.

        Raises:
            Unreadable: an event too large, or not UTF-8.
        """
        if self._after_return and piece.startswith(b"\n"):
            piece = piece[1:]
            self._after_return = False
        if not piece:
            return
        self._after_return = piece.endswith(b"\r")
        lines = piece.splitlines(keepends=True)
        unfinished = b"" if lines[-1].endswith((b"\n", b"\r")) else lines.pop()
        for line in lines:
            if self._rest:
                self._within(self._held + len(line))
                line = b"".join((*self._rest, line))
                self._rest, self._held = [], 0
            sent = self._line(line.rstrip(b"\r\n"))
            if sent is not None:
                yield sent
        if unfinished:
            self._rest.append(unfinished)
            self._held += len(unfinished)
            self._within(self._held)

    def _within(self, more: int) -> None:
        if self._size + more > LARGEST:
            raise Unreadable(f"the upstream sent an event larger than {LARGEST:,} bytes")

    def _line(self, line: bytes) -> Sent | None:
        if not line:
            sent = Sent(self._event, "\n".join(self._data)) if self._data else None
            self._event, self._data, self._size = "", [], 0
            return sent
        self._within(len(line))
        self._size += len(line)
        name, _, value = line.partition(b":")
        try:
            text = value.removeprefix(b" ").decode()
        except UnicodeDecodeError:
            raise Unreadable("the upstream sent an event that is not UTF-8") from None
        if name == b"data":
            self._data.append(text)
        elif name == b"event":
            self._event = text
        return None


def write(data: Any, event: str = "") -> bytes:
    """One event with JSON data."""
    line = json.dumps(data, separators=(",", ":"))
    return (f"event: {event}\ndata: {line}\n\n" if event else f"data: {line}\n\n").encode()


DONE = b"data: [DONE]\n\n"
BEAT = b": \n\n"
"""A comment, to keep a connection open while text is held back."""
