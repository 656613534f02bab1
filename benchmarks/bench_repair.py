"""Ways of mending, on the pocket model, on the same prompts: none, all at once, one at a time, and masks.

    check only       what the model says, flagged
    all at once      the loop that names every constraint that failed
    one at a time    a draft, then a mending for each that failed; one that undoes another is thrown away
    masks            the upstream refuses tokens; the gateway checks again

Prompts are held-out ones of the pocket world with two constraints or more; every arm may ask four times again. Shares
with 95 % intervals, and paired differences with an exact McNemar test, from what the gateway reports.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import aiohttp

from benchmarks.bench_gateway import free_port, running

PROMPTS = int(os.environ.get("ADHERE_BENCH_PROMPTS", "120"))
SEED = 2026
ATTEMPTS = 4
ARMS = {
    "check only": ["--attempts", "0"],
    "all at once": ["--attempts", str(ATTEMPTS)],
    "one at a time": ["--attempts", str(ATTEMPTS), "--decompose"],
    "masks": ["--attempts", "0", "--constrained"],
}


def prompts() -> list[dict[str, Any]]:
    """Bodies of requests."""
    from adhere.models.pocket.world import world

    bodies = []
    for dialogue in world.dialogues(SEED, "test", {"describe": 1.0}):
        if len(dialogue.constraints) < 2:
            continue
        bodies.append(
            {
                "model": "pocket",
                "messages": [{"role": m.role, "content": m.content} for m in dialogue.messages[:-1]],
                "constraints": [constraint.to_json() for constraint in dialogue.constraints],
                "max_tokens": 160,
                "temperature": 0.7,
                "seed": len(bodies),
            }
        )
        if len(bodies) == PROMPTS:
            break
    return bodies


async def ask(url: str, bodies: Sequence[dict[str, Any]]) -> list[tuple[bool, int]]:
    """For each prompt: whether all was met, and completion tokens, repairs too."""
    gate = asyncio.Semaphore(16)

    async def one(session: aiohttp.ClientSession, body: dict[str, Any]) -> tuple[bool, int]:
        async with gate, session.post(f"{url}/chat/completions", json=body) as answer:
            told = await answer.json()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {told}")
            return told["adhere"]["met"], told["usage"]["completion_tokens"]

    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        return list(await asyncio.gather(*(one(session, body) for body in bodies)))


def main() -> None:
    from adhere.measure.statistics.rates import mcnemar, rate

    bodies = prompts()
    print(f"{len(bodies)} prompts with {sum(len(b['constraints']) for b in bodies)} constraints\n")
    with contextlib.ExitStack() as stack:
        port = free_port()
        command = [sys.executable, "-m", "adhere", "pocket", "serve", "--port", str(port)]
        model = stack.enter_context(running("the pocket model's server", command, port, 120))
        base: list[tuple[bool, int]] = []
        for name, options in ARMS.items():
            port = free_port()
            command = [sys.executable, "-m", "adhere", "serve", "--upstream", model.url, "--port", str(port)]
            command += ["--when-exhausted", "flag", "--seconds", "300", *options]
            with running(name, command, port) as server:
                got = asyncio.run(ask(server.url, bodies))
            base = base or got
            met = rate([(int(ok), 1) for ok, _ in got])
            tokens = sum(n for _, n in got) / sum(n for _, n in base)
            better = sum(ok and not was for (ok, _), (was, _) in zip(got, base, strict=True))
            worse = sum(was and not ok for (ok, _), (was, _) in zip(got, base, strict=True))
            beside = "" if got is base else f"  against the first: +{better} -{worse}, p {mcnemar(better, worse):.2g}"
            low, high = met.interval
            print(
                f"{name:<14} all met {met.estimate:.3f} ({low:.3f} to {high:.3f})  tokens {tokens:.2f} x{beside}",
                flush=True,
            )


if __name__ == "__main__":
    main()
