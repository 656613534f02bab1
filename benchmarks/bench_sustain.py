"""A sustain run against Inspect itself: 1,000 problems under 10 arms, and 10,000 plain samples of one answer each.

Both ask the same mock provider, whose answers cost nothing and carry their usage, in one process, in turns, and write a
log; the plain samples are scored by comparing a string. What the ratio holds is therefore ours: choosing constraints,
making prompts, spans, grading, checking, and the outcomes in the log. Process time and wall time are both given.

    python -m benchmarks sustain            # a tenth of the size, three rounds
    PROBLEMS=1000 ROUNDS=1 python -m benchmarks sustain
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from typing import Any

PROBLEMS = int(os.environ.get("PROBLEMS", "100"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
ARMS, CONDITIONS = "placebo,long,constraint", 10
MOST = 1.3
"""The ratio that is allowed."""


def main() -> None:
    from inspect_ai import Task, eval
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import match
    from inspect_ai.solver import generate

    from adhere.measure.sustain.outcome import outcomes
    from adhere.measure.sustain.problem_sets import pocket
    from adhere.measure.sustain.task import sustain

    problems = pocket("math", PROBLEMS, 0).problems
    solutions = {problem.prompt[:40]: getattr(problem, "solution", "") for problem in problems}
    spoken = "Reading this slowly, everything adds up nicely without any surprise whatsoever. "

    def answer(messages: list[Any], *_: Any) -> ModelOutput:
        prompt = messages[-1].text
        found = next((text for start, text in solutions.items() if start in prompt), "The answer is 5.")
        output = ModelOutput.from_content("mock", spoken + found)
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    model = get_model("mockllm/model", custom_outputs=answer, memoize=False)
    plain = [Sample(id=n, input=problems[n % PROBLEMS].prompt, target="7") for n in range(CONDITIONS * PROBLEMS)]
    options: dict[str, Any] = {"model": model, "display": "none", "log_realtime": False, "max_samples": 20}
    wall: dict[str, list[float]] = {"plain": [], "sustain": []}
    cpu: dict[str, list[float]] = {"plain": [], "sustain": []}
    asked = 0
    folder = tempfile.TemporaryDirectory()

    def timed(name: str, make: Any) -> Any:
        start, process = time.perf_counter(), time.process_time()
        [log] = eval(make(), log_dir=folder.name, **options)
        wall[name].append(time.perf_counter() - start)
        cpu[name].append(time.process_time() - process)
        assert log.status == "success", log.error
        return log

    few = [Sample(id=n, input="x", target="7") for n in range(20)]
    eval(Task(dataset=MemoryDataset(few), solver=generate(), scorer=match()), log_dir=folder.name, **options)
    for _ in range(ROUNDS):
        timed("plain", lambda: Task(dataset=MemoryDataset(plain), solver=generate(), scorer=match()))
        log = timed("sustain", lambda: sustain(domain="math", problems=PROBLEMS, arms=ARMS))
        asked = sum(1 for _ in outcomes(log))
    folder.cleanup()
    print(f"{PROBLEMS:,} problems, {asked:,} answers; {len(plain):,} plain samples; {ROUNDS} rounds")
    for name in wall:
        print(f"  {name:8} {statistics.median(wall[name]):7.1f} s, {statistics.median(cpu[name]):7.1f} s of processor")
    for what, times in (("wall", wall), ("processor", cpu)):
        ratio = statistics.median(b / a for a, b in zip(times["plain"], times["sustain"], strict=True))
        print(f"  {what} time: {ratio:.2f} times Inspect's own (at most {MOST})")


if __name__ == "__main__":
    main()
