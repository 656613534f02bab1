"""The command line in pipes and scripts: standard input and output, quiet, colour, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LINES = "".join(
    json.dumps(
        {
            "key": str(number),
            "model": "an-organisation/a-model-with-a-long-name-7b-instruct",
            "prompt": "p",
            "response": "one two three" if number % 2 else "one",
            "constraints": [{"kind": "length.words", "at_most": 2}],
        }
    )
    + "\n"
    for number in range(6)
)


def adhere(*args: str, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    environment.update(options.pop("env", {}))  # type: ignore[call-overload]
    command = [sys.executable, "-m", "adhere", *args]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, **options)  # type: ignore[call-overload]


def test_responses_come_in_and_findings_go_out_through_pipes_and_nothing_else_does() -> None:
    done = adhere("score", "-", "--json", "-", input=LINES)
    assert done.returncode == 0, done.stderr
    findings = json.loads(done.stdout)["findings"]
    assert any(one["what"] == "adherence.prompt.strict" and one["estimate"] == 0.5 for one in findings)
    assert "a-model-with-a-long-name-7b-instruct" in done.stderr


def test_process_substitution_works_on_both_sides(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text(LINES)
    script = f"{sys.executable} -m adhere score <(cat r.jsonl) --json >(cat > out.json) --quiet; sleep 0.3"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out.json").read_text())["findings"]
    assert sorted(os.listdir(tmp_path)) == ["out.json", "r.jsonl"]


def test_one_side_of_a_comparison_may_be_standard_input(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(LINES)
    done = adhere("compare", "a.jsonl", "-", "--json", "-", input=LINES, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["findings"]
    twice = adhere("compare", "-", "-", input=LINES)
    assert (twice.returncode, twice.stderr) == (2, "adhere: standard input (-) can be read only once\n")


def test_quiet_prints_errors_only_and_still_writes_files(tmp_path: Path) -> None:
    done = adhere("score", "-", "--json", "out.json", "--quiet", input=LINES, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "out.json").is_file()
    assert adhere("score", "nowhere", "-q", cwd=tmp_path).stderr.startswith("adhere: ")


def test_without_a_terminal_there_are_120_columns_and_no_colour() -> None:
    done = adhere("score", "-", input=LINES, env={"NO_COLOR": "1"})
    assert "\x1b" not in done.stdout
    assert 80 < max(map(len, done.stdout.splitlines())) <= 120


@pytest.mark.parametrize("columns", ["40", "60", "80"])
def test_names_of_models_survive_narrow_terminals(columns: str) -> None:
    done = adhere("score", "-", input=LINES, env={"COLUMNS": columns})
    assert "a-model-with-a-long-name-7b-instruct" in "".join(done.stdout.split())
    assert "50.0" in done.stdout


def test_the_first_failures_are_shown_with_line_kind_and_reason() -> None:
    shown = adhere("score", "-", input=LINES).stdout
    assert "tmp" not in shown
    assert "length.words  3 words; at most 2 words wanted" in shown


def test_a_reader_that_leaves_ends_the_command_without_a_traceback() -> None:
    script = f"{sys.executable} -m adhere constraints | head -1 >/dev/null; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("141", "")


def test_an_old_name_of_an_option_works_and_says_so(tmp_path: Path) -> None:
    done = adhere("sustain", "--from-responses", "nowhere.jsonl", "--plan", "x.jsonl", cwd=tmp_path)
    assert done.returncode == 2
    notice, error = done.stderr.splitlines()
    assert notice == "adhere: --plan is now --write-prompts; the old name will be removed"
    assert error.startswith("adhere: nowhere.jsonl")


def test_a_console_that_cannot_show_a_character_does_not_lose_the_work(tmp_path: Path) -> None:
    done = adhere(
        "score", "-", input=LINES.replace("instruct", "größe—日本"), env={"PYTHONIOENCODING": "ascii"}, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
