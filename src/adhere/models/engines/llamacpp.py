"""llama.cpp on this machine: its server as a child process that is started, watched and stopped here.

Rules:

- Every request states its sampling in full: temperature 0 by default, no top-k, no min-p, no repetition penalty.
  llama.cpp's own defaults would change what is measured.
- Answers are streamed. An answer that has become a loop is ended if `stop_loops` is set, with the reason `loop`.
- If the child ends before an answer is complete, it is restarted and the request repeated, `RESTARTS` times in all;
  after that the last line of its log is the error.
- As many slots as `batch` says, each of `context` tokens, as far as keys and values fit into a quarter of the memory.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from adhere.constraints.degeneration import LOOP_LENGTH, is_loop
from adhere.core.errors import UserError
from adhere.models.engines.gguf_header import Header, read_header
from adhere.models.engines.options import DEFAULTS, EngineOptions
from adhere.models.engines.requantising import QUANT, requantised

if TYPE_CHECKING:
    import httpx

SLOTS = 8
CONTEXT = 4_096
"""Tokens of one slot, if the model reads as many."""
START_SECONDS = 300.0
RESTARTS = 3
LOOK_EVERY = 64
"""Characters between two looks for a loop."""
MEMORY_SHARE = 0.25

PLAIN: Mapping[str, Any] = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0}
"""Sampling that leaves the model's distribution as it is."""

Ended = Literal["stop", "length", "tool_calls", "loop"]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Reply:
    """An answer. `tokens` are those written; `calls` are tool calls in OpenAI's form."""

    text: str
    ended: Ended
    prompt_tokens: int
    tokens: int
    calls: tuple[dict[str, Any], ...] = ()
    logprobs: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Completion:
    """What follows a prompt given as tokens; `tokens` may hold the end token."""

    tokens: tuple[int, ...]
    ended: Ended


def available() -> bool:
    """Whether llama.cpp can be run here."""
    return importlib.util.find_spec("xllamacpp") is not None


@dataclass
class _Stream:
    """The part of a streamed answer that has arrived."""

    text: list[str] = field(default_factory=list)
    ended: Ended | None = None
    prompt_tokens: int = 0
    tokens: int = 0
    pieces: int = 0
    calls: dict[int, dict[str, Any]] = field(default_factory=dict)
    logprobs: list[dict[str, Any]] = field(default_factory=list)

    def take(self, record: Mapping[str, Any]) -> None:
        if usage := record.get("usage"):
            self.prompt_tokens, self.tokens = usage["prompt_tokens"], usage["completion_tokens"]
        for choice in record.get("choices", ()):
            delta = choice.get("delta", {})
            if piece := delta.get("content"):
                self.text.append(piece)
                self.pieces += 1
            for call in delta.get("tool_calls") or ():
                self._call(call)
            self.logprobs += (choice.get("logprobs") or {}).get("content") or ()
            self.ended = choice.get("finish_reason") or self.ended

    def _call(self, part: Mapping[str, Any]) -> None:
        call = self.calls.setdefault(part.get("index", 0), {"id": "", "name": "", "arguments": ""})
        function = part.get("function", {})
        call["id"] = part.get("id") or call["id"]
        call["name"] += function.get("name") or ""
        call["arguments"] += function.get("arguments") or ""

    def reply(self, prompt_tokens: int = 0) -> Reply:
        return Reply(
            "".join(self.text),
            self.ended or "length",
            self.prompt_tokens or prompt_tokens,
            self.tokens or self.pieces,
            tuple(self.calls[index] for index in sorted(self.calls)),
            tuple(self.logprobs),
        )


