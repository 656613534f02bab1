"""Asking the upstream: one connection pool, time-outs, retries with a budget, and memory that stays flat.

Rules
- A time-out for connecting, one for silence between two pieces; the whole takes as long as the exchange may.
- Before the first byte of an answer a refused or broken connection, 429, 502, 503 and 504 are tried again, with
  exponential, jittered pauses. Once anything was read nothing is tried again here: what to do with half an answer is
  for the loop of repairs to say.
- Retries have a budget of their own over all requests: `RETRY_SHARE` of them, and a few at the start. When an
  upstream is down, retries must not be what keeps it down.
- Leaving the iteration closes the connection: the upstream stops writing an answer that is not wanted.
- A stream is read as the client takes it; a slow client slows the upstream down. Bodies and events have a largest size.
- What an upstream says in an error is not handed on: it is unchecked text. Status and kind are.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from adhere.gateway.exchange import Event, TextDelta, Unreadable
from adhere.gateway.upstream import chat, messages
from adhere.gateway.upstream.dialect import Dialect, Question, UpstreamError
from adhere.gateway.upstream.errors import LARGEST as LARGEST_ERROR
from adhere.gateway.upstream.errors import meaning
from adhere.gateway.wire import sse
from adhere.gateway.wire.fields import mapping

LARGEST_BODY = 16 << 20
"""Bytes of a whole answer."""
RETRY_SHARE = 0.1
RETRY_FLOOR = 10.0
TRIES = 3
DIALECTS: dict[str, Dialect] = {"chat": chat, "messages": messages}


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the model is and what it can do."""

    url: str
    """Of the API, up to and with /v1."""
    dialect: Dialect
    key: str = ""
    prefill: bool = False
    """Whether it goes on from the beginning of an answer."""
    constrained: bool = False
    """Whether it takes `constraints` and masks tokens that would break one."""
    connect_seconds: float = 5.0
    silence_seconds: float = 60.0


def dialect(name: str) -> Dialect:
    """The language of that name."""
    return DIALECTS[name]


