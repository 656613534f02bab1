"""A fake upstream: a real server that answers as it was told, by the name of the model, and remembers what it was
asked.

    fake.says("m", Turn("Hello ", "sea."), Turn("Hello sky."))

The first request for "m" gets the first turn, each further one the next, the last turn again and again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


class Turn:
    """One answer: pieces of text, tool calls as (id, name, arguments), and what goes wrong."""

    pieces: tuple[str, ...]
    calls: tuple[tuple[str, str, str], ...] = ()
    finish: str = "stop"
    fault: str = ""
    """die, half, huge, stall, garbage, event, opaque, choices; "" for none."""
    status: int = 200
    raw: Any = None
    """The answer in the upstream's own words: an object, the list of a stream's events, or an error's body."""
    headers: Any = None
    pause: float = 0.0

    def __init__(self, *pieces: str, **fields: Any) -> None:
        self.pieces = pieces
        self.more: dict[str, Any] = {}
        for name, value in fields.items():
            setattr(self, name, value)


class Fake:
    """The state of the fake upstream."""

    def __init__(self) -> None:
        self.turns: dict[str, list[Turn]] = {}
        self.asked: list[dict[str, Any]] = []
        self.sent = 0
        """Pieces sent over all answers."""
        self.cut = 0
        """Answers that the gateway left before their end."""
        self.url = ""

    def says(self, model: str, *turns: Turn) -> str:
        self.turns[model] = list(turns)
        return model

    def _next(self, model: str) -> Turn:
        turns = self.turns.get(model) or [Turn("Hello.")]
        return turns.pop(0) if len(turns) > 1 else turns[0]

    async def chat(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        turn = self._next(body["model"])
        if turn.status != 200:
            error = turn.raw or {"error": {"message": "the secret is swordfish"}}
            return JSONResponse(error, status_code=turn.status, headers=turn.headers)
        if turn.raw is not None:
            return _raw(turn.raw)
        if body.get("stream"):
            return StreamingResponse(self._counted(self._chat_events(turn)), media_type="text/event-stream")
        return await self._chat_whole(turn)

    async def _chat_whole(self, turn: Turn) -> Response:
        await asyncio.sleep(turn.pause * max(1, len(turn.pieces)))
        if turn.fault == "stall":
            await asyncio.sleep(30)
        if turn.fault in ("die", "half", "garbage"):
            return Response(b'{"choices": [{"mess', media_type="application/json")
        if turn.fault == "huge":
            return StreamingResponse(_huge(), media_type="application/json")
        message: dict[str, Any] = {"role": "assistant", "content": "".join(turn.pieces) or None, **turn.more}
        if turn.calls:
            message["tool_calls"] = [_call(call) for call in turn.calls]
        if turn.fault == "opaque":
            message["telepathy"] = "swordfish"
        choice = {"index": 0, "message": message, "finish_reason": turn.finish}
        usage = {"prompt_tokens": 7, "completion_tokens": len(turn.pieces), "total_tokens": 7 + len(turn.pieces)}
        choices = [choice, choice] if turn.fault == "choices" else [choice]
        if turn.fault == "event":
            return JSONResponse({"object": "surprise", "words": "swordfish"})
        return JSONResponse({"id": "x", "object": "chat.completion", "choices": choices, "usage": usage})

    async def _chat_events(self, turn: Turn) -> AsyncIterator[bytes]:
        def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            return _event({"id": "x", "object": "chat.completion.chunk", "choices": [choice]})

        yield chunk({"role": "assistant", "content": ""})
        for place, piece in enumerate(turn.pieces):
            await asyncio.sleep(turn.pause)
            yield chunk({"content": piece, **turn.more})
            if place == len(turn.pieces) // 2:
                if turn.fault == "stall":
                    await asyncio.sleep(30)
                elif turn.fault == "die":
                    raise ConnectionResetError
                elif turn.fault == "half":
                    yield b'data: {"choices": [{"index": 0, "delta": {"content": "swordf'
                    raise ConnectionResetError
                elif turn.fault == "huge":
                    async for big in _huge():
                        yield big
                elif turn.fault == "garbage":
                    yield b"data: {{{\n\n"
                elif turn.fault == "event":
                    yield b'event: surprise\ndata: {"words": "swordfish"}\n\n'
                elif turn.fault == "opaque":
                    yield chunk({"telepathy": "swordfish"})
                elif turn.fault == "choices":
                    yield _event({"choices": [{"index": 1, "delta": {"content": "swordfish"}}]})
        for index, (name, tool, arguments) in enumerate(turn.calls):
            yield chunk({"tool_calls": [{"index": index, **_call((name, tool, ""))}]})
            for at in range(0, len(arguments), 5):
                yield chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments[at : at + 5]}}]})
        yield chunk({}, turn.finish)
        usage = {"prompt_tokens": 7, "completion_tokens": len(turn.pieces)}
        yield _event({"choices": [], "usage": usage})
        yield b"data: [DONE]\n\n"

    async def messages(self, request: Request) -> Response:
        """The same answers in Anthropic's form, without faults."""
        body = await request.json()
        self.asked.append(body)
        turn = self._next(body["model"])
        if turn.status != 200:
            return JSONResponse(turn.raw or {}, status_code=turn.status, headers=turn.headers)
        if turn.raw is not None:
            return _raw(turn.raw)
        content: list[dict[str, Any]] = [{"type": "text", "text": "".join(turn.pieces)}] if turn.pieces else []
        content += [{"type": "tool_use", "id": i, "name": n, "input": json.loads(a)} for i, n, a in turn.calls]
        reason = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}[turn.finish]
        usage = {"input_tokens": 7, "output_tokens": len(turn.pieces)}
        whole = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": content}
        if not body.get("stream"):
            return JSONResponse({**whole, "stop_reason": reason, "usage": usage})
        events: list[dict[str, Any]] = [{"type": "message_start", "message": {**whole, "content": [], "usage": usage}}]
        for index, block in enumerate(content):
            said = block["type"] == "text"
            empty = {**block, "text": ""} if said else {**block, "input": {}}
            pieces = turn.pieces if said else [json.dumps(block["input"])]
            kind, field = ("text_delta", "text") if said else ("input_json_delta", "partial_json")
            events.append({"type": "content_block_start", "index": index, "content_block": empty})
            events += [
                {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: piece}}
                for piece in pieces
            ]
            events.append({"type": "content_block_stop", "index": index})
        events += [
            {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage},
            {"type": "message_stop"},
        ]

        async def send() -> AsyncIterator[bytes]:
            for event in events:
                yield f"event: {event['type']}\n".encode() + _event(event)

        return StreamingResponse(send(), media_type="text/event-stream")

    async def count(self, request: Request) -> Response:
        self.asked.append(await request.json())
        return JSONResponse({"input_tokens": 42})

    async def embed(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        rows = [{"object": "embedding", "index": n, "embedding": [0.5, 0.25]} for n in range(len(body["input"]))]
        return JSONResponse({"object": "list", "data": rows, "secret": "swordfish", "usage": {"prompt_tokens": 3}})

    async def _counted(self, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        whole = False
        try:
            async for event in events:
                self.sent += 1
                yield event
            whole = True
        finally:
            self.cut += not whole

    async def models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"} for name in self.turns]})

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
                Route("/v1/messages", self.messages, methods=["POST"]),
                Route("/v1/messages/count_tokens", self.count, methods=["POST"]),
                Route("/v1/embeddings", self.embed, methods=["POST"]),
                Route("/v1/models", self.models),
            ]
        )


def _raw(raw: Any) -> Response:
    if not isinstance(raw, list):
        return JSONResponse(raw)
    lines = [f"event: {e['type']}\n".encode() + _event(e) if "type" in e else _event(e) for e in raw]
    if raw and "choices" in raw[0]:
        lines.append(b"data: [DONE]\n\n")
    return StreamingResponse(iter(lines), media_type="text/event-stream")


def _event(data: Any) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def _call(call: Sequence[str]) -> dict[str, Any]:
    return {"id": call[0], "type": "function", "function": {"name": call[1], "arguments": call[2]}}


async def _huge() -> AsyncIterator[bytes]:
    yield b'data: {"choices": [{"index": 0, "delta": {"content": "'
    for _ in range(100):
        yield b"x" * 1_000_000
    yield b'"}}]}\n\n'


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """`app` on a real server in a thread of its own; its base URL."""
    config = uvicorn.Config(app, port=0, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < until, "the server did not come up"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(5)
