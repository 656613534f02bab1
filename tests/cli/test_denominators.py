"""Through every command that reads saved answers: an answer that failed lowers the rate, and is named apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adhere.cli.app import app

SHORT = [{"kind": "length.words", "at_most": 3}]
FAILURES = [{"response": None}, {"response": None, "error": "timeout"}, {}]


def answers(path: Path, failed: dict[str, Any] | None = None) -> Path:
    rows = [{"id": k, "prompt": f"Prompt {k}.", "constraints": SHORT, "response": "one two"} for k in range(4)]
    if failed is not None:
        rows.append({"id": 4, "prompt": "Prompt 4.", "constraints": SHORT, **failed})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def findings(path: Path, what: str, **subject: Any) -> list[dict[str, Any]]:
    entries = json.loads(path.read_text())["findings"]
    return [one for one in entries if one["what"] == what and subject.items() <= one["subject"].items()]


def adhere(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    return done.exit_code, done.output


@pytest.mark.parametrize("failed", FAILURES)
def test_score_and_its_gate_count_it(tmp_path: Path, failed: dict[str, Any]) -> None:
    path = answers(tmp_path / "m.jsonl", failed)
    code, output = adhere("score", path, "--skip-bad", "--json", tmp_path / "f.json")
    [whole] = findings(tmp_path / "f.json", "adherence.prompt.strict", profile="fixed")
    assert (whole["estimate"], whole["n"]) == (0.8, 5)
    assert "1 of 5 answers are missing" in output
    assert code in (0, 1)
    assert adhere("score", path, "--skip-bad", "--fail-under", "0.81")[0] == 1
    assert adhere("score", path, "--skip-bad", "--fail-under", "0.8")[0] in (0, 1)


@pytest.mark.parametrize("failed", FAILURES)
def test_compare_counts_it(tmp_path: Path, failed: dict[str, Any]) -> None:
    good = answers(tmp_path / "a.jsonl", {"response": "one two"})
    adhere("compare", good, answers(tmp_path / "b.jsonl", failed), "--skip-bad", "--json", tmp_path / "f.json")
    differences = findings(tmp_path / "f.json", "adherence.difference")
    assert {one["n"] for one in differences} == {5}
    assert all(abs(one["estimate"]) == pytest.approx(0.2) for one in differences)


def test_sustain_counts_it(tmp_path: Path) -> None:
    rows = []
    for n in range(30, 34):
        known = {"question": f"Sam has {n} cards and finds 2. How many?", "answer": f"x #### {n + 2}", "model": "m"}
        right = f"The answer is {n + 2}."
        rows.append({**known, "response": right})
        lost = {"response": None, "error": "timeout"} if n == 30 else {"response": right}
        rows.append({**known, "arm": "constraint", "k": 1, "constraints": SHORT, "prompt": "...", **lost})
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, output = adhere("sustain", "--from-responses", path, "--json", tmp_path / "f.json", "--out", tmp_path / "run")
    assert code == 0, output
    scores = findings(tmp_path / "f.json", "sustain.score", arm="constraint", k=1)
    assert {(one["estimate"], one["n"]) for one in scores} == {(0.75, 4)}
    assert findings(tmp_path / "f.json", "sustain.excluded", why="error")
