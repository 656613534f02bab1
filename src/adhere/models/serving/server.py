"""A small local server for open weights: OpenAI's chat completions with prefill, token masks and saved monitors.

    adhere pocket serve --port 8001
    adhere pocket serve ./checkpoint --monitor runs/x/monitor

The gateway runs it as a separate process for a local model, so that the gateway never loads torch. It has no keys, no
policy and no memory, and listens on this machine only unless another host is given.

Rules:

- Waiting requests are answered in one batch (`batching`) and do not affect each other (`generate`).
- Without constraints an answer is streamed as it is written. With them, or with tools, it is held until it is
  complete: an answer under constraints may backtrack and write another end.
- A request may ask for the server's saved monitors (`monitors`): "watch" returns
  their alarms with the answer; "restart" restarts an answer for which an alarm is raised, up to `attempts` times; the
  last attempt is left to run. They watch unmasked answers only: masks change the states that a monitor was fitted to.
- If a client disconnects, its answer stops at the next token.
- An invalid request is 400 with one line; running out of memory on one request is 507; anything else is 500 with a line
  in the log.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from adhere.core.errors import UserError
from adhere.models.generation.constrained import REDRAW_TEMPERATURE, Budget, Draft
from adhere.models.generation.detokenizer import Detokenizer
from adhere.models.generation.fluency import fluency
from adhere.models.generation.generate import Generation, Request
from adhere.models.generation.grammar import Grammar
from adhere.models.serving import chat
from adhere.models.serving.watching import Watch, WatchedBatcher

if TYPE_CHECKING:
    from adhere.models.load import OpenModel
    from adhere.models.serving.probe_monitor import SavedMonitor

LARGEST_BODY = 4 << 20
log = logging.getLogger("adhere.models.serving.server")


class Server:
    """Answers requests with one model."""

    def __init__(self, opened: OpenModel, batch: int = 64, monitors: Sequence[SavedMonitor] = ()) -> None:
        self.opened = opened
        self.batcher = WatchedBatcher(opened, monitors, batch)

    def app(self) -> Starlette:
        """The application, for any ASGI server."""
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
                Route("/v1/models", self._models),
                Route("/health", self._health),
            ],
            exception_handlers={UserError: _refused, Exception: _failed},
        )

    async def _complete(self, http: HttpRequest) -> Response:
        body = await _body(http)
        asked = chat.read(body)
        prompt = asked.prompt(self.opened)
        if len(prompt) >= self.opened.context:
            line = f"the messages have {len(prompt)} tokens and {self.opened.name} reads {self.opened.context} at most"
            return JSONResponse(chat.failure(line, code="context_length_exceeded"), 400)
        answer = chat.Answer(self.opened, asked)
        if asked.monitors and (asked.constraints or asked.wanted_schema):
            raise UserError("monitors watch what is written freely: ask for constraints and schemas without them")
        if asked.monitors and not self.batcher.monitors:
            raise UserError("this server has no saved monitors: start it with --monitor DIR")
        whole = bool(asked.constraints or asked.wanted_schema or asked.tools or asked.monitors)
        if asked.stream and not whole:
            return StreamingResponse(self._streamed(asked, prompt, answer), media_type="text/event-stream")
        text, reason, tokens, more = await self._written(asked, prompt)
        if not asked.stream:
            return JSONResponse(answer.whole(text, reason, len(prompt), tokens, more))

        async def events() -> AsyncIterator[str]:
            yield answer.opening()
            for event in (*answer.called(text), *answer.closing(text, reason, len(prompt), tokens, more)):
                yield event

        return StreamingResponse(events(), media_type="text/event-stream")

    async def _written(
        self, asked: chat.ChatRequest, prompt: tuple[int, ...]
    ) -> tuple[str, Any, int, dict[str, Any] | None]:
        """A complete answer: text, the reason why it ended, tokens, and additional fields."""
        if asked.monitors:
            return await self._watched(asked, prompt)
        constraints = asked.constraint_objects()
        if not constraints and asked.wanted_schema is None:
            given = await self.batcher.answer(Request(prompt, asked.sampling()))
            return given.text, given.reason, len(given.tokens), None
        grammar = Grammar(self.opened, asked.wanted_schema) if asked.wanted_schema is not None else None
        draft = Draft(self.opened, prompt, constraints, asked.sampling(), Budget(asked.attempts), asked.prefix, grammar)
        while draft.written is None:
            draft.take(await self.batcher.answer(draft.request()))
        written = draft.written
        read = await self.batcher.run(lambda: fluency(self.opened, prompt, written.text))
        more = chat.verdicts(constraints, written.checks, written.attempts, read)
        return written.text, written.reason, written.tokens, more

    async def _watched(self, asked: chat.ChatRequest, prompt: tuple[int, ...]) -> tuple[str, Any, int, dict[str, Any]]:
        """An answer under the saved monitors, restarted on an alarm if the request says so."""
        sampling, spent = asked.sampling(), 0
        raised: list[dict[str, Any]] = []
        for attempt in range(1, asked.attempts + 1):
            stop = asked.monitors == "restart" and attempt < asked.attempts
            given, alarms = await self.batcher.watched(Request(prompt, sampling), Watch(self.batcher.skills, stop))
            spent += len(given.tokens)
            raised += [{"attempt": attempt, **asdict(alarm)} for alarm in alarms]
            if given.reason != "watcher":
                break
            heat = max(sampling.temperature, REDRAW_TEMPERATURE)
            sampling = replace(sampling, temperature=heat, seed=sampling.seed + 1)
        return given.text, given.reason, spent, {"attempts": attempt, "alarms": raised}

    async def _streamed(
        self, asked: chat.ChatRequest, prompt: tuple[int, ...], answer: chat.Answer
    ) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[int | Generation | BaseException] = asyncio.Queue()
        gone = False

        def hear(_place: int, token: int) -> bool:
            loop.call_soon_threadsafe(arrived.put_nowait, token)
            return not gone

        def end(future: Any) -> None:
            loop.call_soon_threadsafe(arrived.put_nowait, future.exception() or future.result())

        future = self.batcher.submit(Request(prompt, asked.sampling(), listener=hear))
        future.add_done_callback(lambda done: None if done.cancelled() else end(done))
        shown = ""
        pieces = Detokenizer(self.opened.tokenizer)
        held = _Held(asked.sampling().stop)
        try:
            yield answer.opening()
            while not isinstance(came := await arrived.get(), Generation):
                if isinstance(came, BaseException):
                    log.error("an answer failed", exc_info=came)
                    yield f"data: {json.dumps(chat.failure('the model failed', 'server_error'))}\n\n"
                    return
                if piece := held.push(pieces.push(came)):
                    shown += piece
                    yield answer.piece(piece)
            # what was held back for a stop string or an unfinished character, and nothing that a stop string cut off
            if came.text.startswith(shown) and len(came.text) > len(shown):
                yield answer.piece(came.text[len(shown) :])
            for event in answer.closing(came.text, came.reason, len(prompt), len(came.tokens)):
                yield event
        finally:
            gone = True
            future.cancel()

    async def _models(self, _http: HttpRequest) -> Response:
        return JSONResponse(
            {"object": "list", "data": [{"id": self.opened.name, "object": "model", "created": 0, "owned_by": "local"}]}
        )

    async def _health(self, _http: HttpRequest) -> Response:
        digest = await asyncio.to_thread(lambda: self.opened.digest)
        return JSONResponse({"model": self.opened.name, "weights": digest, "context": self.opened.context})


class _Held:
    """Keeps back the end of a text while it may be the beginning of a stop string, and all from a stop string on."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._keep = max((len(stop) for stop in stops), default=1) - 1
        self._tail = ""
        self._stopped = False

    def push(self, piece: str) -> str:
        if self._stopped:
            return ""
        text = self._tail + piece
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        self._stopped = bool(found)
        cut = min(found) if found else max(0, len(text) - self._keep)
        self._tail = text[cut:]
        return text[:cut]


async def _body(http: HttpRequest) -> bytes:
    body = bytearray()
    async for chunk in http.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise UserError(f"the request has more than {LARGEST_BODY >> 20} MB")
    return bytes(body)


async def _refused(_http: HttpRequest, error: Exception) -> Response:
    status = 507 if "out of memory" in str(error) else 400
    return JSONResponse(chat.failure(str(error)), status)


async def _failed(_http: HttpRequest, error: Exception) -> Response:
    log.error("a request failed", exc_info=error)
    return JSONResponse(chat.failure("the model's server failed", "server_error"), 500)


def serve(opened: OpenModel, host: str, port: int, batch: int = 64, monitors: Sequence[SavedMonitor] = ()) -> None:
    """Serve until interrupted.

    Raises:
        UserError: the port is taken, or a monitor belongs to another model.
    """
    import uvicorn

    server = Server(opened, batch, monitors)
    try:
        uvicorn.run(server.app(), host=host, port=port, log_level="warning", access_log=False)
    except SystemExit:
        raise UserError(
            f"cannot listen on {host}:{port}: the port is in use or not permitted; give another --port"
        ) from None
    finally:
        server.batcher.close()
