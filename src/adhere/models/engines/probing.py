"""The number format that this processor multiplies fastest: measured once and cached.

bfloat16 has no instructions on many processors and is emulated there, several times slower than float32; on those that
have them it is up to twice as fast. Processor time is measured, and the formats take turns, so that other programs on
the machine do not decide.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from pathlib import Path

from adhere.models.registry import cache

ROUNDS = 7
WIDTH, ROWS = 1_024, 16
"""Of the product that is timed: a layer of a small model, for a small batch."""
BETTER = 1.15
"""How many times as fast bfloat16 must be to be worth its rounding."""


def fastest_dtype() -> str:
    """`bfloat16` where this processor is clearly faster with it, else `float32`."""
    file = cache() / "processor.json"
    key = f"{_processor()} torch {_torch_version()}"
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if known.get(key) not in ("bfloat16", "float32"):
        known[key] = _measure()
        _write(file, known)
    return str(known[key])


def _write(file: Path, known: dict[str, str]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(known), encoding="utf-8")
        part.replace(file)
    except OSError:
        return  # measured again next time


def _measure() -> str:
    import torch

    seconds: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    pairs = {kind: (torch.randn(ROWS, WIDTH, dtype=kind), torch.randn(WIDTH, WIDTH, dtype=kind)) for kind in seconds}
    for _ in range(ROUNDS):
        for kind, (rows, weights) in pairs.items():
            start = time.process_time()
            for _ in range(20):
                torch.nn.functional.linear(rows, weights)
            seconds[kind].append(time.process_time() - start)
    slow, fast = (statistics.median(seconds[kind]) for kind in (torch.float32, torch.bfloat16))
    return "bfloat16" if fast * BETTER < slow else "float32"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("flags"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _torch_version() -> str:
    import torch

    return str(torch.__version__)
