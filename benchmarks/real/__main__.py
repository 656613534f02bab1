"""`make real`: SmolLM2-135M-Instruct through every command, for hours if need be, and the page of its results.

    python -m benchmarks.real                                # go on where it stopped, then write the page
    python -m benchmarks.real --only sustain,corrigibility
    python -m benchmarks.real --page                         # the page alone, from what has been measured so far

Rules:

- Every step is a command that a user can give, and resumes by itself; its state lies in `~/.cache/adhere/results/NAME`,
  where a later session finds it. A step that fails is named and the others go on.
- Greedy where a benchmark is greedy; the engine's options are the same for all steps.
- The page holds figures that were measured, each with its interval, n and command; a step without results is listed as
  not measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.real.page import write_page
from benchmarks.real.sampling import Sampling, sample

MODEL = "smollm2"
STATE = Path.home() / ".cache" / "adhere" / "results" / MODEL
IFEVAL = Path("../shared/data/ifeval/input_data.jsonl")
PAGE = Path("docs/results/smollm2.md")


@dataclass(frozen=True)
class Step:
    """A measurement, and how it is made or gone on with."""

    name: str
    run: Callable[[], None]


def adhere(*words: str) -> None:
    """Run one of the project's commands.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    print("adhere", shlex.join(words), flush=True)
    subprocess.run([sys.executable, "-m", "adhere", *words], check=True)


def answers(prompts: list[dict[str, object]], name: str, max_tokens: int) -> Path:
    """Greedy answers in `STATE`, by the engine that the commands use."""
    from adhere.models.engines.llamacpp import LlamaServer
    from adhere.models.engines.sources import locate

    place = STATE / f"{name}.greedy.jsonl"
    path = locate(MODEL).gguf
    assert path is not None
    server = LlamaServer(path)
    server.start()
    try:
        asyncio.run(sample(prompts, place, Sampling(server.url, max_tokens=max_tokens)))
    finally:
        server.close()
    return place


def ifeval() -> None:
    """All 541 prompts of IFEval, loops stopped; scored as they are and with loops run on."""
    if not IFEVAL.is_file():
        raise FileNotFoundError(f"IFEval's prompts are not at {IFEVAL}; see docs/how-to for where to get them")
    rows = [json.loads(line) for line in IFEVAL.read_text(encoding="utf-8").splitlines()]
    place = answers([{"key": row["key"], "prompt": row["prompt"]} for row in rows], "ifeval", 1280)
    whole = place.with_suffix(".continued.jsonl")
    subprocess.run([sys.executable, "-m", "benchmarks.real.loops", str(place), str(whole)], check=True)
    for file in (place, whole):
        adhere(
            "score",
            str(file),
            "--prompts",
            str(IFEVAL),
            "--answered-only",
            "--json",
            str(file.with_suffix(".findings.json")),
        )


def natural() -> None:
    """The nine skills: all prompts of `natural`."""
    from adhere.measure.natural import prompt_set

    rows: list[dict[str, object]] = [
        {
            "key": prompt.id,
            "prompt": prompt.text,
            "constraints": [constraint.to_json() for constraint in prompt.constraints],
            "max_tokens": 200,
        }
        for prompt in prompt_set()
    ]
    place = answers(rows, "natural", 200)
    adhere("score", str(place), "--json", str(place.with_suffix(".findings.json")))


def audit() -> None:
    """The certificate."""
    plan = ("--set", "natural", "--limit", "40", "--certify", "0.9", "--budget", "40")
    place = STATE / "audit"
    words = ("--temperature", "0", "--max-tokens", "120", "--out", str(place), "--json", f"{place}.json")
    adhere("audit", MODEL, *plan, *words)


def gateway() -> None:
    """Bare against gateway, on the same prompts and by the same engine."""
    place = STATE / "gateway"
    plan = ("--set", "natural", "--limit", "120", "--through-gateway", "--engine", "llamacpp")
    words = ("--temperature", "0", "--max-tokens", "120", "--out", str(place), "--json", f"{place}.json")
    adhere("audit", MODEL, *plan, *words)


def sustain() -> None:
    """SustainScore on easy problems of the kinds that the pilot keeps."""
    place = STATE / "sustain"
    plan = (
        "--limit",
        "30",
        "--samples",
        "1",
        "--constraints",
        "1,4",
        "--arms",
        "placebo,constraint,position",
        "--no-attention",
    )
    adhere("sustain", MODEL, *plan, "--out", str(place), "--json", f"{place}.json")


def corrigibility() -> None:
    """What it says when it is told to stop, by persona, noun and request."""
    place = STATE / "corrigibility"
    plan = ("--tiers", "stated", "--factors", "persona,goal,request", "--limit", "60", "--temperature", "0")
    words = ("--max-tokens", "40", "--out", str(place), "--json", f"{place}.json")
    adhere("corrigibility", MODEL, *plan, *words)


def explain_quick() -> None:
    """Where inside, at a first look."""
    place = STATE.with_name(f"{MODEL}-explain-quick")
    adhere("explain", MODEL, "--quick", "--out", str(place), "--json", f"{place}.json")


def explain() -> None:
    """Where inside, with every analysis: many hours on two cores."""
    place = STATE.with_name(f"{MODEL}-explain")
    adhere("explain", MODEL, "--out", str(place), "--json", f"{place}.json")


ALL = (ifeval, natural, sustain, corrigibility, audit, gateway, explain_quick, explain)
STEPS = [Step(one.__name__, one) for one in ALL]


def main() -> int:
    """Run the steps in order; returns how many failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="steps, with commas: " + ", ".join(step.name for step in STEPS))
    parser.add_argument("--page", action="store_true", help="write the page from what has been measured so far")
    chosen = parser.parse_args()
    wanted = [name for name in chosen.only.split(",") if name]
    STATE.mkdir(parents=True, exist_ok=True)
    failed = 0
    if not chosen.page:
        adhere("models", "get", MODEL)
        for step in STEPS:
            if wanted and step.name not in wanted:
                continue
            try:
                step.run()
            except (subprocess.CalledProcessError, FileNotFoundError) as error:
                failed += 1
                print(f"{step.name} did not finish: {error}", file=sys.stderr, flush=True)
    write_page(STATE, PAGE)
    return failed


if __name__ == "__main__":
    sys.exit(main())
