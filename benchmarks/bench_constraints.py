"""Checking saved answers against the reference checker, and watching answers while they are written.

1. The 540 answers of GPT-4 to IFEval's prompts, strict and loose, against lm-eval's copy of the reference checker, in
   turns on one core, medians of ratios. The reference lives in an environment of its own, `.oracle/`:

       python -m venv .oracle && .oracle/bin/pip install "lm_eval[ifeval]==0.4.13"

   and reads NLTK's `punkt_tab` from `.oracle/nltk_data/tokenizers/punkt_tab` (from `nltk.download("punkt_tab")`, or out
   of the wheel of llama-index-core, which carries it). Without it our own figures are printed alone.
2. Ten monitors over one text in pieces of four characters: microseconds per character and monitor at 1,000, 10,000 and
   100,000 characters, which should be the same.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "ifeval"
ORACLE = ROOT / ".oracle"
ROUNDS = 7

Answer = tuple[str, str, list[str], list[dict[str, Any]]]
"""Prompt, answer, instruction ids, arguments."""


def answers() -> list[Answer]:
    prompts = {}
    with (DATA / "input_data.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            prompts[row["key"]] = row
    with gzip.open(DATA / "responses" / "gpt-4-1106.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    found = ((prompts[row["key"]], row["response"]) for row in rows)
    return [(p["prompt"], response, p["instruction_id_list"], p["kwargs"]) for p, response in found]


def ours(rows: list[Answer], profile: Any, detector: bool = True) -> int:
    """Check every answer strict and loose; the number of checks asked for."""
    from adhere.constraints.benchmarks.ifeval import DETECTOR_IDS, from_ifeval
    from adhere.constraints.benchmarks.loose import Loosened, loose, strict

    checks = 0
    for _, response, ids, kwargs in rows:
        answer = Loosened(response)
        for instruction, arguments in zip(ids, kwargs, strict=True):
            if detector or instruction not in DETECTOR_IDS:
                constraint = from_ifeval(instruction, arguments, profile)
                loose(constraint, answer, strict(constraint, answer))
                checks += 1
    return checks


def seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


_ORACLE_LOOP = """
import json, logging, sys, time
logging.disable(logging.CRITICAL)
import nltk
nltk.data.path.insert(0, sys.argv[1])
from lm_eval.tasks.ifeval.utils import InputExample, test_instruction_following_loose, test_instruction_following_strict
rows = json.load(open(sys.argv[2], encoding="utf-8"))
rows = [(InputExample(0, ids, prompt, kwargs), response) for prompt, response, ids, kwargs in rows]
def run():
    start = time.process_time()
    for example, response in rows:
        test_instruction_following_strict(example, response)
        test_instruction_following_loose(example, response)
    return time.process_time() - start
run()
print("ready", flush=True)
for _ in sys.stdin:
    print(run(), flush=True)
"""


class Oracle:
    """The reference checker in its own process, which times one pass over the answers each time it is asked."""

    def __init__(self, rows: list[Answer]) -> None:
        scratch = ORACLE / "answers.json"
        scratch.write_text(json.dumps(rows), encoding="utf-8")
        command = [str(ORACLE / "bin" / "python"), "-c", _ORACLE_LOOP, str(ORACLE / "nltk_data"), str(scratch)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def seconds(self) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the reference checker in .oracle/ stopped")
        return line

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def against_the_reference() -> None:
    if not DATA.is_dir():
        print(f"no IFEval data at {DATA}: nothing to check")
        return
    rows = answers()
    profiles = ("reference", "fixed")
    for profile in profiles:
        ours(rows, profile)  # imports, remembered borders, compiled patterns
    mine: dict[str, list[float]] = {profile: [] for profile in profiles}
    plain: dict[str, list[float]] = {profile: [] for profile in profiles}
    theirs: list[float] = []
    oracle = Oracle(rows) if (ORACLE / "bin" / "python").exists() else None
    checks = ours(rows, "reference", detector=False)
    for _ in range(ROUNDS):
        for profile in profiles:
            mine[profile].append(seconds(lambda profile=profile: ours(rows, profile)))
            plain[profile].append(seconds(lambda profile=profile: ours(rows, profile, detector=False)))
        if oracle:
            theirs.append(oracle.seconds())
    print(f"{len(rows)} answers of GPT-4, strict and loose, one core, medians of {ROUNDS} rounds in turns")
    for profile in profiles:
        rate = len(rows) / median(mine[profile])
        line = f"  {profile:9}  {rate:9,.0f} responses/s"
        if theirs:
            ratio = median(their / my for their, my in zip(theirs, mine[profile], strict=True))
            line += f"  {ratio:5.1f} x lm-eval"
        print(f"{line}  {checks / median(plain[profile]):9,.0f} checks/s without a language detector")
    if oracle:
        print(f"  lm-eval    {len(rows) / median(theirs):9,.0f} responses/s")
        oracle.close()
    else:
        print("  no reference in .oracle/: see the top of benchmarks/bench_constraints.py")


SENTENCE = "The sea was calm, and Dr. Smith counted 12 boats near [harbour]; nobody said a word about it. "


def text_of(length: int) -> str:
    paragraph = SENTENCE * 6 + "\n\n"
    return (paragraph * (length // len(paragraph) + 1))[:length]


def chunks(text: str, size: int = 4) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


def monitors() -> None:
    from adhere.constraints import from_json

    ten = [
        from_json(record)
        for record in (
            {"kind": "length.words", "at_most": 1_000_000},
            {"kind": "length.characters", "at_most": 10_000_000},
            {"kind": "length.sentences", "at_most": 1_000_000},
            {"kind": "length.paragraphs", "at_most": 1_000_000},
            {"kind": "contains.terms", "terms": ["ocean", "sky"]},
            {"kind": "excludes.terms", "terms": ["submarine"]},
            {"kind": "contains.letter", "letter": "e", "at_most": 1_000_000},
            {"kind": "excludes.mark", "mark": "exclamation mark"},
            {"kind": "format.placeholders", "at_most": 1_000_000},
            {"kind": "structure.end_phrase", "phrase": "the end"},
        )
    ]
    print("ten monitors, chunks of four characters, microseconds per character and monitor (process time)")
    for length in (1_000, 10_000, 100_000):
        text = text_of(length)
        times = []
        for _ in range(max(3, 30_000 // length)):
            watching = [constraint.monitor() for constraint in ten]
            pieces = list(chunks(text))
            times.append(
                seconds(lambda watching=watching, pieces=pieces: [m.feed(piece) for piece in pieces for m in watching])
            )
            for monitor in watching:
                monitor.close()
        print(f"  {length:9,} characters  {median(times) / length / len(ten) * 1e6:6.3f}")


def main() -> None:
    against_the_reference()
    monitors()


if __name__ == "__main__":
    sys.exit(main())
