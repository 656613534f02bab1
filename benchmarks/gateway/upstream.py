"""An upstream that costs next to nothing: `python -m benchmarks.gateway.upstream PORT`. `ADHERE_DELAY` in milliseconds.

Whole answers are 20 words; streams are 50 pieces of one word, without a pause between them.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

WORDS = "calm water lies under the bridge while small boats wait for the wind to turn and carry them home again".split()
USAGE = {"prompt_tokens": 30, "completion_tokens": 20, "total_tokens": 50}
WHOLE = json.dumps(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": " ".join(WORDS)}, "finish_reason": "stop"}
        ],
        "usage": USAGE,
    }
).encode()


def _chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    record = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(record).encode() + b"\n\n"


CHUNKS = [_chunk({"role": "assistant", "content": ""})]
CHUNKS += [_chunk({"content": f"{WORDS[n % len(WORDS)]} "}) for n in range(50)]
CHUNKS += [_chunk({}, "stop"), b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\n"]
CHUNKS += [b"data: [DONE]\n\n"]
DELAY = float(os.environ.get("ADHERE_DELAY", "0")) / 1000


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if DELAY:
        await asyncio.sleep(DELAY)
    if b'"stream": true' in body or b'"stream":true' in body:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for chunk in CHUNKS:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(WHOLE)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": WHOLE})


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, port=int(sys.argv[1]), log_level="critical", access_log=False, lifespan="off")
