"""Equality of two mathematical expressions, by math-verify, in a process that can be killed.

math-verify bounds its work with signals, which exist in a main thread only, and sympy can sit in C code where no signal
reaches it (9^(9^9)). So the work is done in one process beside ours (`comparing_worker.py`), and callers may be
threads or event loops. An expression that takes longer than `SECONDS` costs that process its life and the caller gets
None.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import select
import subprocess
import sys
import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from adhere.core.errors import UserError

SECONDS = 15.0
START_SECONDS = 60.0
WORKER = Path(__file__).with_name("comparing_worker.py")


class _Worker:
    """The process, and whose turn it is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    def equal(self, gold: str, answer: str) -> bool | None:
        with self._lock:
            for _ in range(2):  # a process found dead before it was asked is replaced once
                if self._process is None:
                    self._start()
                try:
                    line = self._ask({"gold": gold, "answer": answer})
                except OSError:
                    self._end()
                    continue
                if line is None:
                    self._end()
                    return None
                equal = line["equal"]
                return equal if equal is None else bool(equal)
            return None

    def _start(self) -> None:
        if importlib.util.find_spec("math_verify") is None:
            raise UserError("comparing math answers needs math-verify: pip install 'adhere[measure]'")
        self._rest = b""
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1"},
        )
        if self._line(START_SECONDS) is None:
            self._end()
            raise UserError("math-verify does not start: check it with `python -c 'import math_verify'`")

    def _ask(self, request: dict[str, str]) -> dict[str, Any] | None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return self._line(SECONDS)

    def _line(self, seconds: float) -> dict[str, Any] | None:
        assert self._process is not None
        assert self._process.stdout is not None
        handle = self._process.stdout.fileno()
        deadline = time.monotonic() + seconds
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([handle], [], [], left)[0]:
                return None
            part = os.read(handle, 1 << 16)
            if not part:
                return None
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def close(self) -> None:
        with self._lock:
            self._end()


_worker = _Worker()
atexit.register(lambda: _worker.close())


def _forget() -> None:
    """After a fork the process belongs to the parent."""
    global _worker
    _worker = _Worker()
    equal.cache_clear()


os.register_at_fork(after_in_child=_forget)


@lru_cache(maxsize=65_536)
def equal(gold: str, answer: str) -> bool | None:
    """Whether `answer` has the value of `gold`; None if that could not be told in `SECONDS`.

    Both are LaTeX or plain expressions, with or without marks of math around them. Not symmetric: an answer `5` meets
    the gold `x = 5`.

    Raises:
        UserError: math-verify is not installed or does not start.
    """
    return _worker.equal(gold, answer)
