"""The gateway as an ASGI application.

Rules
- A body is read up to `LARGEST_BODY` bytes; it is one JSON object; it is read into the normal form before anything else
  looks at it. Each of these failing is an error in the form of the API that was called.
- An address that is not one of ours is an error, never passed on.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from adhere.gateway import side_endpoints as side
from adhere.gateway.answering.admission import admit, stopped
from adhere.gateway.answering.delivery import BROKE, Delivered, Refused
from adhere.gateway.answering.exchange_runner import ExchangeRunner
from adhere.gateway.answering.readers import READERS
from adhere.gateway.exchange import Request as Asked
from adhere.gateway.exchange import Unreadable
from adhere.gateway.hooks import Caller, GatewayHooks
from adhere.gateway.telemetry.access_log import LOGGED
from adhere.gateway.upstream.client import Client
from adhere.gateway.wire import chat, completions, messages, responses
from adhere.gateway.wire.form import Failure, Wire
from adhere.gateway.wire.limits import DEFAULT, Limits

log = logging.getLogger("adhere.gateway")

LARGEST_BODY = 8 << 20
"""Bytes of one request: a million tokens of text."""
MOST_VALUES = 200_000
"""Texts, numbers and members in it: each costs more than its bytes."""
CROWDED = 100_000
"""Bytes, quotes and commas from which the values are counted."""
LONGEST_NAME = 200
SMALL_BODY = 16 << 10
"""Bytes of a request that is read at once; a larger one is read in a thread, so that no stream waits for it."""


@dataclass
class Gateway:
    """An upstream, and those who take part."""

    client: Client
    points: GatewayHooks
    limits: Limits = DEFAULT
    draining: bool = False
    """No new work is wanted: the process is about to end."""
    running: set[ExchangeRunner] = field(default_factory=set)

    def shut_down(self) -> None:
        """End every exchange now; each client is told."""
        for runner in tuple(self.running):
            runner.shut_down()


def app(gateway: Gateway, *, routes: Sequence[BaseRoute] = (), beside: Sequence[Any] = ()) -> Front:
    """The application. `routes` are served beside the APIs (a console); `beside` are asynchronous context managers that
    are open as long as it serves (the pocket model's process), the first opened first."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for context in (*beside, gateway.client):
                await stack.enter_async_context(context)
            yield

    client, points = gateway.client, gateway.points

    async def models(request: Request) -> Response:
        name = request.path_params.get("name")
        form = messages if "anthropic-version" in request.headers else chat
        return await side.answered(side.models(client, points, _caller(request.scope), name), form.error)

    async def count_tokens(request: Request) -> Response:
        async def count() -> Response:
            body = _json(await _bytes(request.receive))
            return await side.count_tokens(client, points, _caller(request.scope), body, gateway.limits)

        return await side.answered(count(), messages.error)

    async def embeddings(request: Request) -> Response:
        async def embed() -> Response:
            body = _json(await _bytes(request.receive))
            return await side.embeddings(client, points, _caller(request.scope), body)

        return await side.answered(embed())

    async def health(request: Request) -> Response:
        del request
        why = stopped(gateway.points)
        return JSONResponse({"serving": why is None, "stopped": why}, status_code=200 if why is None else 503)

    async def alive(request: Request) -> Response:
        """The process runs, whatever it may do."""
        del request
        return JSONResponse({"alive": True})

    async def ready(request: Request) -> Response:
        """Whether requests would be answered now: for whoever shares them out."""
        del request
        why = "draining" if gateway.draining else stopped(gateway.points)
        return JSONResponse({"ready": why is None, "why": why}, status_code=200 if why is None else 503)

    endpoints = {path: Endpoint(gateway, wire) for path, wire in WIRES.items()}
    rest = Starlette(
        routes=[
            *(Route(path, endpoint, methods=["POST"]) for path, endpoint in endpoints.items()),
            Route("/v1/models", models, methods=["GET"]),
            Route("/v1/models/{name:path}", models, methods=["GET"]),
            Route("/v1/messages/count_tokens", count_tokens, methods=["POST"]),
            Route("/v1/embeddings", embeddings, methods=["POST"]),
            Route("/healthz", health, methods=["GET"]),
            Route("/livez", alive, methods=["GET"]),
            Route("/readyz", ready, methods=["GET"]),
            *routes,
        ],
        exception_handlers={404: _nowhere, 405: _nowhere},
        lifespan=lifespan,
    )
    return Front(endpoints, rest)


WIRES: dict[str, Wire] = {
    "/v1/chat/completions": chat,
    "/v1/responses": responses,
    "/v1/messages": messages,
    "/v1/completions": completions,
}


async def _nowhere(request: Request, error: Exception) -> Response:
    del error
    wire = WIRES.get(request.url.path, WIRES["/v1/chat/completions"])
    failure = Failure(404, "not_found", f"there is no {request.method} {request.url.path[:80]} here")
    return JSONResponse(wire.error(failure), status_code=404)


class Front:
    """The whole application: what is posted to an API goes straight to it, all else through `rest`'s routes."""

    def __init__(self, endpoints: Mapping[str, ASGIApp], rest: Starlette) -> None:
        self.endpoints, self.rest = endpoints, rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        posted = scope["type"] == "http" and scope["method"] == "POST"
        here = self.endpoints.get(scope["path"]) if posted else None
        await (here or self.rest)(scope, receive, send)


class Endpoint:
    """One API, as an ASGI application of its own."""

    def __init__(self, gateway: Gateway, wire: Wire) -> None:
        self.gateway, self.wire = gateway, wire

    async def _read(self, data: bytes) -> Asked:
        if len(data) <= SMALL_BODY:
            return self.wire.read(_json(data), self.gateway.limits)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(READERS, lambda: self.wire.read(_json(data), self.gateway.limits))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            request = await self._read(await _bytes(receive))
            exchange = await admit(self.gateway.points, _caller(scope), request)
        except Unreadable as error:
            answer = Refused(self.wire, Failure(400, "unreadable", str(error), error.where))
        except Failure as failure:
            answer = Refused(self.wire, failure)
        except Exception:
            log.exception("a request broke")
            answer = Refused(self.wire, BROKE)
        else:
            await self._run(ExchangeRunner(exchange, self.gateway.client, self.gateway.points), scope, receive, send)
            return
        await answer(scope, receive, send)

    async def _run(self, runner: ExchangeRunner, scope: Scope, receive: Receive, send: Send) -> None:
        admission = runner.exchange.admission
        scope[LOGGED] = {
            "client": admission.client,
            "route": admission.route,
            "model": runner.exchange.request.model[:LONGEST_NAME],
            "api": runner.exchange.request.form,
        }
        self.gateway.running.add(runner)
        try:
            await Delivered(self.wire, runner)(scope, receive, send)
        finally:
            self.gateway.running.discard(runner)


async def _bytes(receive: Receive) -> bytes:
    pieces, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Failure(400, "unreadable", "the request ended before its body did")
        piece = message.get("body", b"")
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_BODY:
            raise Failure(413, "too_large", f"a request has {LARGEST_BODY:,} bytes at the most")
        more = message.get("more_body", False)
    return b"".join(pieces)


def _json(data: bytes) -> dict[str, Any]:
    if len(data) > CROWDED and data.count(b'"') + data.count(b",") > CROWDED and _values(data) > MOST_VALUES:
        raise Failure(413, "too_large", f"a request has {MOST_VALUES:,} values at the most")
    try:
        body = _decode(data.decode())
    except (ValueError, RecursionError):
        raise Failure(400, "unreadable", "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Failure(400, "unreadable", "the body is not a JSON object")
    return body


def _values(data: bytes) -> int:
    """How many values the JSON has, more or less: what separates them, outside of texts."""
    quotes = data.count(b'"') - data.count(b'\\"')
    if quotes > 2 * MOST_VALUES:
        return quotes // 2
    outside = data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2]
    return len(outside) + sum(part.count(b",") for part in outside)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_no_constant).decode
"""RFC 8259: UTF-8, and no NaN."""


def _caller(scope: Scope) -> Caller:
    headers = Headers(scope=scope)
    credential = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ").strip()
    client = scope.get("client")
    return Caller(credential, client[0] if client else "", headers)
