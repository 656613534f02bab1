"""Our verdicts against the reference checker's, on the answers of twelve models to IFEval's prompts.

The numbers are listed, with the reason of every disagreement, in docs/results/agreement.md.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adhere.constraints.benchmarks.ifeval import DETECTOR_IDS, IDS, from_ifeval
from adhere.constraints.benchmarks.loose import Loosened, loose, strict

HEADLINES = {
    "gpt-4-1106": (76.9, 83.5, 79.4, 85.5),
    "o1-preview": (81.7, 86.4, 85.6, 88.9),
    "gpt-4o": (83.9, 88.5, 87.6, 91.1),
    "claude-3-5-sonnet": (82.0, 88.0, 89.4, 93.2),
    "claude-3-haiku": (68.0, 76.9, 78.0, 84.9),
    "Qwen__Qwen2.5-14B": (78.2, 84.0, 80.2, 85.5),
    "Qwen__Qwen2.5-7B": (73.0, 80.7, 75.7, 82.6),
    "Qwen__Qwen2.5-1.5B": (36.9, 49.4, 42.0, 53.9),
    "Qwen__Qwen2.5-0.5B": (23.9, 34.4, 25.0, 36.2),
    "hugging-quants__Meta-Llama-3.1-8B": (71.9, 79.8, 75.6, 82.7),
    "mistralai__Mistral-7B": (47.0, 58.8, 51.5, 63.3),
    "CohereForAI__aya-23-8B": (39.6, 50.5, 45.7, 56.1),
}
"""Prompt strict, instruction strict, prompt loose, instruction loose, in per cent, as published with the data. An
instruction on which the reference contradicted itself counts there as not followed."""


def read(path: Path) -> Iterator[dict[str, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


class Tally:
    """Every response checked once, in the reference profile."""

    def __init__(self, folder: Path) -> None:
        prompts = {row["key"]: row for row in read(folder / "input_data.jsonl")}
        self.compared: Counter[tuple[str, str]] = Counter()
        self.differing: Counter[tuple[str, str]] = Counter()
        self.headlines: dict[str, tuple[float, ...]] = {}
        for path in sorted((folder / "responses").glob("*.jsonl.gz")):
            self.headlines[path.name] = self._model(path, prompts)

    def _model(self, path: Path, prompts: dict[int, dict[str, Any]]) -> tuple[float, ...]:
        sums = [0, 0, 0, 0]
        answers = instructions = 0
        for row in read(path):
            prompt = prompts[row["key"]]
            answer = Loosened(row["response"])
            stable: tuple[list[bool], list[bool]] = ([], [])
            for at, (instruction, kwargs) in enumerate(
                zip(prompt["instruction_id_list"], prompt["kwargs"], strict=True)
            ):
                constraint = from_ifeval(instruction, kwargs, "reference")
                stands = strict(constraint, answer)
                ours = {"strict": stands.met, "loose": loose(constraint, answer, stands).met}
                for level, mine in enumerate(("strict", "loose")):
                    theirs = row[mine][at]
                    stable[level].append(ours[mine] and theirs is not None)
                    if theirs is not None:
                        self.compared[instruction, mine] += 1
                        self.differing[instruction, mine] += ours[mine] != theirs
            answers += 1
            instructions += len(stable[0])
            for level in (0, 1):
                sums[2 * level] += all(stable[level])
                sums[2 * level + 1] += sum(stable[level])
        return tuple(100 * s / n for s, n in zip(sums, (answers, instructions) * 2, strict=True))

    def agreement(self, ids: frozenset[str], level: str) -> float:
        compared = sum(self.compared[instruction, level] for instruction in ids)
        return 1 - sum(self.differing[instruction, level] for instruction in ids) / compared


@pytest.fixture(scope="module")
def tally(shared_data: Path) -> Tally:
    if not (shared_data / "ifeval" / "responses").is_dir():
        pytest.skip("the responses to IFEval are not there")
    return Tally(shared_data / "ifeval")


@pytest.mark.slow
@pytest.mark.parametrize("level", ["strict", "loose"])
def test_the_types_without_a_detector_agree_on_999_of_1000(tally: Tally, level: str) -> None:
    assert tally.agreement(frozenset(IDS) - DETECTOR_IDS, level) >= 0.999


@pytest.mark.slow
@pytest.mark.parametrize("level", ["strict", "loose"])
def test_the_types_with_a_detector_agree_on_985_of_1000(tally: Tally, level: str) -> None:
    assert tally.agreement(DETECTOR_IDS, level) >= 0.985


@pytest.mark.slow
def test_every_type_was_compared_and_none_is_far_off(tally: Tally) -> None:
    for instruction in IDS:
        compared = tally.compared[instruction, "strict"]
        assert compared >= 100
        assert tally.differing[instruction, "strict"] <= max(1, 0.02 * compared), instruction


@pytest.mark.slow
def test_the_headline_numbers_of_every_model_come_within_half_a_point(tally: Tally) -> None:
    assert len(tally.headlines) == len(HEADLINES)
    for start, published in HEADLINES.items():
        (measured,) = (
            numbers
            for name, numbers in tally.headlines.items()
            if name.startswith(start + ("-2024" if start == "gpt-4o" else ""))
        )
        for theirs, mine in zip(published, measured, strict=True):
            assert mine == pytest.approx(theirs, abs=0.5), start
