"""The Inspect model provider `adhere`: a model that runs on this machine.

    inspect eval adhere/adherence --model adhere/smollm2
    inspect eval adhere/adherence --model adhere/./checkpoint -M device=cuda -M batch=128

Two engines answer. A GGUF file on a CPU goes to llama.cpp (`engines.llamacpp_engine`) if it is installed; everything
else, and whatever looks inside, to torch. `engine=torch` or `engine=llamacpp` decides otherwise.

Concurrent requests become batches (`batching`); token counts are those of the answer itself; temperature, top_p, top_k,
seed, stop, max_tokens and logprobs are honoured. Where Inspect gives no temperature the answer is greedy; where it
gives a temperature and no seed, every answer is drawn afresh, so that epochs differ.

`extra_body={"adhere": {"attend": {"text": "Use no commas.", "factor": 0.5}}}` scales the attention that the answer pays
to a text of the prompt (`emphasis`; further keys: `since`, `blocks`; several texts are a list). A text that does not
stand in the prompt word for word is an error.

The weights are opened by the first request, not by the constructor: Inspect also makes a provider only to ask its name.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from dataclasses import fields, replace
from typing import Any

from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    Logprob,
    Logprobs,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    StopReason,
    TopLogprob,
)
from inspect_ai.tool import ToolCall, ToolChoice, ToolInfo

from adhere.core.errors import UserError
from adhere.models.engines import llamacpp
from adhere.models.engines.inspect_messages import template_message, tool_schema
from adhere.models.engines.llamacpp_engine import LlamaCppEngine
from adhere.models.engines.options import EngineOptions, current, using
from adhere.models.engines.sources import locate
from adhere.models.forward.attention_scaling import Emphasis
from adhere.models.forward.tokenmap import prompt_map
from adhere.models.generation import tool_calls
from adhere.models.generation.batching import Batcher
from adhere.models.generation.generate import Generation, Reason, Request, Sampling
from adhere.models.load import Message, OpenModel, open_model

BATCH = 64
QUEUE = 4
"""Requests that Inspect keeps open for each place: when an answer ends, the next is there."""
DEFAULT_MAX_TOKENS = 1_280
"""As IFEval's own evaluation: a shorter limit cuts answers that are asked to be long."""

_STOP: dict[Reason, StopReason] = {
    "end": "stop",
    "stop": "stop",
    "guide": "stop",
    "watcher": "stop",
    "cancelled": "stop",
    "length": "max_tokens",
    "loop": "stop",
}


class AdhereAPI(ModelAPI):
    """An open-weight model on this machine.

    Args:
        model_name: as `engines.sources.locate` takes it.
        engine, device, dtype, quant, batch, threads, stop_loops: as `EngineOptions`; those in force if not given.
        opened: a model that is open already.
    """

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008  (Inspect's own signature)
        **model_args: Any,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config)
        self._opened: OpenModel | None = model_args.pop("opened", None)
        try:
            self._options = replace(current(), **model_args)
        except TypeError:
            known = ", ".join(one.name for one in fields(EngineOptions))
            raise UserError(f"{model_name}: unknown model argument; known are {known}") from None
        self._batch = int(self._options.batch or BATCH)
        self._llama = None if self._opened else _llama(model_name, self._options)
        self._batcher: Batcher | None = None
        self._opening = threading.Lock()

    @property
    def attends(self) -> bool:
        """Whether attention can be scaled from outside; a task that wants to asks for this attribute."""
        return self._llama is None

    def prepare(self) -> None:
        """Open the model now rather than at the first request.

        Raises:
            UserError: it cannot be opened.
        """
        if self._llama is not None:
            self._llama.server.start()
        else:
            _ = self.opened

    @property
    def opened(self) -> OpenModel:
        """The model in torch, opened now if it was not yet."""
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
            if self._batcher is None:
                self._batcher = Batcher(self._opened, self._batch)
            return self._opened

    def _open(self) -> OpenModel:
        with using(self._options):
            return open_model(self.model_name, fast=True)

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        del tool_choice
        if self._llama is not None:
            return await self._llama.generate(input, tools, config, config.max_tokens or DEFAULT_MAX_TOKENS)
        start = time.monotonic()
        opened = self._opened if self._batcher else await asyncio.to_thread(lambda: self.opened)
        assert opened is not None
        assert self._batcher is not None
        messages, schemas = [template_message(one) for one in input], [tool_schema(tool) for tool in tools]
        text = opened.render(messages, tools=schemas)
        request = Request(
            tuple(opened.encode(text)),
            _sampling(config, opened),
            emphasis=_emphasis(config, opened, messages, schemas),
            stop_loops=self._options.stop_loops,
        )
        if len(request.tokens) >= opened.context:
            return ModelOutput.from_content(self.model_name, "", "model_length")
        answer = await self._batcher.answer(request)
        return ModelOutput(
            model=self.model_name,
            choices=[self._choice(answer, tools)],
            usage=_usage(answer),
            time=time.monotonic() - start,
            metadata={"engine": "torch", "weights": opened.digest, "ended": answer.reason},
        )

    def _choice(self, answer: Generation, tools: list[ToolInfo]) -> ChatCompletionChoice:
        text, found = tool_calls.split(answer.text) if tools else (answer.text, ())
        calls = [
            ToolCall(id=f"call_{number}", function=call.name, arguments=call.arguments, type="function")
            for number, call in enumerate(found)
        ]
        return ChatCompletionChoice(
            message=ChatMessageAssistant(
                content=text, tool_calls=calls or None, model=self.model_name, source="generate"
            ),
            stop_reason="tool_calls" if calls else _STOP[answer.reason],
            logprobs=self._logprobs(answer),
        )

    def _logprobs(self, answer: Generation) -> Logprobs | None:
        if not answer.logprobs:
            return None
        name = self.opened.tokenizer.decode
        return Logprobs(
            content=[
                Logprob(
                    token=str(name([one.token])),
                    logprob=one.logprob,
                    top_logprobs=[TopLogprob(token=str(name([t])), logprob=value) for t, value in one.top] or None,
                )
                for one in answer.logprobs
            ]
        )

    def max_tokens(self) -> int | None:
        return DEFAULT_MAX_TOKENS

    @property
    def places(self) -> int:
        """Answers that are written at once."""
        return self._batch if self._llama is None else self._llama.server.slots

    def max_connections(self) -> int:
        return QUEUE * self.places

    def collapse_user_messages(self) -> bool:
        return True

    def canonical_name(self) -> str:
        return self.model_name

    def close(self) -> None:
        if self._batcher is not None:
            self._batcher.close()
        if self._llama is not None:
            self._llama.close()


