"""Requests and answers gone wrong in every way at once, by the thousand, without a network.

Every request is a sound one of some API, cut, twisted and stuffed; every answer of the upstream is a sound one, whole
or as events, with faults, cut into pieces anywhere. The application and the reading of the upstream's bytes are the
real ones.

What must hold, whatever comes:
- no 500, and no exception out of the application;
- the body is JSON, or a stream of events, in the form of the API that was called;
- the secret that the policy excludes is never in it, whole, in the text as a client puts it together;
- an answer that says it is met is met: every constraint of its report is checked again on the text that came.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from adhere.constraints import from_json
from adhere.constraints.registry import families
from adhere.gateway.app import Gateway, app
from adhere.gateway.exchange import Request
from adhere.gateway.hooks import Admission, Caller, Handling, PassThrough, StatedConstraint
from adhere.gateway.upstream.client import Client, Upstream, dialect
from adhere.gateway.upstream.dialect import UpstreamError
from adhere.gateway.wire import sse

SECRET = "swordfish 7731"
FORBIDDEN = StatedConstraint(from_json({"kind": "excludes.terms", "terms": [SECRET]}), "policy")
PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages")
WORDS = (
    f'the sea is wide , and Blue . {SECRET} sword fish 7731 a \n\n * b {{ }} " : 1 <think> </think> ``` é 漢 😀'.split(
        " "
    )
)


class Policy(PassThrough):
    """Excludes the secret, everywhere."""

    async def admit(self, caller: Caller, request: Request) -> Admission:
        admission = await super().admit(caller, request)
        return Admission(admission.decision, request, (FORBIDDEN,), self.handling)


class Babbler(Client):
    """A client whose upstream babbles; what it says is a matter of `self.chance`."""

    chance: random.Random

    async def __aenter__(self) -> Babbler:
        return self

    async def _sent(self, data: bytes, seconds: float) -> Any:
        del seconds
        chance = self.chance
        if chance.random() < 0.05:
            raise UpstreamError(503, "upstream_unreachable", "nobody is there", retry=True)
        raw = _events(chance) if json.loads(data).get("stream") else _whole(chance)
        if chance.random() < 0.15:
            raw = _bitten(chance, raw)
        return _Response(raw, chance)


class _Response:
    def __init__(self, raw: bytes, chance: random.Random) -> None:
        self.headers = {"content-type": "text/event-stream" if raw[:1] != b"{" else "application/json"}
        self.content = self
        self._raw, self._chance = raw, chance

    def close(self) -> None:
        pass

    async def iter_any(self) -> AsyncIterator[bytes]:
        at = 0
        while at < len(self._raw):
            size = self._chance.choice((1, 3, 20, 200, 4000))
            yield self._raw[at : at + size]
            at += size


def text(chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=chance.choice((0, 1, 3, 8, 30))))


def _calls(chance: random.Random) -> list[dict[str, Any]]:
    def call(index: int) -> dict[str, Any]:
        arguments = chance.choice(
            ('{"to": "x"}', "{}", '{"a": 1, "a": 2}', "[1]", '{"a', "NaN", '{"x": "' + SECRET + '"}')
        )
        name = chance.choice(("look_up", "look_up", "rm"))
        return {
            "index": index,
            "id": f"c{index}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }

    return [call(index) for index in range(chance.choice((0, 0, 0, 1, 2)))]


def _reason(chance: random.Random) -> Any:
    return chance.choice(("stop",) * 8 + ("length", "tool_calls", "content_filter", "tired", None, 3))


def _whole(chance: random.Random) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": text(chance)}
    if calls := _calls(chance):
        message["tool_calls"] = calls
    body = {
        "choices": [{"index": 0, "message": message, "finish_reason": _reason(chance)}],
        "usage": {"prompt_tokens": 1},
    }
    return json.dumps(twisted(chance, body) if chance.random() < 0.2 else body).encode()


def _events(chance: random.Random) -> bytes:
    said = text(chance)
    events: list[Any] = []
    while said:
        size = chance.choice((1, 2, 5, 40))
        events.append({"choices": [{"index": 0, "delta": {"content": said[:size]}}]})
        said = said[size:]
    events += [{"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]} for call in _calls(chance)]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": _reason(chance)}]})
    if chance.random() < 0.2:
        place = chance.randrange(len(events))
        events[place] = twisted(chance, events[place])
    return b"".join(sse.write(event) for event in events) + sse.DONE


def _bitten(chance: random.Random, raw: bytes) -> bytes:
    at = chance.randrange(len(raw) + 1)
    return (
        raw[:at]
        + chance.choice((b"", b"\xff\xfe", b"\n\n", b"data: {}\n\n", b"event: odd\n", b"\x00"))
        + (raw[at:] if chance.random() < 0.5 else b"")
    )


ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, 10**30, "", "x", "\ud800", "\x00", [], {}, [[]], {"type": "odd"}, [None], "a" * 5000,
    {"a": {"b": {"c": {}}}}, [1, "2", None], SECRET, float("inf"),
)  # fmt: skip


def twisted(chance: random.Random, value: Any, depth: int = 0) -> Any:
    """`value` with something in it that is not as it should be."""
    if depth > 4 or not isinstance(value, dict | list) or not value or chance.random() < 0.15:
        return chance.choice(ODD)
    if isinstance(value, dict):
        value = dict(value)
        key = chance.choice(list(value))
        what = chance.random()
        if what < 0.15:
            del value[key]
        elif what < 0.3:
            value[chance.choice(("odd", "profile", "kind", "n", "logprobs", "\ud800", "type"))] = chance.choice(ODD)
        else:
            value[key] = twisted(chance, value[key], depth + 1)
        return value
    value = list(value)
    place = chance.randrange(len(value))
    value[place] = twisted(chance, value[place], depth + 1)
    return value


def _examples() -> list[dict[str, Any]]:
    return [example.to_json() for family in families().values() for example in family.examples()]


def request(chance: random.Random, examples: list[dict[str, Any]]) -> tuple[str, bytes]:
    """A path and a body."""
    path = chance.choice(PATHS)
    said: Any = chance.choice((text(chance), [{"type": "text", "text": text(chance)}]))
    body: dict[str, Any] = {"model": "m", "stream": chance.random() < 0.5}
    if path.endswith("responses"):
        if isinstance(said, list):
            said = [{"type": "input_text", "text": text(chance)}]
        body["input"] = chance.choice((text(chance), [{"role": "user", "content": said}]))
        body["tools"] = [{"type": "function", "name": "look_up", "parameters": {}}]
    else:
        body["messages"] = [{"role": "user", "content": said} for _ in range(chance.choice((1, 2)))]
        tool = {"name": "look_up", "input_schema": {}}
        if path.endswith("completions"):
            tool = {"type": "function", "function": {"name": "look_up", "parameters": {}}}  # type: ignore[dict-item]
        body |= {"tools": [tool], "max_tokens": 50}
    body["constraints"] = chance.sample(examples, chance.choice((0, 1, 1, 2, 4)))
    for _ in range(chance.choice((0, 0, 1, 1, 3))):
        twist = twisted(chance, body)
        body = twist if isinstance(twist, dict) else body
    raw = json.dumps(body).encode()
    return path, _bitten(chance, raw) if chance.random() < 0.05 else raw


@dataclass
class Found:
    """What a run of the fuzzer saw."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def delivered(path: str, raw: str, stream: bool) -> tuple[str, Any]:
    """The text as a client puts it together, and the report.

    Raises:
        ValueError, KeyError: it is not in the form of the API.
    """
    if not stream:
        body = json.loads(raw)
        if "error" in body and body.get("error"):
            return "", None
        if path.endswith("completions"):
            return body["choices"][0]["message"]["content"] or "", body["adhere"]
        if path.endswith("responses"):
            parts = [part for item in body["output"] if item["type"] == "message" for part in item["content"]]
            return "".join(part["text"] for part in parts), body["adhere"]
        return "".join(block.get("text", "") for block in body["content"]), body["adhere"]
    said, report = [], None
    for sent in sse.Reader().feed(raw.encode()):
        if sent.data == "[DONE]":
            continue
        event = json.loads(sent.data)
        report = event.get("adhere") or event.get("response", {}).get("adhere") or report
        if path.endswith("completions"):
            said += [choice["delta"].get("content") or "" for choice in event.get("choices", [])]
        elif event["type"] == "response.output_text.delta":
            said.append(event["delta"])
        elif event["type"] == "content_block_delta":
            said.append(event["delta"].get("text", ""))
    return "".join(said), report


