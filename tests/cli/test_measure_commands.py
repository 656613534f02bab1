"""The installed `adhere`: what it prints, writes and returns."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import adhere

ADHERE = Path(sys.executable).with_name("adhere")
SAMPLES = Path(adhere.__file__).parent / "samples"
CAREFUL, HASTY = SAMPLES / "careful.jsonl", SAMPLES / "hasty.jsonl"


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}
    command = [str(ADHERE), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


@pytest.fixture
def simple(tmp_path: Path) -> Path:
    """Ten responses that need no tokenizer and no language detector: half of them follow."""
    path = tmp_path / "simple.jsonl"
    with path.open("w") as file:
        for k in range(10):
            constraints = [{"kind": "length.words", "at_most": 3}]
            record = {
                "id": k,
                "prompt": "p",
                "constraints": constraints,
                "response": "one two three four"[: 8 + 10 * (k % 2)],
            }
            file.write(json.dumps(record) + "\n")
    return path


def test_the_samples_are_scored_in_both_profiles(tmp_path: Path) -> None:
    done = run(
        "score", *sorted(SAMPLES.glob("*.jsonl")), "--json", tmp_path / "out.json", "--report", tmp_path / "r.html"
    )
    assert done.returncode == 0, done.stderr
    for word in ("careful", "hasty", "thinker", "fixed", "reference", "difference", "Paired differences"):
        assert word in done.stdout
    found = json.loads((tmp_path / "out.json").read_text())["findings"]
    strict = {
        (f["subject"]["model"], f["subject"]["set"], f["subject"]["profile"]): f["estimate"]
        for f in found
        if f["what"] == "adherence.prompt.strict"
    }
    assert strict["careful", "own", "fixed"] > 0.9 > 0.6 > strict["hasty", "own", "fixed"]
    assert strict["hasty", "ifeval", "fixed"] < strict["hasty", "ifeval", "reference"]
    assert {f["what"] for f in found} >= {"degenerate.loop", "degenerate.refusal", "degenerate.truncated"}
    page = (tmp_path / "r.html").read_text()
    assert "careful" in page
    assert "https://" not in page.replace("https://example.org", "")


def test_the_gate_closes_with_one_and_says_who_missed_it(simple: Path) -> None:
    done = run("score", simple, "--fail-under", "0.8")
    assert done.returncode == 1
    assert "simple follows 50.0% of the prompts" in done.stderr
    assert run("score", simple, "--fail-under", "0.5").returncode == 0


def test_a_users_mistake_is_one_line_and_two(tmp_path: Path, simple: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    good = simple.read_text().splitlines()
    bad.write_text(good[0] + "\n{\n" + good[1] + "\n")
    for arguments, expected in (
        (("score", bad), f"{bad}:2: not JSON"),
        (("score", tmp_path / "gone.jsonl"), "gone.jsonl: No such file"),
        (("score", simple, simple), "is given twice"),
        (("score", simple, "--prompts", tmp_path / "gone"), "gone: No such file"),
        (("score", simple, "--resume"), "--resume needs"),
        (("compare", SAMPLES / "ifeval-style.jsonl", simple), "several models: careful, hasty"),
        (("compare", simple, tmp_path / "x.eval"), "with another Inspect log"),
        (("constraints", "length.wrods"), "nearest: length.words"),
    ):
        done = run(*arguments)
        assert done.returncode == 2, arguments
        assert expected in done.stderr
        assert done.stderr.startswith("adhere: ")
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr + done.stdout


def test_what_was_scored_before_a_bad_line_is_shown_and_kept(tmp_path: Path, simple: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    good = simple.read_text().splitlines()
    bad.write_text("\n".join([*good[:5], "{", *good[5:9]]) + "\n")
    done = run("score", bad, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "so far" in done.stdout
    assert "the 5 responses before it are kept" in done.stderr
    done = run("score", bad, "--out", tmp_path / "run", "--skip-bad", "--resume")
    assert done.returncode == 0, done.stderr
    assert "9 responses scored, 5 of them in the earlier run" in done.stdout
    assert "1 row could not be read" in done.stdout
    assert json.loads((tmp_path / "run" / "findings.json").read_text())["bad"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_run_killed_outright_is_resumed(tmp_path: Path, simple: Path) -> None:
    big = tmp_path / "big.jsonl"
    record = json.loads(simple.read_text().splitlines()[0])
    with big.open("w") as file:
        for k in range(6_000):
            file.write(json.dumps({**record, "id": k}) + "\n")
    out = tmp_path / "run"
    process = subprocess.Popen(
        [str(ADHERE), "score", str(big), "--out", str(out), "--jobs", "2"], stderr=subprocess.PIPE
    )
    journal = out / "records.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not journal.exists() or journal.stat().st_size < 100_000):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (out / "findings.json").exists()
    done = run("score", big, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "6,000 responses scored, " in done.stdout
    assert "of them in the earlier run" in done.stdout
    lines = journal.read_text().splitlines()
    assert [json.loads(line)["line"] for line in lines[1:-1]] == list(range(1, 6_001))


def test_two_models_are_compared(tmp_path: Path) -> None:
    done = run("compare", CAREFUL, HASTY, "--json", tmp_path / "c.json")
    assert done.returncode == 0, done.stderr
    assert "A careful · B hasty" in done.stdout
    assert "only careful follows" in done.stdout
    found = json.loads((tmp_path / "c.json").read_text())["findings"]
    assert found[0]["what"] == "adherence.difference"
    assert found[0]["subject"]["real"] is True
    assert found[0]["recompute"].startswith("adhere compare")


def test_every_family_is_listed_with_its_parameters(tmp_path: Path) -> None:
    done = run("constraints", "length", "--json", tmp_path / "c.json")
    assert done.returncode == 0, done.stderr
    assert "length.words" in done.stdout
    assert "Use at most 50 words." in done.stdout
    listed = {entry["kind"]: entry for entry in json.loads((tmp_path / "c.json").read_text())["constraints"]}
    assert listed["length.words"]["decides_early"] is True
    assert listed["length.words"]["skill"] == "word_count"
    assert "at_most" in listed["length.words"]["parameters"]


def test_scoring_imports_nothing_heavy() -> None:
    code = (
        "import sys; from adhere.cli import main; sys.argv = ['adhere', 'score', sys.argv[1]]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = 'torch', 'transformers', 'inspect_ai', 'pandas', 'sklearn', 'scipy.stats'\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(CAREFUL)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
