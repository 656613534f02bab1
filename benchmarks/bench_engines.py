"""The engines on SmolLM2-135M: tokens a CPU-second, 32 requests of mixed length with 16 in flight.

Peers in the same run: transformers' own `generate` in float32, 16 rows at a time, for the torch engine; llama.cpp's
server asked directly, without us, for the llama.cpp engine. Rounds take turns; medians of their ratios are printed.
Processor time is that of this process and of llama.cpp's.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

REQUESTS, BATCH, ROUNDS = 32, 16, 3
SHORT, LONG = 8, 96
"""Tokens of an answer, at the least and at the most."""


def main() -> None:
    import torch

    from adhere.models import registry

    if not registry.listed()["smollm2"].here:
        print("SmolLM2 is not here: adhere models get smollm2")
        return
    torch.set_num_threads(1)
    rng = random.Random(0)
    work = [(_prompt(rng), rng.randint(SHORT, LONG)) for _ in range(REQUESTS)]
    contenders = {"transformers float32": _transformers(work)}
    for label, options in (
        ("torch float32", {"dtype": "float32"}),
        ("torch bfloat16", {"dtype": "bfloat16"}),
        ("torch int8", {"quant": "int8"}),
    ):
        contenders[label] = _ours(work, engine="torch", **options)
    bare, ours = _llamacpp(work)
    contenders |= {"llama.cpp asked directly": bare, "llama.cpp engine": ours}
    rates: dict[str, list[float]] = {label: [] for label in contenders}
    for number in range(ROUNDS):
        for label in sorted(contenders, key=lambda one: random.Random(f"{number}{one}").random()):
            tokens, seconds = contenders[label]()
            rates[label].append(tokens / seconds)
            print(f"  round {number + 1} {label}: {tokens} tokens, {tokens / seconds:.1f} a CPU-second", flush=True)
    for label, values in rates.items():
        print(f"{label:26} {statistics.median(values):7.1f} tokens a CPU-second")
    for ours_label, peer in (
        ("torch float32", "transformers float32"),
        ("torch bfloat16", "transformers float32"),
        ("torch int8", "transformers float32"),
        ("torch int8", "llama.cpp asked directly"),
        ("llama.cpp engine", "llama.cpp asked directly"),
    ):
        ratios = [a / b for a, b in zip(rates[ours_label], rates[peer], strict=True)]
        print(f"{ours_label} / {peer}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _prompt(rng: random.Random) -> str:
    words = "sea tree lamp river stone cloud bread music chair train window garden flower winter coffee animal".split()
    about = " ".join(rng.choices(words, k=rng.choice((1, 2, 5, 20, 60))))
    return f"Write a long story about {about}."


Contender = Callable[[], tuple[int, float]]


def _transformers(work: list[tuple[str, int]]) -> Contender:
    import torch

    from adhere.models.load import open_model

    opened = open_model("smollm2", dtype="float32")
    opened.tokenizer.padding_side = "left"

    def run() -> tuple[int, float]:
        start, tokens = time.process_time(), 0
        for first in range(0, len(work), BATCH):
            group = work[first : first + BATCH]
            texts = [opened.render([{"role": "user", "content": prompt}]) for prompt, _ in group]
            batch = opened.tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
            batch.pop("token_type_ids", None)
            most = max(most for _, most in group)
            with torch.inference_mode():
                out: Any = opened.model.generate(**batch, max_new_tokens=most, do_sample=False)
            ends = opened.tokenizer.eos_token_id
            for row, (_, wanted) in zip(out[:, batch["input_ids"].shape[1] :].tolist(), group, strict=True):
                length = row.index(ends) + 1 if ends in row else len(row)
                tokens += min(length, wanted)  # what was asked for; the rest was written for nobody
        return tokens, time.process_time() - start

    return run


def _ours(work: list[tuple[str, int]], **options: str) -> Contender:
    model = _model(**options)

    def run() -> tuple[int, float]:
        start = time.process_time()
        return _ask(model, work), time.process_time() - start

    return run


def _model(**options: Any) -> Any:
    from inspect_ai.model import get_model

    import adhere.models.serving.provider  # noqa: F401  (registers it)

    model = get_model("adhere/smollm2", memoize=False, batch=BATCH, **options)
    model.api.prepare()
    return model


def _ask(model: Any, work: list[tuple[str, int]]) -> int:
    from inspect_ai.model import GenerateConfig

    async def ask() -> int:
        gate = asyncio.Semaphore(BATCH)

        async def one(prompt: str, most: int) -> int:
            async with gate:
                config = GenerateConfig(max_tokens=most, temperature=0.0, max_connections=REQUESTS)
                return (await model.generate(prompt, config=config)).usage.output_tokens

        return sum(await asyncio.gather(*(one(*item) for item in work)))

    return asyncio.run(ask())


def _llamacpp(work: list[tuple[str, int]]) -> tuple[Contender, Contender]:
    import httpx
    import psutil

    model = _model(engine="llamacpp", threads=1)
    server = model.api._llama.server

    def seconds() -> float:
        times = psutil.Process(server._process.pid).cpu_times()
        return float(times.user + times.system) + time.process_time()

    def bare() -> tuple[int, float]:
        async def ask() -> int:
            gate = asyncio.Semaphore(BATCH)
            async with httpx.AsyncClient(trust_env=False, timeout=None) as client:

                async def one(prompt: str, most: int) -> int:
                    body = {"messages": [{"role": "user", "content": prompt}], "max_tokens": most, "temperature": 0}
                    async with gate:
                        got = await client.post(f"{server.url}/v1/chat/completions", json=body)
                    return int(got.json()["usage"]["completion_tokens"])

                return sum(await asyncio.gather(*(one(*item) for item in work)))

        start = seconds()
        return asyncio.run(ask()), seconds() - start

    def ours() -> tuple[int, float]:
        start = seconds()
        return _ask(model, work), seconds() - start

    return bare, ours
