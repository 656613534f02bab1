"""The process in which mathematical expressions are parsed and compared, started by `comparing.py`.

One JSON line in, `{"gold": ..., "answer": ...}`; one out, `{"equal": true | false | null}`. math-verify does both the
parsing and the comparing, with its own signal-based timeouts: here they run in a main thread, where signals work. What
sits in C code past every signal is killed from outside.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from functools import lru_cache
from typing import Any

PARSE_SECONDS = 5
COMPARE_SECONDS = 5
MEMORY = 2 << 30


def _texts(expression: str) -> list[str]:
    """The ways to hand an expression to the parser: as it stands if it marks its math, else marked."""
    marked = any(mark in expression for mark in ("$", "\\(", "\\[", "\\boxed"))
    return [expression] if marked else [f"${expression}$", expression]


@lru_cache(maxsize=4096)
def _parse(expression: str) -> tuple[Any, ...]:
    from math_verify import parse

    for text in _texts(expression):
        if parsed := parse(text, parsing_timeout=PARSE_SECONDS, raise_on_error=False):
            return tuple(parsed)
    return ()


def _equal(gold: str, answer: str) -> bool | None:
    from math_verify import verify
    from math_verify.errors import TimeoutException

    wanted, found = _parse(gold), _parse(answer)
    if not wanted or not found:
        return False
    try:
        # Unknown functions and clashing names raise inside; that is a "not equal", a timeout is not.
        return bool(
            verify(list(wanted), list(found), strict=True, timeout_seconds=COMPARE_SECONDS, raise_on_error=True)
        )
    except TimeoutException:
        return None
    except Exception:
        return False


def main() -> None:
    """Serve until the input ends."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not end up between our lines
    logging.disable(logging.CRITICAL)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError, OSError):
        pass
    import math_verify

    results.write(json.dumps({"ready": math_verify.__name__}) + "\n")
    results.flush()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            equal = _equal(request["gold"], request["answer"])
        except BaseException:  # MemoryError, RecursionError, a timeout in the wrong place
            equal = None
        results.write(json.dumps({"equal": equal}) + "\n")
        results.flush()


if __name__ == "__main__":
    main()
