"""What continuous integration reads: JUnit XML, a Markdown summary, and the action that calls us."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from adhere.api import ci
from adhere.api.score import score
from adhere.cli import run

HOSTILE = "a|b`<script>]]>\x1b[31m\ufffe\u202e&*[x](http://e.vil)"


@pytest.fixture
def responses(tmp_path: Path) -> Path:
    lines = [
        {
            "key": f"{HOSTILE}{number}",
            "model": HOSTILE,
            "prompt": "p",
            "response": "one two" if number % 2 else "one",
            "constraints": [{"kind": "length.words", "at_most": 1}],
        }
        for number in range(4)
    ]
    path = tmp_path / "responses.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_junit_has_a_case_for_each_response_and_the_reason_of_each_failure(responses: Path, tmp_path: Path) -> None:
    junit, summary = tmp_path / "junit.xml", tmp_path / "summary.md"
    assert run(["score", str(responses), "--junit", str(junit), "--summary", str(summary), "--fail-under", "0.9"]) == 1
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("4", "2")
    failures = suite.findall("testcase/failure")
    assert len(failures) == 2
    assert "2 words; at most 1 word wanted" in (failures[0].get("message") or "")
    assert suite[0].get("line") == "2"
    text = summary.read_text()
    assert "50.0%" in text
    assert "2 words; at most 1 word wanted" in text
    assert "<script>" not in text
    assert "\x1b" not in text
    assert "[x](http" not in text
    rows = [line for line in text.splitlines() if line.startswith("| a")]
    assert all(line.replace("\\|", "").count("|") == 6 for line in rows)


def test_the_action_scores_and_fails_the_job(responses: Path, tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    action = yaml.safe_load((Path(__file__).parents[2] / "action.yml").read_text())
    script = action["runs"]["steps"][1]["run"].replace("adhere score", f"{sys.executable} -m adhere score")
    environment = {**os.environ, "FILES": str(responses), "PROMPTS": "", "FAIL_UNDER": "0.9", "JUNIT": "junit.xml"}
    environment["GITHUB_STEP_SUMMARY"] = str(tmp_path / "step.md")
    done = subprocess.run(
        ["bash", "-ec", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "under 90.0%" in done.stderr
    assert (tmp_path / "junit.xml").is_file()
    assert "Instructions followed" in (tmp_path / "step.md").read_text()


def test_sarif_has_a_result_at_the_line_of_each_failure(tmp_path: Path) -> None:
    rows = [
        {"prompt": "p", "response": "By the sea.", "constraints": [{"kind": "excludes.terms", "terms": ["sea"]}]},
        {"prompt": "q", "response": "By the lake.", "constraints": [{"kind": "excludes.terms", "terms": ["sea"]}]},
    ]
    (tmp_path / "a b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    log = json.loads(ci.sarif(score(tmp_path / "a b.jsonl")))
    (logged,) = log["runs"]
    (result,) = logged["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 1}
    assert place["artifactLocation"]["uri"].endswith("a%20b.jsonl")
    assert logged["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "excludes.terms"
