"""The process in which mathematical expressions are parsed and compared, started by `comparing.py`.

One JSON line in, `{"gold": ..., "answer": ...}`; one out, `{"result": "equal" | "unequal" | "costly" | "undecided"}`.
The first process only loads math-verify and keeps a child, which serves and says `{"ready": pid}` when it begins; the
owner watches the child's processor time and kills it, and the next child costs a fork.
math-verify does both the parsing and the comparing, without its own timeouts: those go by the clock on the wall.
What breaks while the right answer is parsed is undecided; what breaks
while the answer is, or the two are compared, is costly: the answer's own doing.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from functools import lru_cache
from typing import Any, TextIO

MEMORY = 2 << 30
LONGEST_SECONDS = 60.0  # of processor time


def _texts(expression: str) -> list[str]:
    """The ways to hand an expression to the parser: as it stands if it marks its math, else marked."""
    marked = any(mark in expression for mark in ("$", "\\(", "\\[", "\\boxed"))
    return [expression] if marked else [f"${expression}$", expression]


@lru_cache(maxsize=4096)
def _parse(expression: str) -> tuple[Any, ...]:
    from math_verify import parse

    for text in _texts(expression):
        if parsed := parse(text, parsing_timeout=0, raise_on_error=False):
            return tuple(parsed)
    return ()


def _compare(gold: str, answer: str) -> str:
    from math_verify import verify

    try:
        wanted = _parse(gold)
    except BaseException:  # MemoryError, RecursionError
        return "undecided"
    try:
        given = _parse(answer)
        if not wanted or not given:
            return "unequal"
        equal = verify(list(wanted), list(given), strict=True, timeout_seconds=None, raise_on_error=True)
    except (MemoryError, RecursionError):
        return "costly"
    except Exception:  # unknown functions and clashing names
        return "unequal"
    return "equal" if equal else "unequal"


def _serve(results: TextIO) -> None:
    """Answer requests until the input ends."""

    def say(message: dict[str, Any]) -> None:
        results.write(json.dumps(message) + "\n")
        results.flush()

    say({"ready": os.getpid()})
    for line in sys.stdin:
        # Should the owner be gone: it would have killed us long before.
        signal.setitimer(signal.ITIMER_PROF, LONGEST_SECONDS)
        request = json.loads(line)
        say({"result": _compare(request["gold"], request["answer"])})


def main() -> None:
    """Keep a child that serves, until the input ends."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not end up between our lines
    logging.disable(logging.CRITICAL)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError, OSError):
        pass
    _parse("\\frac{1}{2}")  # the parser loads late
    while True:
        child = os.fork()
        if child == 0:
            _serve(results)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            return


if __name__ == "__main__":
    main()
