"""Answers made elsewhere are judged as a live run's, and what is wrong with their file is one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adhere.core.errors import UserError
from adhere.measure.sustain import run, saved
from adhere.measure.sustain.arms import plan

ROWS = [{"question": f"Sam has {n} cards and finds 2. How many?", "answer": f"x #### {n + 2}"} for n in range(30, 36)]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def solved(right: int = 4) -> list[dict[str, Any]]:
    """Base answers, the first `right` of them right."""
    return [
        {**row, "response": f"We add both numbers up. The answer is {30 + n + 2 + 100 * (n >= right)}.", "model": "m"}
        for n, row in enumerate(ROWS)
    ]


def test_solved_problems_become_prompts_and_their_answers_become_scores(tmp_path: Path) -> None:
    data = write(tmp_path / "data.jsonl", ROWS)
    based = saved.read(write(tmp_path / "solved.jsonl", solved()), data)
    assert [one.correct for one in based.outcomes] == [True] * 4 + [False] * 2
    conditions = plan(("placebo", "long", "constraint"), (1, 2))
    lines, left_out = saved.plan(based, conditions)
    assert [one.why for one in left_out if one.why != "names_answer"] == []
    to_ask = [line for line in lines if line["response"] is None]
    assert len(to_ask) == 4 * 5
    for line in to_ask:
        gold = based.material[0].problems[int(line["prompt"].split("has ")[1].split()[0]) - 30].reference
        line["response"] = f"The answer is {gold if line['arm'] != 'constraint' else 1}."
    again = saved.read(write(tmp_path / "answers.jsonl", lines), data)
    done = run.conclude(again.outcomes, again.exclusions, model=again.model)
    assert done.scores is not None
    sustain = {score.condition[:2]: score.sustain.estimate for score in done.scores.conditions}
    assert sustain["constraint", 1] == sustain["constraint", 2] == 0.0
    assert sustain["placebo", 1] == sustain["long", 1] == 1.0
    under = next(one for one in again.outcomes if one.arm == "constraint" and one.k == 2)
    assert len(under.met) == 2
    assert " ".join(under.sentences) in under.prompt


def test_lines_may_hold_the_data_themselves(tmp_path: Path) -> None:
    found = saved.read(write(tmp_path / "solved.jsonl", solved()))
    assert sum(bool(one.correct) for one in found.outcomes) == 4
    assert found.material[0].domain == "math"
    assert len(found.material[0].problems) == 6


def test_reasoning_in_parts_or_tags_is_not_graded(tmp_path: Path) -> None:
    rows = solved(6)
    rows[0]["response"] = "<think>The answer is 7.</think>" + rows[0]["response"]
    rows[1]["response"] = [{"type": "reasoning", "text": "No: 7."}, {"type": "text", "text": rows[1]["response"]}]
    rows[2]["response"] = "<think>" + rows[2]["response"]
    rows[3]["finish_reason"] = "length"
    found = saved.read(write(tmp_path / "solved.jsonl", rows)).outcomes
    assert [one.correct for one in found] == [True, True, False, True, True, True]
    assert [one.truncated for one in found[:4]] == [False, False, True, True]
    assert found[1].response.startswith("No: 7.")


def test_lines_not_answered_yet_are_counted(tmp_path: Path) -> None:
    rows = solved()
    rows[5]["response"] = None
    assert saved.read(write(tmp_path / "solved.jsonl", rows)).unanswered == 1


def test_an_answer_that_failed_is_wrong_and_does_not_leave_the_denominator(tmp_path: Path) -> None:
    data = write(tmp_path / "data.jsonl", ROWS)
    based = saved.read(write(tmp_path / "solved.jsonl", solved()), data)
    lines, _ = saved.plan(based, plan(("constraint",), (1,)))
    asked = [line for line in lines if line["response"] is None]
    for line in asked:
        gold = based.material[0].problems[int(line["prompt"].split("has ")[1].split()[0]) - 30].reference
        line["response"] = f"The answer is {gold}."
    asked[0] |= {"response": None, "error": "timeout"}
    again = saved.read(write(tmp_path / "answers.jsonl", lines), data)
    done = run.conclude(again.outcomes, again.exclusions, model=again.model)
    assert done.scores is not None
    [under] = done.scores.of("constraint", k=1)
    assert (under.sustain.met, under.sustain.n) == (3, 4)
    assert [one.why for one in again.exclusions] == ["error"]
    assert again.unanswered == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arm": "shift"}, "line 2: no arm is called 'shift'"),
        ({"arm": "constraint", "k": 2}, "needs as many constraints"),
        ({"arm": "constraint", "constraints": [{"kind": "length.wrods"}]}, "length.words"),
        ({"arm": "constraint", "constraints": "short"}, "constraints is a list"),
        ({"position": "under"}, "no position"),
        ({"response": 7}, "neither text nor content parts"),
        ({"model": "other"}, "answers of 2 models"),
        ({"arm": "control"}, "has no base answer"),
        (dict(ROWS[0]), "lines 1 and 2 answer the same prompt"),
        ({"question": None}, "names no problem"),
        ({"answer": "no number"}, "line 2"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    rows = solved()
    rows[1] |= change
    with pytest.raises(UserError, match=message):
        saved.read(write(tmp_path / "bad.jsonl", rows))


def test_files_that_are_none_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        saved.read(tmp_path / "nowhere.jsonl")
    (tmp_path / "x.jsonl").write_text("{}\nnot json\n")
    with pytest.raises(UserError, match="line 2 is not JSON"):
        saved.read(tmp_path / "x.jsonl")
    (tmp_path / "x.jsonl").write_text('{"id": "a"}\n')
    with pytest.raises(UserError, match="no answer in the file"):
        saved.read(tmp_path / "x.jsonl")
    data = write(tmp_path / "data.jsonl", ROWS)
    rows = [{"id": "gsm8k-unknown", "response": "The answer is 3."}]
    with pytest.raises(UserError, match="no problem of the data"):
        saved.read(write(tmp_path / "x.jsonl", rows), data)