async def run(requests: int, seed: int) -> Found:
    """Send so many requests and look at what comes back."""
    chance = random.Random(seed)
    examples = _examples()
    client = Babbler(Upstream("http://nowhere/v1", dialect("chat"), prefill=True))
    client.chance = chance
    policy = Policy()
    application = app(Gateway(client, policy))
    found = Found()
    for number in range(requests):
        path, raw = request(chance, examples)
        policy.handling = chance.choice(HANDLINGS)
        status, headers, body = await _send(application, path, raw, found)
        found.requests += 1
        found.statuses[status] += 1
        stream = "event-stream" in headers.get("content-type", "")
        where = f"request {number} of seed {seed}: {path} {status}"
        try:
            said, report = delivered(path, body, stream)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            found.wrong.append(f"{where}: not in the API's form ({error!r}): {body[:200]}")
            continue
        found.endings[(report or {}).get("ending", "none")] += 1
        flagged = (report or {}).get("ending") == "flagged"
        if not flagged and not FORBIDDEN.constraint.check(said).met:
            found.wrong.append(f"{where}: the secret was delivered")
        if (report or {}).get("ending") == "met":
            broken = [
                c["constraint"]
                for c in report["checked"]
                if c["verdict"] != "open" and not from_json(c["constraint"]).check(said).met
            ]
            if broken and "was not called" not in said:
                found.wrong.append(f"{where}: said to be met, and is not: {broken}: {said[:100]!r}")
        if status == 500 or status not in (200, 400, 401, 403, 404, 413, 422, 429, 502, 503, 504):
            found.wrong.append(f"{where}: {body[:200]}")
    return found


HANDLINGS = tuple(
    Handling(attempts=attempts, seconds=20, spent=spent, hold=hold, decompose=decompose)  # type: ignore[arg-type]
    for attempts in (0, 1, 2)
    for spent in ("refuse", "refuse", "flag")
    for hold in ("met", "doomed")
    for decompose in (False, True)
)


async def _send(application: Any, path: str, raw: bytes, found: Found) -> tuple[int, dict[str, str], str]:
    sent: list[dict[str, Any]] = []
    waiting = [{"type": "http.request", "body": raw, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
    }
    try:
        await application(scope, receive, send)
    except Exception as error:
        found.wrong.append(f"{path}: {error!r} for {raw[:300]!r}")
        return 500, {}, "{}"
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(m.get("body", b"") for m in sent[1:]).decode()