def _sampling(config: GenerateConfig, opened: OpenModel) -> Sampling:
    wants = config.logprobs or bool(config.top_logprobs)
    return Sampling(
        max_tokens=min(config.max_tokens or DEFAULT_MAX_TOKENS, opened.context),
        temperature=config.temperature or 0.0,
        top_p=1.0 if config.top_p is None else config.top_p,
        top_k=config.top_k,
        seed=secrets.randbits(63) if config.seed is None else config.seed,
        stop=tuple(config.stop_seqs or ()),
        logprobs=(config.top_logprobs or 0) if wants else None,
    )


def _emphasis(
    config: GenerateConfig, opened: OpenModel, messages: list[Message], tools: list[dict[str, Any]]
) -> Emphasis | None:
    """What `extra_body["adhere"]["attend"]` asks for, as tokens of this prompt."""
    wanted = ((config.extra_body or {}).get("adhere") or {}).get("attend")
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or not {"text", "factor"} <= set(wanted) <= {"text", "factor", "since", "blocks"}:
        raise UserError('attend: wanted {"text": a text of the prompt, "factor": 0 or more}, perhaps since and blocks')
    if not isinstance(wanted["factor"], int | float):
        raise UserError(f"attend: the factor is {wanted['factor']!r}, wanted a number")
    tokens = prompt_map(opened, messages, parts={"text to attend to": wanted["text"]}, tools=tools)
    return Emphasis(
        tokens.parts["text to attend to"],
        float(wanted["factor"]),
        wanted.get("since", "answer"),
        tuple(wanted["blocks"]) if wanted.get("blocks") is not None else None,
    )


def _usage(answer: Generation) -> ModelUsage:
    return ModelUsage(
        input_tokens=answer.prompt_tokens,
        output_tokens=len(answer.tokens),
        total_tokens=answer.prompt_tokens + len(answer.tokens),
    )


def _llama(name: str, options: EngineOptions) -> LlamaCppEngine | None:
    """llama.cpp, where it is the engine for this model."""
    if options.engine == "torch":
        return None
    source = locate(name)
    on_cpu = options.device in (None, "cpu")
    if options.engine == "llamacpp" and source.gguf is None:
        raise UserError(f"--engine llamacpp needs a GGUF file, and {name} is none")
    if options.engine == "auto" and (options.quant or options.dtype):
        return None
    if source.gguf is None or (options.engine == "auto" and not (on_cpu and llamacpp.available())):
        return None
    return LlamaCppEngine(name, source.gguf, options)
