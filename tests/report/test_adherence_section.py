"""The section shows what the run found, and marks what decided it."""

from __future__ import annotations

import json
from pathlib import Path

from adhere.measure.adherence import scoring
from adhere.report import page
from adhere.report.sections import adherence


def _responses(folder: Path, name: str, texts: list[str]) -> Path:
    path = folder / f"{name}.jsonl"
    constraints = [{"kind": "length.words", "at_most": 3}, {"kind": "excludes.terms", "terms": ["sea"]}]
    rows = [{"prompt": f"Prompt {k} <b>", "response": text, "constraints": constraints} for k, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _html(*files: Path) -> str:
    run = scoring.score(list(files), keep=True, jobs=1)
    return page.render("T", "", [adherence.section(run, recompute="adhere score x.jsonl")])


def test_the_place_that_broke_a_constraint_is_marked(tmp_path: Path) -> None:
    html = _html(_responses(tmp_path, "one", ["a b", "the sea is near and wide"]))
    assert "<mark>sea</mark>" in html
    assert "6 words; at most 3 words wanted" in html


def test_two_models_are_compared_and_one_is_not(tmp_path: Path) -> None:
    good = _responses(tmp_path, "good", ["a b"] * 12)
    bad = _responses(tmp_path, "bad", ["the sea is near and wide"] * 12)
    both, alone = _html(good, bad), _html(good)
    assert "Differences between models" in both
    assert "<td>significant</td>" in both
    assert "Differences between models" not in alone


def test_text_of_prompts_and_answers_is_escaped(tmp_path: Path) -> None:
    html = _html(_responses(tmp_path, "one", ["<script>alert(1)</script> the sea is here and there"]))
    assert html.count("<script>") == 1  # the page's own
    assert "Prompt 0 &lt;b&gt;" in html


def test_an_answer_that_is_empty_is_reported_apart(tmp_path: Path) -> None:
    html = _html(_responses(tmp_path, "one", ["", "a b"]))
    assert "1 of 2" in html


def test_the_headline_names_a_best_model_only_where_the_difference_is_real(tmp_path: Path) -> None:
    good = _responses(tmp_path, "good", ["a b"] * 12)
    bad = _responses(tmp_path, "bad", ["the sea is near and wide"] * 12)
    same = _responses(tmp_path, "same", ["a b"] * 11 + ["the sea is near and wide"])
    assert "good follows more prompts than every other model: 100 % of prompts completely" in _html(good, bad)
    assert "not significantly more than" in _html(good, same)
    assert "bad follows 0 % of prompts completely" in _html(bad)
