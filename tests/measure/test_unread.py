"""Nothing that could not be read, or is not there, leaves the denominator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adhere.measure.adherence import run
from adhere.measure.adherence.comparison import compare, one_model, open_run
from adhere.measure.adherence.run import ScoreRun
from adhere.measure.adherence.scoring import score
from adhere.measure.adherence.tally import Subject

TERMS = [{"kind": "contains.terms", "terms": ["sea"]}, {"kind": "length.words", "at_most": 9}]


def row(k: int, response: Any = "the sea", **more: Any) -> dict[str, Any]:
    return {"id": f"p{k}", "prompt": f"Prompt {k}.", "constraints": TERMS, "response": response, **more}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in rows))
    return path


def shares(scored: ScoreRun, model: str = "m") -> tuple[int, int, int, int]:
    """Prompts followed and asked, instructions followed and asked."""
    subject = Subject(model, "own")
    whole, parts = scored.tally.prompts(subject), scored.tally.instructions(subject)
    return int(whole.met), whole.n, int(parts.met), parts.n


@pytest.mark.parametrize(
    "unanswered",
    [
        row(9, None),
        {**row(9), "response": None, "error": "timeout"},
        {**row(9), "responses": []},
        row(9, 17),
        row(9, "a\0b"),
        {key: value for key, value in row(9).items() if key != "response"},
        json.dumps(row(9))[:60],
        '{"id": "p9", "response": "cut o',
        "garbage",
    ],
)
@pytest.mark.parametrize("journal", [False, True])
def test_an_answer_that_is_not_there_counts_as_not_followed(tmp_path: Path, unanswered: Any, journal: bool) -> None:
    if isinstance(unanswered, dict) and "responses" in unanswered:
        unanswered = {key: value for key, value in unanswered.items() if key != "response"}
    path = write(tmp_path / "m.jsonl", row(1), row(2), unanswered, row(3))
    scored = score([path], skip_bad=True, journal=tmp_path / "j" if journal else None)
    again = run.load(tmp_path / "j") if journal else scored
    for one in (scored, again):
        followed, asked, _, _ = shares(one)
        assert (followed, asked) == (3, 4)
        assert sum(one.unanswered(Subject("m", "own")).values()) == 1


def test_an_unreadable_row_asks_for_what_its_prompt_asks_for(tmp_path: Path) -> None:
    """Its instructions are those of the same prompt: in its own fields, in another model's row, in the prompts file."""
    whole = write(tmp_path / "a.jsonl", row(1), row(2))
    damaged = write(tmp_path / "b.jsonl", row(1), json.dumps(row(2))[:40])
    assert shares(score([whole, damaged], skip_bad=True), "b") == (1, 2, 2, 4)
    assert shares(score([write(tmp_path / "c.jsonl", row(1), row(2, 17))], skip_bad=True), "c") == (1, 2, 2, 4)
    prompts = write(tmp_path / "prompts.jsonl", *({**row(k), "response": None} for k in (1, 2)))
    bare = write(tmp_path / "d.jsonl", {"id": "p1", "response": "the sea"}, '{"id": "p2", "resp')
    assert shares(score([bare], prompts=prompts, skip_bad=True), "d") == (1, 2, 2, 4)


def test_a_row_that_was_written_again_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path / "m.jsonl", row(1), json.dumps(row(2))[:50], row(2))
    assert shares(score([path], skip_bad=True)) == (2, 2, 4, 4)


def test_rows_of_a_file_of_several_models_count_for_the_one_they_name_or_are_reported(tmp_path: Path) -> None:
    rows = [row(k, model=model) for k in range(2) for model in ("x", "y")]
    named = '{"model": "x", "id": "p7", "response": "cut'
    scored = score([write(tmp_path / "m.jsonl", *rows, named, "garbage")], skip_bad=True)
    assert (shares(scored, "x")[1], shares(scored, "y")[1], scored.unattributed) == (3, 2, 1)


def test_prompts_without_a_response_count_unless_only_some_were_asked(tmp_path: Path) -> None:
    prompts = write(tmp_path / "prompts.jsonl", *({**row(k), "response": None} for k in range(5)))
    path = write(tmp_path / "m.jsonl", *(row(k) for k in range(3)))
    scored = score([path], prompts=prompts, journal=tmp_path / "j")
    assert shares(scored) == shares(run.load(tmp_path / "j")) == (3, 5, 6, 10)
    assert scored.unanswered(Subject("m", "own")) == {"absent": 2}
    assert shares(score([path], prompts=prompts, answered_only=True)) == (3, 3, 6, 6)
    assert shares(score([path], prompts=prompts, limit=2)) == (2, 2, 4, 4)


