"""Many streams at once, clients that go away, and an upstream that is left as soon as something breaks."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest
from tests.gateway.conftest import serve
from tests.gateway.fake import Fake, Turn

from adhere.gateway.answering import delivery
from adhere.gateway.hooks import Handling

STREAMS = 1000
PATHS = ("chat/completions", "responses", "messages")


def body(model: str, path: str, **more: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": "Go on."}]
    asked = {"input": said} if path == "responses" else {"messages": said}
    return {"model": model, "stream": True, **asked, **({"max_tokens": 9} if path == "messages" else {}), **more}


async def read(session: aiohttp.ClientSession, url: str, path: str, model: str) -> str:
    async with session.post(f"{url}/v1/{path}", json=body(model, path)) as answer:
        return (await answer.read()).decode()


@pytest.mark.slow
def test_a_thousand_streams_do_not_mix(fake: Fake, gateway: str) -> None:
    async def all_at_once() -> list[str]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            return await asyncio.gather(
                *(read(session, gateway, PATHS[n % 3], f"stream-{n:03}") for n in range(STREAMS))
            )

    for n in range(STREAMS):
        fake.says(f"stream-{n:03}", Turn(*(f"{n:03}x{k} " for k in range(8)), pause=0.01))
    answers = asyncio.run(all_at_once())
    for n, answer in enumerate(answers):
        assert all(f"{n:03}x{k} " in answer for k in range(8))
        others = {part[:3] for part in answer.split('"') if part[3:4] == "x" and part[:3].isdigit()}
        assert others == {f"{n:03}"}


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_cancels_the_upstream(fake: Fake, gateway: str, stream: bool) -> None:
    model = fake.says(f"left-{stream}", Turn(*(f"{n} " for n in range(200)), pause=0.05))

    async def leave() -> None:
        timeout = aiohttp.ClientTimeout(total=0.4)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            asked = body(model, "chat/completions") | {"stream": stream}
            async with session.post(f"{gateway}/v1/chat/completions", json=asked) as answer:
                await answer.read()

    cut = fake.cut
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(leave())
    until = time.monotonic() + 5
    while stream and fake.cut == cut and time.monotonic() < until:
        time.sleep(0.05)
    assert fake.cut > cut or not stream


def test_what_breaks_is_left_at_once(fake: Fake) -> None:
    turn = Turn("the sea ", *("on and on " for _ in range(300)), pause=0.02)
    cut = fake.cut
    with serve(fake, Handling(attempts=0)) as url:
        model = fake.says("leave", turn)

        async def ask() -> str:
            async with aiohttp.ClientSession() as session:
                asked = body(model, "chat/completions", constraints=[{"kind": "excludes.terms", "terms": ["sea"]}])
                async with session.post(f"{url}/v1/chat/completions", json=asked) as answer:
                    assert answer.status == 422
                    return (await answer.read()).decode()

        began = time.monotonic()
        answer = asyncio.run(ask())
    assert time.monotonic() - began < 3
    assert json.loads(answer)["error"]["code"] == "constraints_unmet"
    until = time.monotonic() + 5
    while fake.cut == cut and time.monotonic() < until:
        time.sleep(0.05)
    assert fake.cut == cut + 1


def test_a_comment_keeps_the_connection_open_while_text_is_held_back(
    fake: Fake, gateway: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "BEAT_SECONDS", 0.2)
    model = fake.says("slow", Turn("one ", "two ", "three ", "sea", pause=0.25))

    async def ask() -> str:
        async with aiohttp.ClientSession() as session:
            asked = body(model, "chat/completions", constraints=[{"kind": "contains.terms", "terms": ["sea"]}])
            async with session.post(f"{gateway}/v1/chat/completions", json=asked) as answer:
                return (await answer.read()).decode()

    answer = asyncio.run(ask())
    assert "\n: \n" in answer
    assert answer.index(": \n\n") < answer.index("one two three")
