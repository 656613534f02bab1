"""Equality of two mathematical expressions, by math-verify, in processes that can be killed.

math-verify bounds its work with signals, which exist in a main thread only, and sympy can sit in C code where no signal
reaches it. So the work is done in processes beside ours (`comparing_worker.py`), and callers may be threads or event
loops. Rules:

- An expression that would write out a huge number is refused before it is evaluated (`expression_size.py`).
- A comparison may take `CPU_SECONDS` of processor time; the clock on the wall decides nothing, so a busy machine
  changes no verdict. One that takes more is "costly", its process is killed; so is one that runs out of memory.
- "undecided" is only what the machine did: a process that died or starved twice, or a right answer that is itself
  beyond these bounds. It is not remembered.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from adhere.core.errors import UserError
from adhere.problems.expression_size import is_too_large

CPU_SECONDS = 3.0
STARVED_SECONDS = 120.0  # on the clock, for a comparison that the machine does not let run
LOOK_SECONDS = 0.25  # between two looks at the processor time
START_SECONDS = 60.0
WORKERS = min(4, os.cpu_count() or 1)
WORKER = Path(__file__).with_name("comparing_worker.py")

Comparison = Literal["equal", "unequal", "costly", "undecided"]


class _Undecided(Exception):
    """Raised past the cache."""


class _Ended(Exception):
    """The process ended, or took more processor time than it may."""

    def __init__(self, costly: bool) -> None:
        self.costly = costly


def _processor_time(pid: int) -> float | None:
    """Seconds of processor time that a process has used; None where the system does not tell."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # linux/posix-timers.h
    except OSError:
        return None


class _Worker:
    """One process and its child that compares, used by one caller at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._child = -1
        self._rest = b""

    def compare(self, gold: str, answer: str) -> Comparison:
        for _ in range(2):  # what the machine did is tried once more
            if self._process is None:
                self._start()
            try:
                line = self._ask({"gold": gold, "answer": answer})
            except (_Ended, OSError) as error:
                if isinstance(error, _Ended) and error.costly:
                    self._replace()
                    return "costly"
                self.end()
                continue
            result: Comparison = line.get("result", "undecided")
            return result
        return "undecided"

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
        try:
            self._greet()
        except _Ended as error:
            self.end()
            raise UserError("math-verify does not start: check it with `python -c 'import math_verify'`") from error

    def _greet(self) -> None:
        assert self._process is not None
        self._child = self._process.pid
        self._child = int(self._line(START_SECONDS, START_SECONDS)["ready"])

    def _replace(self) -> None:
        """End the child that is busy; its parent forks another."""
        try:
            os.kill(self._child, signal.SIGKILL)
            self._greet()
        except (_Ended, OSError):
            self.end()

    def _ask(self, request: dict[str, str]) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return self._line(CPU_SECONDS, STARVED_SECONDS)

    def _line(self, processor: float, clock: float) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        handle, pid = self._process.stdout.fileno(), self._child
        deadline, before = time.monotonic() + clock, _processor_time(pid)
        while b"\n" not in self._rest:
            if select.select([handle], [], [], LOOK_SECONDS)[0]:
                part = os.read(handle, 1 << 16)
                if not part:
                    raise _Ended(costly=False)
                self._rest += part
                continue
            used = _processor_time(pid)
            if before is None or used is None:
                if time.monotonic() > deadline - clock + 4 * processor:
                    raise _Ended(costly=True)
            elif used - before > processor:
                raise _Ended(costly=True)
            if time.monotonic() > deadline:
                raise _Ended(costly=False)
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            if self._child not in (-1, process.pid):
                with contextlib.suppress(OSError):
                    os.kill(self._child, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()


class _Pool:
    """The workers. The last one used is the first to be used again, so that few are started."""

    def __init__(self) -> None:
        self._workers = [_Worker() for _ in range(WORKERS)]
        self._free: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._closing = threading.Lock()
        for worker in self._workers:
            self._free.put(worker)

    def compare(self, gold: str, answer: str) -> Comparison:
        worker = self._free.get()
        try:
            return worker.compare(gold, answer)
        finally:
            self._free.put(worker)

    def close(self) -> None:
        with self._closing:
            for worker in self._workers:
                worker.end()


_pool = _Pool()
atexit.register(lambda: _pool.close())


def _forget() -> None:
    """After a fork the processes belong to the parent."""
    global _pool
    _pool = _Pool()
    _compared.cache_clear()


@lru_cache(maxsize=65_536)
def _compared(gold: str, answer: str) -> Comparison:
    if is_too_large(gold):
        raise _Undecided
    if is_too_large(answer):
        return "costly"
    comparison = _pool.compare(gold, answer)
    if comparison == "undecided":
        raise _Undecided
    return comparison


os.register_at_fork(after_in_child=_forget)


def compare(gold: str, answer: str) -> Comparison:
    """Whether `answer` has the value of `gold`, or why that cannot be told.

    Both are LaTeX or plain expressions, with or without marks of math around them. Not symmetric: an answer `5` meets
    the gold `x = 5`.

    Raises:
        UserError: math-verify is not installed or does not start.
    """
    try:
        return _compared(gold, answer)
    except _Undecided:
        return "undecided"
