"""How cost grows: each part at several sizes, with the exponent of its growth (1 is linear) and the parent's memory.

The exponent is the slope of log time over log size, by least squares; start-up is left out by calling in this process.
Processor time, not wall time: on a shared machine the latter says little.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np

from adhere.engines import engine_of
from adhere.measure.adherence import scoring
from adhere.measure.adherence.sharded.run import score_sharded
from adhere.measure.adherence.summary import findings
from adhere.measure.adherence.tally import Brief, Tally

FOLLOWED = 1 | 2 | 4 | 8


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        show("score, one process (rows)", (2_000, 8_000, 32_000), lambda n: scored(folder, n), of_rows(folder))
        show(
            "score in shards, one process (rows)",
            (2_000, 8_000, 32_000),
            lambda n: in_shards(folder, n),
            of_rows(folder),
        )
    show("findings of a run (models, 1,000 prompts each)", (10, 30, 100), compared)


def show(
    name: str, sizes: Sequence[int], work: Callable[[int], object], prepare: Callable[[int], object] | None = None
) -> None:
    """Print processor seconds and peak memory at each size, and the exponent."""
    seconds = []
    if prepare is not None:
        prepare(100)
    work(100 if prepare is not None else 2)  # imports and caches
    for size in sizes:
        if prepare is not None:
            prepare(size)
        began = time.process_time()
        work(size)
        seconds.append(time.process_time() - began)
        print(f"{name}: {size:>7,}  {seconds[-1]:8.3f} s  peak {peak():,.0f} MB", flush=True)
    slope = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
    print(f"{name}: exponent {slope:.2f}")


def peak() -> float:
    """Peak memory of this process in MB; it never falls, so sizes go upwards."""
    units = 1_000_000 if sys.platform == "darwin" else 1_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units


def of_rows(folder: Path) -> Callable[[int], object]:
    """Writes so many rows, made from the samples that come with the package."""
    samples = Path(str(files("adhere") / "samples"))
    lines = [json.loads(line) for path in sorted(samples.glob("*.jsonl")) for line in path.read_text().splitlines()]

    def write(n: int) -> None:
        with (folder / f"{n}.jsonl").open("w") as file:
            for k in range(n):
                row = {**lines[k % len(lines)], "key": f"{k}"}
                file.write(json.dumps(row) + "\n")

    return write


def scored(folder: Path, n: int) -> None:
    run = scoring.score([folder / f"{n}.jsonl"], journal=folder / f"{n}.records", jobs=1, resume=False)
    findings(run.tally, run.profiles)


def in_shards(folder: Path, n: int) -> None:
    with engine_of("local", jobs=1) as engine:
        run = score_sharded([folder / f"{n}.jsonl"], folder / f"out{n}", engine)
    findings(run.counts, run.profiles)


def compared(models: int) -> None:
    rng = random.Random(0)
    tally = Tally()
    for m in range(models):
        share = 0.3 + 0.5 * m / models
        for p in range(1_000):
            entries = tuple(("length.words", None, FOLLOWED if rng.random() < share else 0) for _ in range(1 + p % 2))
            tally.add(Brief(f"model {m}", "own", f"p{p}", 1, "file", p, "", 0, entries))
    findings(tally, ("fixed", "reference"))


if __name__ == "__main__":
    main()
