"""Scoring 100,000 responses: memory and speed, against a plain loop in one process; and how soon a small file is done.

The plain loop does what a script would: parse every line, check every constraint strict and loose in both profiles,
and keep what it found. It has the same checks, so the ratio of processor time is that of the machinery around them:
records, journal, processes, intervals. Memory is the parent's and the largest worker's.
`ADHERE_BENCH_RESPONSES` sets another number of responses.
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
from typing import NamedTuple

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
import json, sys, time
from adhere.constraints.benchmarks.loose import Loosened, loose, strict
from adhere.constraints.registry import from_json
began, cpu = time.perf_counter(), time.process_time()
found = []
for line in open(sys.argv[1], encoding="utf-8"):
    record = json.loads(line)
    answer = Loosened(record["response"])
    for asked in record["constraints"]:
        for profile in ("fixed", "reference"):
            constraint = from_json(asked).under(profile)
            check = strict(constraint, answer)
            found.append((check, loose(constraint, answer, check)))
print(json.dumps([time.perf_counter() - began, time.process_time() - cpu]))
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


class Run(NamedTuple):
    """What a command took: seconds on the clock, seconds of processor, most memory of parent and of any child (MB)."""

    seconds: float
    cpu: float
    parent: float
    child: float
    processes: int


def watched(command: list[str]) -> Run:
    """Run `command` to its end, looking at its processes as it goes."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parent, own, child, most = psutil.Process(process.pid), 0.0, 0.0, 1
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        try:
            own = max(own, parent.memory_info().rss / 1e6)
            children = parent.children(recursive=True)
            child = max([child, *(c.memory_info().rss / 1e6 for c in children)])
            most = max(most, 1 + len(children))
        except psutil.Error:
            pass
        time.sleep(0.05)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {status}")
    return Run(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, own, child, most)


def main() -> None:
    adhere = str(Path(sys.executable).with_name("adhere"))
    with tempfile.TemporaryDirectory() as folder:
        small, large, sample = (Path(folder) / name for name in ("small.jsonl", "large.jsonl", "sample.jsonl"))
        write(small, 100)
        write(large, N)
        write(sample, N // 10)
        for name, command in (("--help", ["--help"]), ("score of 100 responses", ["score", str(small)])):
            runs = [watched([adhere, *command]) for _ in range(5)]
            seconds, cpu = (statistics.median(getattr(run, what) for run in runs) for what in ("seconds", "cpu"))
            print(f"adhere {name}: {seconds:.2f} s, {cpu:.2f} s of processor")
        command = [sys.executable, "-c", PLAIN, str(sample)]
        plain = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        each = plain[1] / (N // 10)
        print(
            f"plain loop over {N // 10:,}: {N // 10 / plain[0]:,.0f} responses/s, {1e6 * each:.0f} us of processor each"
        )
        for n, path in ((N // 10, sample), (N, large)):
            run = watched([adhere, "score", str(path), "--json", str(Path(folder) / "o.json"), "--no-resume"])
            print(
                f"adhere score of {n:,} ({path.stat().st_size / 1e6:.0f} MB), table and findings made: "
                f"{n / run.seconds:,.0f} responses/s, {1e6 * run.cpu / n:.0f} us of processor each "
                f"({run.cpu / n / each:.2f}x the plain loop); most memory {run.parent:.0f} MB (parent), "
                f"{run.child:.0f} MB (a worker); {run.processes} processes"
            )


if __name__ == "__main__":
    main()
