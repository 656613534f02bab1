"""Scoring 100,000 responses: memory and speed, against a plain loop in one process; and how soon a small file is done.

The plain loop does what a script would: parse every line, check every constraint strict and loose in both profiles,
and keep what it found. It has the same checks, so the ratio is that of the machinery around them: processes, journal,
order. `ADHERE_BENCH_RESPONSES` sets another number of responses.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

N = int(os.environ.get("ADHERE_BENCH_RESPONSES", "100_000"))
WORDS = "the a sea wide old land river keeps its own slow counsel and nobody asks why it turns at the mill".split()
ASKED = [
    {"kind": "length.words", "at_most": 150},
    {"kind": "contains.terms", "terms": ["river"]},
    {"kind": "excludes.mark", "mark": "comma"},
    {"kind": "contains.letter", "letter": "z", "at_most": 2},
    {"kind": "structure.end_phrase", "phrase": "The end."},
]

PLAIN = """
import json, sys, time, resource
from adhere.constraints.loose import Loosened, loose, strict
from adhere.constraints.registry import from_json
began = time.perf_counter()
found = []
for line in open(sys.argv[1], encoding="utf-8"):
    record = json.loads(line)
    answer = Loosened(record["response"])
    for asked in record["constraints"]:
        for profile in ("fixed", "reference"):
            constraint = from_json(asked).under(profile)
            check = strict(constraint, answer)
            found.append((check, loose(constraint, answer, check)))
seconds = time.perf_counter() - began
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def write(path: Path, n: int) -> None:
    """`n` responses of some 100 words with two constraints each; about half of them fail one."""
    generator = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for k in range(n):
            words = " ".join(generator.choices(WORDS, k=generator.randint(60, 180)))
            constraints = generator.sample(ASKED, 2)
            record = {"id": k, "prompt": f"Prompt {k}.", "constraints": constraints, "response": words}
            file.write(json.dumps(record) + "\n")


def watched(command: list[str]) -> tuple[float, float, float, int]:
    """Seconds, most memory of the parent and of any child (MB, resident), and processes at once."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parent, own, child, most = psutil.Process(process.pid), 0.0, 0.0, 1
    while process.poll() is None:
        try:
            own = max(own, parent.memory_info().rss / 1e6)
            children = parent.children(recursive=True)
            child = max([child, *(c.memory_info().rss / 1e6 for c in children)])
            most = max(most, 1 + len(children))
        except psutil.Error:
            pass
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} returned {process.returncode}")
    return time.perf_counter() - began, own, child, most


def main() -> None:
    adhere = str(Path(sys.executable).with_name("adhere"))
    with tempfile.TemporaryDirectory() as folder:
        small, large, sample = (Path(folder) / name for name in ("small.jsonl", "large.jsonl", "sample.jsonl"))
        write(small, 100)
        write(large, N)
        write(sample, N // 10)
        start = statistics.median(watched([adhere, "--help"])[0] for _ in range(5))
        soon = statistics.median(watched([adhere, "score", str(small)])[0] for _ in range(3))
        print(f"adhere --help {start:.2f} s; adhere score of 100 responses {soon:.2f} s")
        plain, memory = json.loads(
            subprocess.run(
                [sys.executable, "-c", PLAIN, str(sample)], capture_output=True, text=True, check=True
            ).stdout
        )
        print(f"plain loop over {N // 10:,}: {N // 10 / plain:,.0f} responses/s in one process, {memory:,.0f} MB kept")
        for n, path in ((N // 10, sample), (N, large)):
            seconds, own, child, processes = watched([adhere, "score", str(path), "--out", folder, "--no-resume"])
            ratio = (n / seconds) / (N // 10 / plain)
            print(
                f"adhere score of {n:,} ({path.stat().st_size / 1e6:.0f} MB): {n / seconds:,.0f} responses/s, "
                f"{ratio:.2f}x the plain loop; most memory {own:.0f} MB (parent), {child:.0f} MB (a worker); "
                f"{processes} processes"
            )


if __name__ == "__main__":
    main()
