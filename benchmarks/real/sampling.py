"""Answers of a model behind an OpenAI-compatible server, one JSON line each; a second call asks only what is missing.

    python -m benchmarks.real.sampling prompts.jsonl answers.jsonl --url http://127.0.0.1:8080 --temperature 0

Rules:

- A prompt is a line with `key` and `prompt` (or `messages`), and may name its own `max_tokens`; `constraints` are
  passed on to the answer, which `adhere score` then reads.
- Prompts are asked in a random order that depends on nothing but the seed, so that an interrupted run is a random
  sample of the whole.
- An answer is written when it ends. `kill -9` loses the answers under way and nothing else.
- An answer that goes in circles (`degeneration.is_loop`) is stopped there and marked `finish: loop`: on a small model
  half of all tokens are spent in loops. `tokens` counts the pieces that were received.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from adhere.constraints.degeneration import is_loop

LOOKED_EVERY = 16
"""Pieces between two looks for a loop."""


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn: temperature 0 is greedy; `max_tokens` cuts an answer that does not end."""

    url: str
    temperature: float = 0.0
    max_tokens: int = 1280
    seed: int = 0
    at_once: int = 8
    stop_loops: bool = True


def missing(prompts: Sequence[Mapping[str, Any]], answers: Path, seed: int) -> list[Mapping[str, Any]]:
    """The prompts without an answer, in random order; a last line that was cut by a kill is dropped."""
    done: set[Any] = set()
    if answers.exists():
        lines = answers.read_text(encoding="utf-8").splitlines(keepends=True)
        if lines and not lines[-1].endswith("\n"):
            lines.pop()
            answers.write_text("".join(lines), encoding="utf-8")
        done = {json.loads(line)["key"] for line in lines}
    order = list(prompts)
    random.Random(seed).shuffle(order)
    return [prompt for prompt in order if prompt["key"] not in done]


async def answer(session: aiohttp.ClientSession, prompt: Mapping[str, Any], how: Sampling) -> dict[str, Any]:
    """One answer, streamed so that a loop can be stopped."""
    body = {
        "messages": prompt.get("messages") or [{"role": "user", "content": prompt["prompt"]}],
        "temperature": how.temperature,
        "max_tokens": prompt.get("max_tokens") or how.max_tokens,
        "seed": how.seed,
        "stream": True,
    }
    text, pieces, finish = "", 0, None
    async with session.post(f"{how.url}/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.content:
            if not line.startswith(b"data: ") or line.strip() == b"data: [DONE]":
                continue
            for choice in json.loads(line[6:]).get("choices", ()):
                piece = choice.get("delta", {}).get("content") or ""
                text += piece
                pieces += bool(piece)
                finish = choice.get("finish_reason") or finish
            if how.stop_loops and pieces % LOOKED_EVERY == 0 and is_loop(text):
                finish = "loop"
                break
    return {
        "key": prompt["key"],
        "prompt": prompt.get("prompt"),
        **({"constraints": prompt["constraints"]} if "constraints" in prompt else {}),
        "response": text,
        "finish": finish,
        "tokens": pieces,
        "temperature": how.temperature,
        "seed": how.seed,
    }


async def sample(prompts: Sequence[Mapping[str, Any]], answers: Path, how: Sampling) -> int:
    """Answer what is missing; returns how many answers came."""
    queue = missing(prompts, answers, how.seed)
    queue.reverse()
    count = 0
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    answers.parent.mkdir(parents=True, exist_ok=True)
    # llama.cpp closes connections after a stream without saying so: one connection an answer
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:

        async def work() -> None:
            nonlocal count
            while queue:
                row = await answer(session, queue.pop(), how)
                with answers.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1

        await asyncio.gather(*(work() for _ in range(how.at_once)))
    return count


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Sample answers to a file of prompts.")
    parser.add_argument("prompts", type=Path)
    parser.add_argument("answers", type=Path)
    parser.add_argument("--url", required=True)
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--max-tokens", type=int, default=1280)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--whole-loops", action="store_true", help="Do not stop answers that go in circles.")
    chosen = parser.parse_args()
    how = Sampling(
        chosen.url, chosen.temperature, chosen.max_tokens, chosen.seed, chosen.at_once, not chosen.whole_loops
    )
    rows = [json.loads(line) for line in chosen.prompts.read_text(encoding="utf-8").splitlines() if line.strip()]
    print(f"{asyncio.run(sample(rows, chosen.answers, how))} answers written to {chosen.answers}")


if __name__ == "__main__":
    main()
