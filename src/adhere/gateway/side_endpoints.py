"""What clients ask beside answers: models, counts of tokens, embeddings.

Rules
- Whoever may not ask for an answer may not ask for these.
- A text to embed or to count goes the way of every request: route, monitors, stop. Of what the upstream answers,
  numbers are handed on and nothing else.
- An upstream without a count of its own tokens gives none: four bytes are then taken for one token, and the header
  `x-adhere` says `estimated`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from adhere.gateway.answering.admission import admit, denial, stopped
from adhere.gateway.exchange import Message, Request, Text, Unreadable
from adhere.gateway.hooks import Caller, Exchange, ExchangeOutcome, GatewayHooks
from adhere.gateway.upstream import messages as messages_upstream
from adhere.gateway.upstream.client import Client
from adhere.gateway.upstream.dialect import Question, UpstreamError
from adhere.gateway.wire import chat, messages
from adhere.gateway.wire.fields import items, mapping, string, whole
from adhere.gateway.wire.form import Failure
from adhere.gateway.wire.limits import Limits

SECONDS = 60.0
BYTES_PER_TOKEN = 4
MOST_INPUTS = 2_048
"""Texts of one request for embeddings, as OpenAI has it."""


async def models(client: Client, points: GatewayHooks, caller: Caller, name: str | None) -> Response:
    """The upstream's models, or the one called `name`."""
    why = stopped(points)
    if why is not None:
        raise Failure(403, "stopped", why)
    decision = await points.knows(caller)
    if not decision.allowed:
        raise denial(decision)
    names = await client.models()
    rows = [{"id": one, "object": "model", "type": "model", "created": 0, "owned_by": "upstream"} for one in names]
    if name is None:
        return JSONResponse({"object": "list", "data": rows, "has_more": False})
    named = [row for row in rows if row["id"] == name]
    if not named:
        raise Failure(404, "model_not_found", "the upstream has no model of that name")
    return JSONResponse(named[0])


async def count_tokens(
    client: Client, points: GatewayHooks, caller: Caller, body: Mapping[str, Any], limits: Limits
) -> Response:
    """How many tokens a request to `/v1/messages` has."""
    request = messages.read({"max_tokens": 1, **body}, limits)
    exchange = await admit(points, caller, request)
    if client.upstream.dialect is messages_upstream:
        asked = messages_upstream.body(Question(exchange.request))
        del asked["max_tokens"]
        counted = await client.post("/messages/count_tokens", asked, SECONDS)
        await _recorded(points, exchange, "tokens counted")
        return JSONResponse({"input_tokens": whole(counted, "input_tokens")})
    size = sum(len(text.encode("utf-8", "replace")) for _, text in exchange.request.texts())
    size += sum(len(str(tool.schema)) + len(tool.description) for tool in exchange.request.tools)
    await _recorded(points, exchange, "tokens counted")
    tokens = -(-size // BYTES_PER_TOKEN)
    return JSONResponse({"input_tokens": tokens}, headers={"x-adhere": "estimated"})


async def embeddings(client: Client, points: GatewayHooks, caller: Caller, body: Mapping[str, Any]) -> Response:
    """Embeddings of texts."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else items(given, "input")
    if not texts or len(texts) > MOST_INPUTS or not all(isinstance(text, str) for text in texts):
        raise Unreadable(f"input must be a text, or a list of at most {MOST_INPUTS:,} texts", "input")
    said = tuple(Message("user", (Text(text),)) for text in texts)
    exchange = await admit(points, caller, Request("chat", string(body, "model"), said))
    asked: dict[str, Any] = {"model": exchange.request.model, "input": texts}
    asked |= {name: body[name] for name in ("dimensions", "encoding_format", "user") if body.get(name) is not None}
    answered = await client.post("/embeddings", asked, SECONDS)
    rows = [_embedding(mapping(row, "data"), place) for place, row in enumerate(items(answered.get("data"), "data"))]
    tokens = whole(mapping(answered.get("usage") or {}, "usage"), "prompt_tokens")
    await _recorded(points, exchange, f"{len(rows)} embedding{'s' * (len(rows) != 1)}")
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return JSONResponse({"object": "list", "data": rows, "model": exchange.request.model, "usage": usage})


def _embedding(row: Mapping[str, Any], place: int) -> dict[str, Any]:
    value = row.get("embedding")
    is_numbers = isinstance(value, list) and all(isinstance(one, int | float) for one in value)
    if not is_numbers and not (isinstance(value, str) and value.isascii() and " " not in value):
        raise Unreadable("the upstream's embedding is neither numbers nor base64")
    return {"object": "embedding", "index": place, "embedding": value}


async def _recorded(points: GatewayHooks, exchange: Exchange, text: str) -> None:
    try:
        await points.record(exchange, ExchangeOutcome("met", "stop", text=text))
    except Exception as error:
        raise Failure(503, "unrecorded", "the outcome could not be put on the record") from error


async def answered(work: Any, error_of: Any = chat.error) -> Response:
    """What `work` gives, or its failure in the form of the API."""
    try:
        response: Response = await work
        return response
    except Failure as failure:
        return JSONResponse(error_of(failure), status_code=failure.status)
    except UpstreamError as error:
        return JSONResponse(error_of(Failure(error.status, error.kind, error.text)), status_code=error.status)
    except Unreadable as error:
        return JSONResponse(error_of(Failure(400, "unreadable", str(error), error.where)), status_code=400)
