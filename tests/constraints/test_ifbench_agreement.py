"""Agreement with the published verdicts on IFBench's 290 responses, strict and loose."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from adhere.constraints.benchmarks.ifbench import IDS, from_ifbench
from adhere.constraints.benchmarks.loose import Loosened, loose, strict

ANOTHER_VERSION = {("ratio:sentence_type", "strict"), ("ratio:sentence_type", "loose")}
"""One response: the published verdict is that of an older checker. Today's checker says what ours says."""


def test_the_reference_profile_agrees_with_every_published_verdict_but_two(shared_data: Path) -> None:
    with (shared_data / "ifbench" / "IFBench_test.jsonl").open(encoding="utf-8") as file:
        prompts = {prompt["key"]: prompt for prompt in map(json.loads, file)}
    with gzip.open(shared_data / "ifbench" / "responses.jsonl.gz", "rt", encoding="utf-8") as file:
        responses = [json.loads(line) for line in file]

    seen, compared, others = set(), 0, []
    for response in responses:
        prompt = prompts[response["key"]]
        answer = Loosened(response["response"])
        for n, (instruction, kwargs) in enumerate(zip(prompt["instruction_id_list"], prompt["kwargs"], strict=True)):
            constraint = from_ifbench(instruction, kwargs, "reference")
            seen.add(instruction)
            for way, check in (("strict", strict), ("loose", loose)):
                published = response[way][n]
                if published is not None:
                    compared += 1
                    if check(constraint, answer).met is not published:
                        others.append((instruction, way))
    assert compared == 662
    assert len(seen) == 56
    assert set(others) == ANOTHER_VERSION
    assert 1 - len(others) / compared >= 0.99


def test_every_instruction_of_the_data_set_is_known_in_both_profiles(shared_data: Path) -> None:
    known = set()
    with (shared_data / "ifbench" / "IFBench_test.jsonl").open(encoding="utf-8") as file:
        for prompt in map(json.loads, file):
            for instruction, kwargs in zip(prompt["instruction_id_list"], prompt["kwargs"], strict=True):
                known.add(instruction)
                assert from_ifbench(instruction, kwargs).profile == "fixed"
                assert from_ifbench(instruction, kwargs, "reference").profile == "reference"
    assert known == set(IDS)