@dataclass
class Budget:
    """Retries over all requests."""

    left: float = RETRY_FLOOR

    def asked(self) -> None:
        self.left = min(self.left + RETRY_SHARE, 10 * RETRY_FLOOR)

    def retry(self) -> bool:
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass
class Client:
    """Asks one upstream. Use as an asynchronous context manager, in the loop in which it asks."""

    upstream: Upstream
    budget: Budget = field(default_factory=Budget)
    _session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        up = self.upstream
        self._base, basic = _without_credentials(up.url)
        self._url = self._base + up.dialect.path
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            timeout=self._timeout(up.silence_seconds),
            headers={
                "accept-encoding": "identity",
                "content-type": "application/json",
                "user-agent": "adhere",
                **({} if up.key else basic),
                **up.dialect.headers(up.key),
            },
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def _timeout(self, seconds: float) -> aiohttp.ClientTimeout:
        up = self.upstream
        return aiohttp.ClientTimeout(
            total=max(seconds, 0.001), sock_connect=up.connect_seconds, sock_read=up.silence_seconds
        )

    async def ask(self, question: Question, seconds: float) -> AsyncGenerator[Event, None]:
        """The events of the answer, as they come, within so many seconds.

        Raises:
            UpstreamError: no whole answer: refused, silent, broken off.
            Unreadable: an answer that cannot be read.
        """
        self.budget.asked()
        reading = self.upstream.dialect.reading()
        try:
            data = json.dumps(self.upstream.dialect.body(question)).encode()
        except RecursionError:
            raise UpstreamError(400, "unreadable", "the request nests too deep") from None
        response = await self._sent(data, seconds)
        try:
            if not question.stream:
                for event in reading.whole(await _whole(response)):
                    yield event
                return
            if "text/event-stream" not in response.headers.get("content-type", ""):
                raise Unreadable("the upstream was asked for a stream and sent something else")
            reader = sse.Reader()
            async for piece in response.content.iter_any():
                events = (event for sent in reader.feed(piece) for event in reading.sent(sent))
                for event in _joined(events):
                    yield event
        except TimeoutError as error:
            raise UpstreamError(504, "upstream_silent", "the upstream fell silent", retry=True) from error
        except aiohttp.ClientError as error:
            raise UpstreamError(502, "upstream_broke_off", "the upstream broke off", retry=True) from error
        finally:
            response.close()

    async def _sent(self, data: bytes, seconds: float, url: str = "") -> aiohttp.ClientResponse:
        """The response, tried again where that may help and the budget allows it."""
        until = time.monotonic() + seconds
        try:
            return await self._send(data, seconds, url)
        except UpstreamError as error:
            if not error.retry or not self.budget.retry():
                raise
        retrying = AsyncRetrying(
            stop=stop_after_attempt(TRIES - 1),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            retry=retry_if_exception(lambda e: isinstance(e, UpstreamError) and e.retry and self.budget.retry()),
            reraise=True,
        )
        await asyncio.sleep(random.uniform(0, 0.2))

        async def again() -> aiohttp.ClientResponse:
            return await self._send(data, until - time.monotonic(), url)

        return await retrying(again)

    async def _send(self, data: bytes, seconds: float, url: str = "") -> aiohttp.ClientResponse:
        assert self._session is not None, "the client is an asynchronous context manager"
        try:
            response = await self._session.post(
                url or self._url, data=data, allow_redirects=False, timeout=self._timeout(seconds)
            )
        except TimeoutError as error:
            raise UpstreamError(504, "upstream_silent", "the upstream did not answer in time", retry=True) from error
        except aiohttp.ClientError as error:
            raise UpstreamError(503, "upstream_unreachable", "the upstream cannot be reached", retry=True) from error
        if response.status == 200:
            return response
        try:
            said = await response.content.read(LARGEST_ERROR)
        except (TimeoutError, aiohttp.ClientError):
            said = b""
        finally:
            response.close()
        raise meaning(response.status, {name.lower(): value for name, value in response.headers.items()}, said)

    async def post(self, path: str, body: Mapping[str, object], seconds: float) -> dict[str, object]:
        """What the upstream answers, whole, to `body` posted to `path` below its base URL.

        Raises:
            UpstreamError, Unreadable: no answer, or none that is a JSON object.
        """
        self.budget.asked()
        response = await self._sent(json.dumps(body).encode(), seconds, self._base + path)
        try:
            return await _whole(response)
        except TimeoutError as error:
            raise UpstreamError(504, "upstream_silent", "the upstream fell silent", retry=True) from error
        except aiohttp.ClientError as error:
            raise UpstreamError(502, "upstream_broke_off", "the upstream broke off", retry=True) from error
        finally:
            response.close()

    async def models(self) -> list[str]:
        """The names of the upstream's models; those that it lists in the usual form.

        Raises:
            UpstreamError, Unreadable: it does not say.
        """
        assert self._session is not None, "the client is an asynchronous context manager"
        try:
            async with self._session.get(self._base + "/models", allow_redirects=False) as response:
                if response.status != 200:
                    raise UpstreamError(502, "upstream_refused", f"the upstream lists no models ({response.status})")
                body = mapping(await _whole(response), "models")
        except (TimeoutError, aiohttp.ClientError) as error:
            raise UpstreamError(503, "upstream_unreachable", "the upstream cannot be reached") from error
        rows = body.get("data")
        return (
            [row["id"] for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]
            if isinstance(rows, list)
            else []
        )


def _joined(events: Iterator[Event]) -> Iterator[Event]:
    """Texts that came together as one: what is watched does not depend on how it was cut, and costs less in one."""
    texts: list[str] = []
    for event in events:
        if isinstance(event, TextDelta):
            texts.append(event.text)
            continue
        if texts:
            yield TextDelta("".join(texts))
            texts = []
        yield event
    if texts:
        yield TextDelta("".join(texts))


def _without_credentials(url: str) -> tuple[str, dict[str, str]]:
    """The base of an API without the user and password in it, and those as a header.

    aiohttp refuses a request that has credentials in its URL and in a header.
    """
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url.rstrip("/"), {}
    credentials, _, host = parts.netloc.rpartition("@")
    name, _, password = credentials.partition(":")
    basic = aiohttp.BasicAuth(unquote(name), unquote(password)).encode()
    return urlunsplit(parts._replace(netloc=host)).rstrip("/"), {"authorization": basic}


async def _whole(response: aiohttp.ClientResponse) -> dict[str, object]:
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_BODY:
            raise Unreadable(f"the upstream sent more than {LARGEST_BODY:,} bytes")
    try:
        body = json.loads(b"".join(pieces))
    except (ValueError, RecursionError):
        raise Unreadable("the upstream sent something that is not JSON") from None
    if not isinstance(body, dict):
        raise Unreadable("the upstream sent something that is not an object")
    return body
