"""llama.cpp behind Inspect: an evaluation's requests as requests of llama.cpp's server.

An HTTP client belongs to one event loop. Inspect runs every evaluation in its own loop, so each gets a new client.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    Logprob,
    Logprobs,
    ModelOutput,
    ModelUsage,
    StopReason,
    TopLogprob,
)
from inspect_ai.tool import ToolCall, ToolInfo

from adhere.core.errors import UserError
from adhere.models.engines.inspect_messages import api_message, tool_schema
from adhere.models.engines.llamacpp import Ended, LlamaServer, Reply, body_of
from adhere.models.engines.options import EngineOptions

if TYPE_CHECKING:
    import httpx

_STOP: Mapping[Ended, StopReason] = {
    "stop": "stop",
    "length": "max_tokens",
    "tool_calls": "tool_calls",
    "loop": "stop",
}


class LlamaCppEngine:
    """Answers with llama.cpp's server for the GGUF file at `path`, under `name`."""

    def __init__(self, name: str, path: Path, options: EngineOptions) -> None:
        self.name = name
        self.server = LlamaServer(path, options)
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def generate(
        self, messages: list[ChatMessage], tools: list[ToolInfo], config: GenerateConfig, max_tokens: int
    ) -> ModelOutput:
        """The answer to `messages`."""
        start = time.monotonic()
        if (config.extra_body or {}).get("adhere"):
            raise UserError("llama.cpp cannot scale attention; give --engine torch")
        body = body_of([api_message(one) for one in messages], _sampling(config, min(max_tokens, self.server.context)))
        if tools:
            body["tools"] = [tool_schema(tool) for tool in tools]
        reply = await self.server.answer(self._http(), body)
        return ModelOutput(
            model=self.name,
            choices=[self._choice(reply)],
            usage=ModelUsage(
                input_tokens=reply.prompt_tokens,
                output_tokens=reply.tokens,
                total_tokens=reply.prompt_tokens + reply.tokens,
            ),
            time=time.monotonic() - start,
            metadata={"engine": "llamacpp", "weights": self.server.path.name, "ended": reply.ended},
        )

    def _http(self) -> httpx.AsyncClient:
        import httpx

        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=4 * self.server.slots)
            self._client, self._loop = httpx.AsyncClient(trust_env=False, limits=limits), loop
        return self._client

    def _choice(self, reply: Reply) -> ChatCompletionChoice:
        calls = [_call(number, call) for number, call in enumerate(reply.calls)]
        message = ChatMessageAssistant(content=reply.text, tool_calls=calls or None, model=self.name, source="generate")
        return ChatCompletionChoice(message=message, stop_reason=_STOP[reply.ended], logprobs=_logprobs(reply))

    def close(self) -> None:
        """Stop the server."""
        self.server.close()


def _sampling(config: GenerateConfig, max_tokens: int) -> dict[str, Any]:
    wants = config.logprobs or bool(config.top_logprobs)
    return {
        "max_tokens": max_tokens,
        "temperature": config.temperature,
        "top_p": config.top_p,
        "top_k": config.top_k,
        "seed": None if config.seed is None else config.seed % 2**32,
        "stop": config.stop_seqs or None,
        "logprobs": wants or None,
        "top_logprobs": config.top_logprobs,
    }


def _call(number: int, call: Mapping[str, Any]) -> ToolCall:
    name = str(call["name"])
    try:
        arguments = json.loads(call["arguments"] or "{}")
        error = None if isinstance(arguments, dict) else "the arguments are no object"
    except ValueError:
        arguments, error = {}, f"the arguments are no JSON: {call['arguments'][:200]}"
    return ToolCall(
        id=call["id"] or f"call_{number}",
        function=name,
        arguments=arguments if isinstance(arguments, dict) else {},
        parse_error=error,
        type="function",
    )


def _logprobs(reply: Reply) -> Logprobs | None:
    if not reply.logprobs:
        return None
    return Logprobs(
        content=[
            Logprob(
                token=one["token"],
                logprob=one["logprob"],
                top_logprobs=[
                    TopLogprob(token=top["token"], logprob=top["logprob"]) for top in one.get("top_logprobs") or ()
                ]
                or None,
            )
            for one in reply.logprobs
        ]
    )
