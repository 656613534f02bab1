"""A hundred thousand requests and answers gone wrong, through the gateway: no 500, no leak, nothing said to be met
that is not. What is sent and what must hold stands in `tests/gateway/fuzzing.py`."""

from __future__ import annotations

import asyncio
import os
import time

from tests.gateway.fuzzing import run

REQUESTS = int(os.environ.get("ADHERE_BENCH_FUZZ", "100000"))


def main() -> None:
    began, cpu = time.monotonic(), time.process_time()
    found = asyncio.run(run(REQUESTS, seed=2026))
    print(f"{found.requests:,} requests in {time.monotonic() - began:.0f} s ({time.process_time() - cpu:.0f} s of CPU)")
    print("statuses  " + ", ".join(f"{status}: {n:,}" for status, n in sorted(found.statuses.items())))
    print("endings   " + ", ".join(f"{ending}: {n:,}" for ending, n in found.endings.most_common()))
    print(f"wrong     {len(found.wrong)}")
    for line in found.wrong[:20]:
        print("  " + line)
