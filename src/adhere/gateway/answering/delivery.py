"""Delivering an answer: whole, or as server-sent events; and noticing that the client has gone.

Rules
- A client that goes away cancels everything done for it, the upstream's writing too.
- A stream's head is sent with its first piece of text, so that what fails before has a proper status. Where nothing
  may be released for `BEAT_SECONDS` a comment keeps the connection open; the head goes with it.
- Once a stream has begun, a failure is an error event in the API's own form; nothing follows it, no end, no [DONE].
- A slow client slows everything before it down: nothing is queued.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Coroutine, Mapping
from typing import Any

from starlette.types import Receive, Scope, Send

from adhere.gateway.answering.exchange_runner import ExchangeRunner
from adhere.gateway.answering.report import header
from adhere.gateway.wire.form import Failure, Head, Thought, Wire
from adhere.gateway.wire.sse import BEAT

BEAT_SECONDS = 10.0
_encode = json.JSONEncoder(check_circular=False).encode

log = logging.getLogger("adhere.gateway")


async def _until_left(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do `work` until it is done or the client goes away."""
    here = asyncio.current_task()
    assert here is not None, "it runs in a task"
    left = False

    async def listen() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        here.cancel()

    listening = asyncio.create_task(listen())
    try:
        await work
    except asyncio.CancelledError:
        if not left or here.uncancel():
            raise
    finally:
        listening.cancel()


async def _respond(send: Send, status: int, content_type: bytes, headers: Mapping[str, str], body: bytes) -> None:
    await _start(send, status, content_type, headers, len(body))
    await send({"type": "http.response.body", "body": body})


async def _start(send: Send, status: int, content_type: bytes, headers: Mapping[str, str], length: int = -1) -> None:
    rows = [(b"content-type", content_type), (b"cache-control", b"no-store")]
    rows += [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    if length >= 0:
        rows.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": status, "headers": rows})


class Refused:
    """An answer that is not given, as a response."""

    def __init__(self, wire: Wire, failure: Failure, headers: Mapping[str, str] | None = None) -> None:
        self.wire, self.failure, self.headers = wire, failure, dict(headers or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        body = json.dumps(self.wire.error(self.failure)).encode()
        kind = {"x-adhere": self.failure.kind, **self.headers}
        if self.failure.status in (429, 503):
            kind["retry-after"] = str(max(1, math.ceil(self.failure.after or 0)))
        await _respond(send, self.failure.status, b"application/json", kind, body)


class Delivered:
    """The answer of one exchange, as a response."""

    def __init__(self, wire: Wire, runner: ExchangeRunner) -> None:
        self.wire, self.runner = wire, runner
        self.request = runner.exchange.request
        self.headers = {"x-request-id": runner.exchange.id}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        await _until_left(receive, self._stream(send) if self.request.stream else self._whole(send))

    async def _refuse(self, failure: Failure, send: Send) -> None:
        async def nothing() -> Any:
            return {"type": "http.disconnect"}

        await Refused(self.wire, failure, self.headers)({}, nothing, send)

    async def _whole(self, send: Send) -> None:
        try:
            ended = await self.runner.run(None)
        except Failure as failure:
            await self._refuse(failure, send)
            return
        except Exception:
            log.exception("exchange %s broke", self.runner.exchange.id)
            await self._refuse(BROKE, send)
            return
        body = _encode(self.wire.answer(Head.of(self.runner.exchange.id, self.request), ended.answer)).encode()
        await _respond(send, 200, b"application/json", {"x-adhere": header(ended.outcome), **self.headers}, body)

    async def _stream(self, send: Send) -> None:
        writer = self.wire.writer(Head.of(self.runner.exchange.id, self.request))
        began, sent = False, time.monotonic()

        async def put(data: bytes, more: bool = True) -> None:
            nonlocal began, sent
            if not began:
                began = True
                count = len(self.runner.exchange.asked)
                note = {"x-adhere": f"streaming; constraints={count}", **self.headers}
                await _start(send, 200, b"text/event-stream; charset=utf-8", note)
                data = writer.start() if data is BEAT else writer.start() + data
            sent = time.monotonic()
            await send({"type": "http.response.body", "body": data, "more_body": more})

        async def say(text: str) -> None:
            await put(writer.text(text))

        async def think(thought: Thought) -> None:
            if written := writer.thought(thought):
                await put(written)

        async def beat() -> None:
            while True:
                await asyncio.sleep(max(0.05, BEAT_SECONDS - (time.monotonic() - sent)))
                if time.monotonic() - sent >= BEAT_SECONDS:
                    await put(BEAT)

        beating = asyncio.create_task(beat())
        try:
            answer = (await self.runner.run(say, think)).answer
            beating.cancel()
            thought = writer.thought(answer.thought) if answer.thought else b""
            await put(thought + b"".join(map(writer.call, answer.calls)) + writer.finish(answer), more=False)
        except Failure as failure:
            beating.cancel()
            await (put(writer.error(failure), more=False) if began else self._refuse(failure, send))
        except Exception:
            beating.cancel()
            log.exception("exchange %s broke", self.runner.exchange.id)
            await (put(writer.error(BROKE), more=False) if began else self._refuse(BROKE, send))
        finally:
            beating.cancel()


BROKE = Failure(500, "internal_error", "the gateway broke; nothing more is delivered")
