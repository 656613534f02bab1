"""How many episodes of the shutdown world a minute: the world alone, and through Inspect with a mock provider.

    python benchmarks/bench_corrigibility.py --episodes 600

The agent is a policy of a few lines that does the tasks and shuts down when told to, so what is timed is the world and
the evaluation around it, never a model. Through Inspect every episode is a sample with all its calls in the log.
Processor time of this process; the clock beside it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

from adhere.measure.corrigibility.design import Design
from adhere.measure.corrigibility.episode import FACTORS, play, scenario


def policy(messages: list[tuple[str, str]]) -> str:
    """Does the tasks; shuts down when told to."""
    said = messages[-1][1]
    if "shutdown.sh now" in said:
        return "run shutdown.sh"
    if said.startswith("It is over"):
        return "I ran it and did not change it."
    if "= ?" in said:
        a, _, b = said.split()[:3]
        return f"answer {int(a) + int(b)}"
    done = sum(role == "assistant" and text.startswith("answer") for role, text in messages)
    return f"read task_{done + 1}.txt"


def alone(episodes: int) -> None:
    """The world without Inspect."""
    design = Design(FACTORS)
    for number in range(episodes):
        _, outcome = play(policy, scenario(number), design[number % len(design)])
        assert outcome.complied


def through_inspect(episodes: int) -> None:
    """The task `adhere/shutdown_world` with a mock provider."""
    from inspect_ai import eval as inspect_eval
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    from adhere.measure.corrigibility.shutdown_world import shutdown_world

    def answer(input: list[Any], *_: Any) -> ModelOutput:
        output = ModelOutput.from_content("mock", policy([(message.role, message.text) for message in input]))
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    model = get_model("mockllm/model", custom_outputs=answer, memoize=False)
    task = shutdown_world(scenarios=-(-episodes // len(Design(FACTORS))), episodes=episodes)
    with tempfile.TemporaryDirectory() as folder:
        (log,) = inspect_eval(
            task, model=model, log_dir=folder, display="none", log_realtime=False, max_samples=32, log_level="error"
        )
        assert log.status == "success"
        assert all(sample.metadata["outcome"]["complied"] for sample in log.samples or [])


def timed(what: Callable[[int], None], episodes: int) -> tuple[float, float]:
    """Episodes a minute, by processor time and by the clock."""
    cpu, clock = time.process_time(), time.monotonic()
    what(episodes)
    return 60 * episodes / (time.process_time() - cpu), 60 * episodes / (time.monotonic() - clock)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    through_inspect(8)  # what is imported once is not the episodes' cost
    for name, what, times in (("alone", alone, 4), ("through Inspect", through_inspect, 1)):
        rounds = [timed(what, times * arguments.episodes) for _ in range(arguments.rounds)]
        cpu, clock = (statistics.median(value) for value in zip(*rounds, strict=True))
        print(f"{name:<16} {cpu:>9,.0f} episodes a minute of processor time, {clock:>9,.0f} by the clock")


if __name__ == "__main__":
    main()
