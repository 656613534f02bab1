"""Limits per client: requests, tokens, concurrency; keys that expire and are exchanged."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from tests.gateway.charters import gateway, policy
from tests.gateway.fake import Fake, Turn

from adhere.gateway.governance.budgets import Budgets
from adhere.gateway.policy import policy as policies

BODY = {"model": "budget", "messages": [{"role": "user", "content": "Hello"}]}


def client(**fields: object) -> tuple[str, dict[str, object]]:
    key, kept = policies.new_key()
    return key, {"name": "desk", "key": kept, **fields}


def ask(url: str, key: str) -> httpx.Response:
    return httpx.post(f"{url}/v1/chat/completions", json=BODY, headers={"authorization": f"Bearer {key}"}, timeout=30)


class Clock:
    def __init__(self) -> None:
        self.now = 86_400.0 * 20_000 + 30

    def __call__(self) -> float:
        return self.now


def budgets(tmp_path: Path, clock: Clock, **limits: int) -> tuple[Budgets, policies.Client]:
    held = policy(tmp_path, clients=[client(limits=limits)[1]])
    return Budgets(held, None, clock), held.clients[0]


def test_a_minutes_requests_are_refused_until_the_next_minute(tmp_path):
    clock = Clock()
    counted, desk = budgets(tmp_path, clock, requests_per_minute=2)

    async def run() -> list[bool]:
        before = [await counted.admit(desk) is None for _ in range(3)]
        clock.now += 30
        return [*before, await counted.admit(desk) is None]

    assert asyncio.run(run()) == [True, True, False, True]


def test_a_days_tokens_are_refused_until_the_next_day(tmp_path):
    clock = Clock()
    counted, desk = budgets(tmp_path, clock, tokens_per_day=100)

    async def run() -> list[bool]:
        answers = []
        for _ in range(3):
            answers.append(await counted.admit(desk) is None)
            if answers[-1]:
                await counted.ended(desk, 60)
        denied = await counted.admit(desk)
        assert denied is not None
        assert denied.evidence["after"] == pytest.approx(86_400 - 30)
        clock.now += 86_400
        return [*answers, await counted.admit(desk) is None]

    assert asyncio.run(run()) == [True, True, False, True]


def test_a_place_is_free_again_when_an_exchange_ends(tmp_path):
    counted, desk = budgets(tmp_path, Clock(), concurrent=1)

    async def run() -> list[bool]:
        first, second = await counted.admit(desk), await counted.admit(desk)
        await counted.ended(desk, 5)
        return [first is None, second is None, await counted.admit(desk) is None]

    assert asyncio.run(run()) == [True, False, True]


def test_over_the_limit_is_429_with_the_time_to_wait(fake: Fake, tmp_path):
    key, desk = client(limits={"requests_per_minute": 1})
    fake.says("budget", *[Turn("Hello.")] * 3)
    with gateway(fake, policy(tmp_path, clients=[desk]), None) as url:
        answers = [ask(url, key) for _ in range(3)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 1  # a minute may begin between two of them
    assert 1 <= int(refused[0].headers["retry-after"]) <= 60
    assert refused[0].json()["error"]["code"] == "rate_limit_exceeded"


def test_a_request_that_is_refused_after_its_admission_frees_its_place(fake: Fake, tmp_path):
    key, desk = client(limits={"concurrent": 1})
    fake.says("budget", *[Turn("Hello.")] * 3)
    with gateway(fake, policy(tmp_path, clients=[desk]), None) as url:
        headers = {"authorization": f"Bearer {key}"}
        unread = httpx.post(f"{url}/v1/chat/completions", json={**BODY, "secret_words": "x y"}, headers=headers)
        assert unread.status_code == 400
        assert ask(url, key).status_code == 200


def test_both_keys_are_accepted_while_they_are_exchanged_and_none_when_expired(fake: Fake, tmp_path):
    (old, desk), (new, _) = client(), client()
    desk["next_key"] = policies.hashed(new)
    late, gone = client(name="late", expires="2020-01-01T00:00:00Z")
    fake.says("budget", *[Turn("Hello.")] * 3)
    with gateway(fake, policy(tmp_path, clients=[desk, gone]), None) as url:
        assert [ask(url, key).status_code for key in (old, new)] == [200, 200]
        answer = ask(url, late)
    assert answer.status_code == 401
    assert "expired" in answer.json()["error"]["message"]


def test_a_list_of_tools_holds_without_a_charter(fake: Fake, tmp_path):
    tools = [{"type": "function", "function": {"name": n, "parameters": {"type": "object"}}} for n in ("look", "send")]
    body = {**BODY, "tools": tools}
    turns = (Turn(calls=[(f"c{place}", name, "{}")]) for place, name in enumerate(("look", "send")))
    fake.says("budget", *turns)
    with gateway(fake, policy(tmp_path, routes=[{"allow": ["loo*"]}], limits={"terms": 10}), None) as url:
        first, second = (httpx.post(f"{url}/v1/chat/completions", json=body, timeout=30).json() for _ in range(2))
    assert first["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "look"
    assert not second["choices"][0]["message"].get("tool_calls")
    assert "does not list the tool send" in second["choices"][0]["message"]["content"]
