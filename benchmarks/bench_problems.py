"""Grading code and math against the plain way of doing it.

Code: the sandbox (namespaces, limits, an empty folder per item) against a fresh `python -I -S` per item, which has none
of them. Math: reading and comparing against math-verify's own parse and verify on the same responses.
"""

from __future__ import annotations

import json
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ROUNDS = 5
FRESH = 20  # fresh interpreters in a round
POCKET = 400  # pocket-sized programs in a round


def _median(work: Callable[[], object], items: int) -> float:
    """Median seconds per item over `ROUNDS`."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) / items)
    return statistics.median(times)


def _code() -> None:
    from adhere.problems import CodeProblem, grade_code, load
    from adhere.problems.sandbox import shared

    print(f"isolation: {shared().isolation}; {shared().workers} cells")
    pocket = [CodeProblem(f"Add {k}.", "f", [((i,), i + k) for i in range(4)]) for k in range(POCKET)]
    answers = [f"def f(x): return x + {k}" for k in range(POCKET)]
    rows = {"pocket": (pocket, answers)}
    path = DATA / "humaneval/HumanEval.jsonl.gz"
    if path.is_file():
        human = [p for p in load(path).problems if isinstance(p, CodeProblem)]
        rows["HumanEval"] = (human, [p.reference for p in human])
    for name, (problems, responses) in rows.items():
        scripts = [p.script(r) for p, r in zip(problems, responses, strict=True)][:FRESH]

        def fresh(scripts: list[str] = scripts) -> None:
            for script in scripts:
                subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True, env={})

        def one(problems: list[CodeProblem] = problems, responses: list[str] = responses) -> None:
            for problem, response in zip(problems[:FRESH], responses, strict=False):
                problem.grade(response)

        def many(problems: list[CodeProblem] = problems, responses: list[str] = responses) -> None:
            grade_code(list(zip(problems, responses, strict=True)))

        peer = _median(fresh, len(scripts))
        single, batch = _median(one, FRESH), _median(many, len(problems))
        print(f"{name}: fresh python {peer * 1e3:.1f} ms an item; grade() {peer / single:.1f}x, ", end="")
        print(f"grade_code() {peer / batch:.1f}x as fast ({1 / batch:.0f} items/s)")


def _math() -> None:
    path = DATA / "gsm8k/example_model_solutions.jsonl"
    if not path.is_file():
        print(f"math: needs {path}")
        return
    from math_verify import parse, verify

    from adhere.problems import MathProblem

    logging.disable(logging.WARNING)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:100]]
    problems = [MathProblem(row["question"], row["ground_truth"].rpartition("A:")[2]) for row in rows]
    responses = [row["175b_verification"]["solution"] for row in rows]
    marks = [row["175b_verification"]["is_correct"] for row in rows]

    def theirs() -> list[bool]:
        return [verify(parse(p.answer), parse(r)) for p, r in zip(problems, responses, strict=True)]

    def ours() -> list[bool | None]:
        return [p.grade(r).correct for p, r in zip(problems, responses, strict=True)]

    peer, own = _median(theirs, len(rows)), _median(ours, len(rows))
    print(f"GSM8K solutions: math-verify {peer * 1e3:.2f} ms an item; grade() {peer / own:.1f}x as fast; ", end="")
    agree = [sum(a == b for a, b in zip(answers, marks, strict=True)) for answers in (theirs(), ours())]
    print(f"as the file marks them: math-verify alone {agree[0]}, grade() {agree[1]} of {len(rows)}")


def main() -> None:
    """Print the ratios."""
    _code()
    _math()


if __name__ == "__main__":
    main()
