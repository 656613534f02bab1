"""One line of JSON for each request, written when its response is over.

    {"time": "2026-01-31T12:00:00.123Z", "method": "POST", "path": "/v1/chat/completions", "status": 200,
     "seconds": 1.234, "first_seconds": 0.21, "bytes": 5120, "peer": "10.0.0.7", "id": "6f1c...",
     "ended": "met; constraints=2/2; attempts=1", "client": "desk", "route": "office", "model": "gpt-x", "api": "chat",
     "trace": "4bf92f3577b34da6a3ce929d0e0e4736"}

Rules
- No text of request or answer, no key, no query string.
- What a caller wrote (path, model) is cut and stands in a JSON string: a line is always one line.
- `trace` is the trace id of the caller's `traceparent` header, where it is one.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGGED = "adhere.logged"
"""The key of the scope under which an endpoint leaves what it knows of the exchange."""
LONGEST = 200
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class AccessLog:
    """`app` with a line given to `write` for each of its responses."""

    def __init__(self, app: ASGIApp, write: Callable[[str], None]) -> None:
        self.app, self._write = app, write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.monotonic()
        seen: dict[str, Any] = {"status": 0, "bytes": 0, "first_seconds": None}

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = dict(message.get("headers", ()))
                seen["status"] = message["status"]
                seen["id"] = headers.get(b"x-request-id", b"").decode("latin-1")
                seen["ended"] = headers.get(b"x-adhere", b"").decode("latin-1")
            elif message.get("body"):
                if seen["first_seconds"] is None:
                    seen["first_seconds"] = round(time.monotonic() - began, 4)
                seen["bytes"] += len(message["body"])
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            self._write(json.dumps(self._line(scope, seen, time.monotonic() - began)))

    def _line(self, scope: Scope, seen: dict[str, Any], seconds: float) -> dict[str, Any]:
        peer = scope.get("client")
        trace = TRACEPARENT.fullmatch(Headers(scope=scope).get("traceparent", ""))
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "method": scope["method"],
            "path": scope["path"][:LONGEST],
            "seconds": round(seconds, 4),
            "peer": peer[0] if peer else "",
            **seen,
            **scope.get(LOGGED, {}),
        }
        return line if trace is None else {**line, "trace": trace[1]}
