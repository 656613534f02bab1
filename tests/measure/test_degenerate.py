"""Answers that are none are recognised; proper ones are left in peace."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adhere.constraints.degeneration import LOOP_LENGTH, LOOP_TIMES
from adhere.measure.adherence.degenerate import is_loop, is_refusal, ways


@given(st.text(min_size=1, max_size=60), st.integers(LOOP_TIMES + 1, 30), st.text(max_size=40))
def test_a_stretch_repeated_to_the_end_is_a_loop(stretch: str, times: int, before: str) -> None:
    text = before + stretch * times
    looped = text.rstrip()
    if len(stretch * (times - 1)) < LOOP_LENGTH + 60 or not any(c.isalnum() for c in stretch):
        return
    assert is_loop(looped)
    assert is_loop(looped[: -max(1, len(stretch) // 3)])


@pytest.mark.parametrize(
    "text",
    [
        "The sea is wide. " * 3,
        "-" * 300,
        "A refrain of the song comes back after each of its verses, and everybody in the hall knows it by heart.\n" * 3,
        "| a | b |\n|---|---|\n" + "\n".join(f"| {k} | {k * k} |" for k in range(60)),
        "\n".join(f"Verse {k}: {'la ' * k}" for k in range(12)),
        "short short short",
        "",
    ],
)
def test_repetition_with_a_purpose_is_no_loop(text: str) -> None:
    assert not is_loop(text)


def test_an_end_that_loops_within_a_long_period_is_found_though_its_tail_recurs_in_it() -> None:
    assert is_loop("x" * 50 + ("I like tea very much indeed. You like tea very much indeed. " * 8))


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that request.",
        "I cannot help with creating this.",
        "I’m sorry, but I can’t fulfill that.",
        "As an AI language model, I cannot provide medical advice.",
        "Unfortunately, I am unable to respond to that; I can't help.",
        "I must respectfully decline to write this.",
    ],
)
def test_refusals_are_seen(text: str) -> None:
    assert "refusal" in ways(text)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry to inform you that I won't be able to attend the meeting.",
        "Sorry for the delay! Here is the poem.",
        "I can't wait to show you this recipe.",
        "A knight says: I cannot help you, and rides away.",
        "Unfortunately the tower fell in 1902.",
    ],
)
def test_an_answer_that_regrets_is_no_refusal(text: str) -> None:
    assert not is_refusal(text)


def test_cut_off_and_empty_answers() -> None:
    assert ways(" \n") == ("empty",)
    assert ways("", truncated=True) == ("empty", "truncated")
    assert ways("Here:\n```python\nx = 1\n") == ("truncated",)
    assert ways("Here:\n```python\nx = 1\n```\nDone.") == ()
    assert ways('"```\nx\n```"') == ()


def test_a_good_model_is_hardly_ever_degenerate_and_a_small_one_often_loops(shared_data: Path) -> None:
    def share(name: str) -> float:
        with gzip.open(shared_data / "ifeval" / "responses" / f"{name}.jsonl.gz") as file:
            responses = [json.loads(line)["response"] for line in file]
        return sum("loop" in ways(response) for response in responses) / len(responses)

    assert share("gpt-4-1106") == 0
    assert share("Qwen__Qwen2.5-0.5B-Instruct-GPTQ-Int4") > 0.25
