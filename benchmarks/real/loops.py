"""What a greedy answer that was stopped in a loop would have been, had it run until its tokens were spent.

    python -m benchmarks.real.loops answers.jsonl continued.jsonl

Rules:

- Only answers marked `finish: loop` at temperature 0 are continued: greedy decoding that has repeated one stretch four
  times goes on repeating it. `sampling` stops such answers to save half of all tokens; benchmarks let them run.
- The stretch is repeated until the answer has as many characters as `max_tokens` tokens of its own average length.
- The result is an estimate, and is reported beside the answers as they were stopped.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from adhere.constraints.degeneration import is_loop

MAX_TOKENS = 1280
SHORTEST_PERIOD, LONGEST_PERIOD = 1, 1_000
TIMES = 4


def period_of(text: str) -> int | None:
    """The shortest stretch, in characters, that the end of the text repeats `TIMES` times; None where it does not."""
    tail = text.rstrip()
    for period in range(SHORTEST_PERIOD, min(LONGEST_PERIOD, len(tail) // TIMES) + 1):
        if tail[-period * (TIMES - 1) :] == tail[-period * TIMES : -period]:
            return period
    return None


def continued(answer: dict[str, Any], max_tokens: int = MAX_TOKENS) -> dict[str, Any]:
    """The answer with its loop run on; any other answer as it is."""
    text = answer["response"]
    if answer["finish"] != "loop" or answer["temperature"] != 0 or not is_loop(text):
        return answer
    period = period_of(text)
    if period is None:
        return answer
    whole = int(len(text) / max(1, answer["tokens"]) * max_tokens)
    stretch = text[-period:]
    text += (stretch * (whole // period + 1))[: max(0, whole - len(text))]
    return {**answer, "response": text, "finish": "length"}


def main() -> None:
    """The command line."""
    answers, out = map(Path, sys.argv[1:3])
    rows = [continued(json.loads(line)) for line in answers.read_text(encoding="utf-8").splitlines()]
    out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
