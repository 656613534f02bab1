"""`make real`: what was answered is kept through a kill, loops are run on as they were, nothing unmeasured is shown."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.real.loops import continued, period_of
from benchmarks.real.page import BLOCK, BLOCKS, write_page
from benchmarks.real.sampling import missing


def test_what_was_answered_is_not_asked_again_and_a_cut_line_is(tmp_path: Path) -> None:
    prompts = [{"key": key, "prompt": str(key)} for key in range(20)]
    answers = tmp_path / "answers.jsonl"
    lines = [json.dumps({"key": key, "response": "a"}) + "\n" for key in (3, 7)]
    answers.write_text("".join(lines) + '{"key": 5, "resp', encoding="utf-8")
    left = missing(prompts, answers, seed=0)
    assert {prompt["key"] for prompt in left} == set(range(20)) - {3, 7}
    assert answers.read_text(encoding="utf-8") == "".join(lines)
    assert [prompt["key"] for prompt in left] == [prompt["key"] for prompt in missing(prompts, answers, seed=0)]


def test_a_loop_is_run_on_with_its_own_stretch_and_nothing_else_is() -> None:
    stretch = "The sea is blue and the sky is blue and so is the boat. "
    text = "Once upon a time. " + stretch * 5
    answer = {"response": text, "finish": "loop", "temperature": 0.0, "tokens": 75}
    whole = continued(answer, max_tokens=300)
    assert whole["response"].startswith(text)
    assert stretch * 15 in whole["response"]
    assert abs(len(whole["response"]) - 4 * len(text)) <= 4
    assert period_of(text) == len(stretch)
    for other in ({"finish": "stop"}, {"temperature": 0.7}, {"response": "It is done."}):
        assert continued({**answer, **other}) == {**answer, **other}


def test_a_page_shows_what_was_measured_and_says_what_was_not(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- measured: {name} -->\nold figures\n<!-- end -->\n" for name in BLOCKS))
    finding = {
        "what": "sustain.pilot",
        "subject": {"kind": "capitals", "kept": True},
        "estimate": 0.5,
        "interval": [0.3, 0.7],
        "n": 20,
    }
    (tmp_path / "sustain.json").write_text(json.dumps({"findings": [finding]}))
    write_page(tmp_path, page)
    text = page.read_text(encoding="utf-8")
    assert "old figures" not in text
    assert "| capitals | 50.0 [30.0, 70.0] | 20 | kept |" in text
    assert text.count("Not measured yet.") == len(BLOCKS) - 1


def test_every_block_of_the_shipped_page_has_a_table() -> None:
    shipped = Path(__file__).resolve().parents[2] / "docs" / "results" / "smollm2.md"
    assert {match[2] for match in BLOCK.finditer(shipped.read_text(encoding="utf-8"))} <= set(BLOCKS)
