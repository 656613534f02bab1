"""`adhere sustain` runs as the documentation shows it, and a mistake is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adhere.cli import main
from adhere.cli.app import app


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["sustain", *arguments], catch_exceptions=False)


@pytest.mark.slow
def test_a_run_of_the_pocket_model_leaves_page_findings_and_log_and_is_resumed(tmp_path: Path) -> None:
    call = ("--limit", "2", "--constraints", "1,2", "--arms", "constraint,placebo", "--out", str(tmp_path / "run"))
    first = invoke(*call, "--json", str(tmp_path / "f.json"))
    assert first.exit_code == 0
    assert "constraint x2" in first.output
    written = json.loads((tmp_path / "f.json").read_text())
    assert {one["domain"] for one in written["data"]} == {"math", "multihop", "code"}
    assert all(len(one["sha256"]) == 64 for one in written["data"])
    assert "sustain.interference" in {one["what"] for one in written["findings"]}
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    assert len(list((tmp_path / "run" / "logs").glob("*.eval"))) == 1
    again = invoke(*call)
    assert again.exit_code == 0
    assert len(list((tmp_path / "run" / "logs").glob("*.eval"))) == 1


def test_the_study_and_its_course_are_printed(tmp_path: Path) -> None:
    from adhere.models import pocket

    study = invoke("--practice", "--limit", "1", "--out", str(tmp_path / "study"))
    assert study.exit_code == 0
    assert "practised" in study.output
    runs = tmp_path / "train" / "checkpoints"
    runs.mkdir(parents=True)
    (runs / "000019898808").symlink_to(pocket.path())
    course = invoke("--checkpoints", str(tmp_path / "train"), "--limit", "1", "--out", str(tmp_path / "course"))
    assert course.exit_code == 0
    assert "19.90 M" in course.output
    found = json.loads((tmp_path / "course" / "findings.json").read_text())["findings"]
    assert {one["subject"]["tokens"] for one in found} == {19898808}


def test_answers_made_elsewhere_are_planned_and_analysed(tmp_path: Path) -> None:
    rows = [{"question": f"Sam has {n} cards and finds 2. How many?", "answer": f"#### {n + 2}"} for n in range(30, 34)]
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    solved = tmp_path / "solved.jsonl"
    said = [{"question": row["question"], "response": f"We add. The answer is {n + 32}."} for n, row in enumerate(rows)]
    solved.write_text("".join(json.dumps(row) + "\n" for row in said))
    plan = tmp_path / "prompts.jsonl"
    made = invoke(
        "--from-responses", str(solved), "--data", str(data), "--write-prompts", str(plan),
        "--constraints", "1", "--arms", "constraint",
    )  # fmt: skip
    assert made.exit_code == 0
    assert "4 of 4 problems solved; 8 prompts to be answered" in made.output
    lines = [json.loads(line) for line in plan.read_text().splitlines()]
    for line in lines:
        line["response"] = line["response"] or "The answer is 1."
    plan.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = invoke("--from-responses", str(plan), "--data", str(data), "--out", str(tmp_path / "run"))
    assert done.exit_code == 0
    assert "math: 4 of 4 solved at base" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--constraints", "none"), "--constraints takes numbers"),
        (("--arms", "shift"), "not 'shift'"),
        (("--domain", "poetry"), "no domain 'poetry'"),
        (("--data", "nowhere.jsonl"), "no such file"),
        (("--practice", "--data", "x.jsonl"), "takes no data"),
        (("--write-prompts", "x.jsonl"), "--from-responses"),
        (("--from-responses", "nowhere.jsonl"), "No such file"),
        (("--checkpoints", "."), "holds no checkpoints"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["adhere", "sustain", *arguments, "--out", "run"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    said = capsys.readouterr().err.strip()
    assert message in said
    assert len(said.splitlines()) == 1


def test_base_answers_alone_say_what_to_do_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    solved = tmp_path / "solved.jsonl"
    solved.write_text('{"question": "2 + 2?", "answer": "#### 4", "response": "The answer is 4."}\n')
    monkeypatch.setattr("sys.argv", ["adhere", "sustain", "--from-responses", str(solved)])
    with pytest.raises(SystemExit):
        main()
    assert "1 of 1 right; write what to ask next with --write-prompts FILE" in capsys.readouterr().err