class LlamaServer:
    """llama.cpp's server for one GGUF file. Started by the first `start`, stopped by `close`.

    Raises:
        UserError: the file is no GGUF file, or llama.cpp is not installed.
    """

    def __init__(self, path: Path, options: EngineOptions = DEFAULTS) -> None:
        if not available():
            raise UserError("a GGUF file needs llama.cpp: pip install 'adhere[llamacpp]', or give --engine torch")
        if options.dtype is not None:
            raise UserError("--dtype is torch's: llama.cpp runs the weights as the GGUF file holds them")
        if options.quant not in (None, QUANT):
            raise UserError(f"--quant {options.quant} is torch's: llama.cpp takes {QUANT}, or the weights as they are")
        self.header: Header = read_header(path)
        self.path = path if options.quant is None else requantised(path)
        self.options = options
        self.slots, self.context = _room(self.header, options.batch or SLOTS)
        self.url = ""
        self.threads = 0
        self._starts = 0
        self._process: subprocess.Popen[str] | None = None
        self._errors: Path | None = None
        self._lock = threading.Lock()

    def command(self, port: str = "0") -> list[str]:
        """The child's command line."""
        words = [sys.executable, "-m", "adhere.models.engines.llamacpp_server", str(self.path)]
        words += ["--slots", str(self.slots), "--context", str(self.context), "--port", port]
        words += ["--threads", str(self.options.threads or 0), "--alias", self.path.stem]
        device = self.options.device or "cpu"
        return words if device == "cpu" else [*words, "--gpu-layers", "999"]

    def start(self) -> None:
        """Start the child unless it runs, and wait until it answers.

        Raises:
            UserError: it ended, or took too long.
        """
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            if self._starts > RESTARTS:
                raise UserError(f"llama.cpp ended {self._starts} times with {self.path.name}: {self._last_words()}")
            self._starts += 1
            self._launch()

    def _launch(self) -> None:
        handle, name = tempfile.mkstemp(prefix="adhere-llamacpp-", suffix=".log")
        self._forget_errors()
        self._errors = Path(name)
        with os.fdopen(handle, "wb") as sink:
            process = subprocess.Popen(
                self.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, text=True
            )
        self._process = process
        watchdog = threading.Timer(START_SECONDS, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            ready: dict[str, Any] = {}
            for line in process.stdout:
                with contextlib.suppress(ValueError):
                    ready = json.loads(line)
                    break
        finally:
            watchdog.cancel()
        if not ready:
            process.wait()
            raise UserError(f"llama.cpp cannot run {self.path}: {self._last_words()}")
        self.url, self.threads = ready["url"], ready["threads"]

    def close(self) -> None:
        """Stop the child."""
        with self._lock:
            process, self._process = self._process, None
            self._starts = 0
        if process is not None:
            process.kill()  # it holds nothing that an orderly end would save
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        self._forget_errors()

    def _forget_errors(self) -> None:
        if self._errors is not None:
            self._errors.unlink(missing_ok=True)
            self._errors = None

    def _last_words(self) -> str:
        text = self._errors.read_text(encoding="utf-8", errors="replace") if self._errors else ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        telling = [line for line in lines if "error" in line.lower() or "failed" in line.lower()]
        code = self._process.poll() if self._process is not None else None
        return ((telling or lines or [f"it ended with code {code}"])[-1])[:200]

    async def complete(
        self,
        client: httpx.AsyncClient,
        prompt: Sequence[int],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Completion:
        """What follows the tokens `prompt`, without a template; a loop is ended where it is certain.

        Raises:
            UserError: the request was refused, or the child ends again and again.
        """
        body = {**PLAIN, "prompt": list(prompt), "n_predict": max_tokens, "temperature": temperature}
        body |= {"seed": seed % 2**32, "return_tokens": True}
        return await self._persistent(lambda: self._completed(client, body))

    async def answer(self, client: httpx.AsyncClient, body: Mapping[str, Any]) -> Reply:
        """The answer to a request in OpenAI's form.

        Raises:
            UserError: the request was refused, or the child ends again and again.
        """
        return await self._persistent(lambda: self._streamed(client, body))

    async def _persistent(self, request: Callable[[], Awaitable[Answer]]) -> Answer:
        """What `request` gives, begun again with a new child where the child ends."""
        import asyncio

        import httpx

        while True:
            await asyncio.to_thread(self.start)
            try:
                return await request()
            except httpx.TransportError:
                await asyncio.sleep(0.2)  # the child's end may be seen a moment after its connection's

    async def _completed(self, client: httpx.AsyncClient, body: Mapping[str, Any]) -> Completion:
        tokens: list[int] = []
        text, looked, ended = "", LOOP_LENGTH, "length"
        wanted = {**body, "stream": True, "cache_prompt": True}
        async with client.stream("POST", f"{self.url}/completion", json=wanted, timeout=None) as response:
            if response.status_code != 200:
                raise UserError(_refusal(await response.aread(), response.status_code))
            async for record in _events(response):
                if "error" in record:
                    raise UserError(_refusal(json.dumps(record).encode(), 200))
                tokens += record.get("tokens") or ()
                text += record.get("content", "")
                if record.get("stop"):
                    ended = "length" if record.get("stop_type") == "limit" else "stop"
                elif len(text) >= looked:
                    looked = len(text) + LOOK_EVERY
                    if is_loop(text):
                        ended = "loop"
                        break
        return Completion(tuple(tokens), cast(Ended, ended))

    async def _streamed(self, client: httpx.AsyncClient, body: Mapping[str, Any]) -> Reply:
        got, looked, length = _Stream(), LOOP_LENGTH, 0
        wanted = {**body, "stream": True, "stream_options": {"include_usage": True}, "cache_prompt": True}
        async with client.stream("POST", f"{self.url}/v1/chat/completions", json=wanted, timeout=None) as response:
            if response.status_code != 200:
                raise UserError(_refusal(await response.aread(), response.status_code))
            async for record in _events(response):
                if "error" in record:
                    raise UserError(_refusal(json.dumps(record).encode(), 200))
                before = len(got.text)
                got.take(record)
                length += sum(map(len, got.text[before:]))
                if self.options.stop_loops and length >= looked:
                    looked = length + LOOK_EVERY
                    if is_loop("".join(got.text)):
                        got.ended = "loop"
                        return got.reply()
        return got.reply()


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in response.aiter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line[6:])


def _refusal(body: bytes, status: int) -> str:
    try:
        message = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = body[:200].decode("utf-8", errors="replace")
    return f"llama.cpp refused the request ({status}): {' '.join(str(message).split())[:300]}"


def _room(header: Header, slots: int) -> tuple[int, int]:
    """Slots, and tokens of each: as wanted, or as many as memory holds."""
    context = min(header.context, CONTEXT)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 4 << 30
    tokens = int(memory * MEMORY_SHARE) // max(1, header.cache_bytes)
    while slots > 1 and slots * context > tokens:
        slots -= 1
    return slots, min(context, max(512, tokens // slots))


def body_of(messages: list[dict[str, Any]], sampling: Mapping[str, Any]) -> dict[str, Any]:
    """A request: `sampling` over the defaults that leave the model's distribution as it is."""
    return {
        "messages": messages,
        "temperature": 0.0,
        **PLAIN,
        **{key: value for key, value in sampling.items() if value is not None},
    }


def tokenized(path: Path, texts: Sequence[str]) -> list[list[int]]:
    """What llama.cpp's tokenizer makes of `texts`, no special tokens added.

    Raises:
        UserError: llama.cpp cannot read the file.
    """
    import httpx

    server = LlamaServer(path, EngineOptions(batch=1, threads=1))
    try:
        server.start()
        with httpx.Client(trust_env=False, timeout=60) as client:
            url = f"{server.url}/tokenize"
            return [client.post(url, json={"content": text, "add_special": False}).json()["tokens"] for text in texts]
    finally:
        server.close()