def test_what_was_absent_when_a_run_was_stopped_is_looked_for_again(tmp_path: Path) -> None:
    prompts = write(tmp_path / "prompts.jsonl", *({**row(k), "response": None} for k in range(3)))
    path = write(tmp_path / "m.jsonl", row(0))
    score([path], prompts=prompts, journal=tmp_path / "j")
    write(path, row(0), row(1))
    again = score([path], prompts=prompts, journal=tmp_path / "j", resume=True)
    assert (again.resumed, shares(again)) == (1, (2, 3, 4, 6))
    assert shares(run.load(tmp_path / "j")) == (2, 3, 4, 6)


def test_refusing_to_answer_does_not_raise_a_model_above_another(tmp_path: Path) -> None:
    """The same answers, but where one model breaks its instructions the other gives none."""
    honest = write(tmp_path / "honest.jsonl", *(row(k, "the sea" if k < 15 else "land") for k in range(20)))
    silent = write(tmp_path / "silent.jsonl", *(row(k, "the sea" if k < 15 else None) for k in range(20)))
    scored = score([honest, silent], skip_bad=True)
    assert shares(scored, "honest")[:2] == shares(scored, "silent")[:2] == (15, 20)


@pytest.mark.parametrize("lost", [None, '{"id": "p3", "resp', "garbage"])
def test_a_comparison_counts_what_one_side_does_not_answer(tmp_path: Path, lost: Any) -> None:
    a = write(tmp_path / "a.jsonl", *(row(k) for k in range(6)))
    rows: list[Any] = [row(k) for k in range(6)]
    rows[3] = row(3, None) if lost is None else lost
    b = write(tmp_path / "b.jsonl", *rows)
    sides = []
    for path in (a, b):
        opened = open_run(path, skip_bad=True)
        sides.append((opened, one_model(opened, path), path.stem))
    for first, second, sign in ((*sides, 1), (*reversed(sides), -1)):
        result = compare(first, second)
        prompt_strict = result.levels[0]
        assert (prompt_strict.difference.clusters, prompt_strict.difference.estimate) == (6, pytest.approx(sign / 6))
    assert (result.unanswered_a, result.unpaired_a, result.unpaired_b) == (1, 0, 0)


def test_prompts_that_only_one_side_was_asked_are_left_out_and_counted(tmp_path: Path) -> None:
    a = open_run(write(tmp_path / "a.jsonl", *(row(k) for k in range(6))))
    b = open_run(write(tmp_path / "b.jsonl", *(row(k) for k in range(2, 9))))
    result = compare((a, one_model(a, tmp_path), "a"), (b, one_model(b, tmp_path), "b"))
    assert (result.levels[0].difference.clusters, result.unpaired_a, result.unpaired_b) == (4, 2, 3)


def test_a_sample_that_ended_with_an_error_counts_in_an_audit_and_in_a_comparison_of_logs(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai")
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.log import read_eval_log
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.solver import Generate, TaskState, generate, solver

    from adhere.measure.adherence.logs import paired_scores, read_scores
    from adhere.measure.adherence.task import adherence_scorer, records_of

    @solver
    def failing(which: int):  # type: ignore[no-untyped-def]
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            if state.sample_id == which:
                raise RuntimeError("the provider is down")
            return state

        return solve

    asked = [{"asked_as": None, "parameters": one} for one in TERMS]
    samples = [Sample(id=k, input="p", metadata={"set": "own", "asked": asked}) for k in (1, 2, 3)]
    places = []
    for which in (2, 0):
        output = ModelOutput.from_content("mockllm/model", "the sea")
        output.usage = ModelUsage(input_tokens=1, output_tokens=1)
        model = get_model("mockllm/model", custom_outputs=[output] * 3)
        task = Task(samples, solver=[failing(which), generate()], scorer=adherence_scorer())
        (log,) = eval(task, model=model, log_dir=str(tmp_path), display="none", fail_on_error=False)
        places.append(log.location)
    records = list(records_of(read_eval_log(places[0]).samples or [], "m"))
    assert [record.followed("fixed") for record in records] == [True, False, True]
    assert records[1].degenerate == ("failed",)
    first, second = map(read_scores, places)
    assert first.failed == [("2", 1)]
    pairs = paired_scores(second, first)["adherence_scorer/prompt_strict"]
    assert (sum(c.a for c in pairs), sum(c.b for c in pairs), len(pairs)) == (3, 2, 3)
