"""The plainest proxy there can be on the same libraries: bytes in, bytes out. `python -m
benchmarks.gateway.passthrough PORT URL`. What the gateway costs is counted from here."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

UPSTREAM = sys.argv[2] if len(sys.argv) > 2 else ""


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        app.state.session = session
        yield


async def forward(request: Request) -> StreamingResponse:
    body = await request.body()
    headers = {"content-type": "application/json"}
    answer = await request.app.state.session.post(f"{UPSTREAM}/chat/completions", data=body, headers=headers)

    async def pieces() -> AsyncIterator[bytes]:
        async for piece in answer.content.iter_any():
            yield piece

    return StreamingResponse(pieces(), answer.status, media_type=answer.headers["content-type"])


app = Starlette(routes=[Route("/v1/chat/completions", forward, methods=["POST"])], lifespan=lifespan)

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="critical", access_log=False)
