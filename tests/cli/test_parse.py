"""`adhere parse` and `adhere check-prompts`: what is read, what is not, and prompts that disagree with their list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adhere.cli import run


def test_what_was_not_understood_is_said_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "reading.json"
    text = "Use at most 50 words. Each stanza has four lines."
    assert run(["parse", text, "--json", str(out)]) == 0
    reading = json.loads(out.read_text())
    assert [one["constraints"] for one in reading["understood"]] == [[{"kind": "length.words", "at_most": 50}]]
    (missed,) = reading["not_understood"]
    assert text[missed["start"] : missed["end"]] == missed["text"]
    assert "Use at most 50 words." in capsys.readouterr().out


def test_a_language_without_a_word_list_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["parse", "x", "--language", "tlh"]) == 2
    assert "tlh" in capsys.readouterr().err


def test_prompts_whose_words_and_list_disagree_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        ("fewer", "Write a poem of at least 400 words.", {"kind": "length.words", "at_least": 336}),
        ("opposite", "Use the letter o at least 6 times.", {"kind": "contains.letter", "letter": "o", "at_most": 5}),
        ("several", "Include several bullet points.", {"kind": "format.bullets", "exactly": 1}),
        ("right", "Use at most 50 words.", {"kind": "length.words", "at_most": 50}),
        ("silent", "Write a poem.", {"kind": "length.words", "at_most": 50}),
    ]
    file = tmp_path / "prompts.jsonl"
    file.write_text(
        "".join(json.dumps({"key": key, "prompt": text, "constraints": [one]}) + "\n" for key, text, one in rows)
    )
    assert run(["check-prompts", str(file)]) == 1
    shown = capsys.readouterr().out
    assert "3 of 5 prompts" in shown
    assert "right" not in shown
