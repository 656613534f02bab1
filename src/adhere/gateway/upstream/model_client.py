"""Asking a model something of our own, beside the traffic: for judges and for canary questions.

Rules
- Any OpenAI-compatible endpoint, temperature 0, a time-out, an answer of at most a megabyte. What fails raises.
- Messages are given as they are: whoever puts judged text into them has fenced it (`monitors.judge`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from adhere.warden.canonical import Refused

LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said, and the tokens that it and the question had."""

    text: str
    tokens: int = 0


class Endpoint:
    """One model behind one URL (`http://host/v1`). Close it at the end."""

    def __init__(self, url: str, model: str, *, key: str = "", seconds: float = 30.0) -> None:
        self.url, self.model, self.seconds = url.rstrip("/") + "/chat/completions", model, seconds
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, messages: Sequence[Mapping[str, str]], *, most: int = 512, model: str = "") -> Reply:
        """The answer to `messages`, of at most `most` tokens.

        Raises:
            Refused: no answer, or one that is not in the API's form.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(headers=self._headers)
        body = {
            "model": model or self.model,
            "messages": [dict(message) for message in messages],
            "temperature": 0,
            "max_tokens": most,
        }
        try:
            async with asyncio.timeout(self.seconds), self._session.post(self.url, json=body) as response:
                if response.status != 200:
                    raise Refused("model", f"{self.url} answered {response.status}")
                data = b""
                async for piece in response.content.iter_chunked(65536):
                    data += piece
                    if len(data) > LARGEST:
                        raise Refused("model", f"{self.url} answered with more than {LARGEST:,} bytes")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Refused("model", f"{self.url} gave no answer ({type(error).__name__})") from error
        return _reply(data, self.url)

    async def close(self) -> None:
        """Hang up."""
        if self._session is not None:
            await self._session.close()


def _reply(data: bytes, where: str) -> Reply:
    try:
        record = json.loads(data)
        text = record["choices"][0]["message"]["content"]
        usage = record.get("usage") or {}
        if not isinstance(text, str):
            raise TypeError("its content is no text")
        return Reply(text, int(usage.get("total_tokens") or 0))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Refused("model", f"{where}: not a chat completion ({error})") from error
