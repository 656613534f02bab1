"""The child process that runs llama.cpp's own server: `python -m adhere.models.engines.llamacpp_server FILE ...`.

Rules:

- It listens on this machine alone and prints one line of JSON when it is ready: `url`, `threads`, `slots`, `context`.
- It ends when its standard input ends, so that it never outlives who started it, however that ended.
- `--threads 0` chooses by measuring: all cores against one thread, a few tokens each. llama.cpp's threads wait for each
  other by spinning; where another program holds a core, two threads run many times slower than one.
- It is a process of its own: a file that makes llama.cpp abort ends this process, not the command.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

PROBE_TOKENS = 8
BETTER = 1.15
"""How many times as fast several threads must be to be worth their processor time."""


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--alias", default="model")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--context", type=int, default=2_048, help="tokens of one slot")
    parser.add_argument("--gpu-layers", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    chosen = parser.parse_args()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threads = chosen.threads or _best_threads(chosen)
    server = _server(chosen, threads)
    ready = {"url": server.listening_address, "threads": threads, "slots": chosen.slots, "context": chosen.context}
    print(json.dumps(ready), flush=True)
    threading.Event().wait()


def _end_with_parent() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os._exit(0)


def _server(chosen: argparse.Namespace, threads: int, slots: int | None = None) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(chosen.file)
    params.model_alias = {chosen.alias}
    params.n_parallel = slots or chosen.slots
    params.n_ctx = chosen.context * params.n_parallel
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_gpu_layers = chosen.gpu_layers
    params.port = chosen.port if slots is None else 0
    params.warmup = False
    params.ui = False
    params.verbosity = 0
    params.cache_ram_mib = 0  # slots keep their own prefixes; a second copy of every prompt is memory for nothing here
    return xllamacpp.Server(params)


def _best_threads(chosen: argparse.Namespace) -> int:
    """The number of threads that writes fastest right now."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores == 1:
        return 1
    single = _seconds(chosen, 1)
    return cores if _seconds(chosen, cores, single / BETTER) < single / BETTER else 1


def _seconds(chosen: argparse.Namespace, threads: int, limit: float = float("inf")) -> float:
    """Seconds to read a short prompt and write a few tokens; infinite if that takes longer than `limit`."""
    server = _server(chosen, threads, slots=1)
    start = time.monotonic()
    late = False

    def heard(_piece: Any) -> bool:
        nonlocal late
        late = time.monotonic() - start > limit
        return late  # true ends the answer

    prompt = {"messages": [{"role": "user", "content": "Count from one to ten."}], "temperature": 0}
    server.handle_chat_completions({**prompt, "max_tokens": PROBE_TOKENS, "stream": True}, heard)
    taken = time.monotonic() - start
    return float("inf") if late else taken


if __name__ == "__main__":
    main()
