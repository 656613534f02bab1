"""A stream of responses is scored, once each, whatever happens on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adhere.constraints.constraint import Constraint
from adhere.core.errors import UserError
from adhere.measure.adherence import checking, run, scoring, spreading
from adhere.measure.adherence.records import Record
from adhere.measure.adherence.scoring import BadInput, score
from adhere.measure.adherence.tally import Subject


def response(k: int, text: str = "the sea", **more: Any) -> dict[str, Any]:
    constraints = [{"kind": "length.words", "at_most": 2}, {"kind": "contains.terms", "terms": ["sea"]}]
    return {"id": k, "prompt": f"Prompt {k}.", "constraints": constraints, "response": text, **more}


def write(path: Path, *entries: Any) -> Path:
    texts = [entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]
    path.write_text("".join(text + "\n" for text in texts))
    return path


def by_id(scored: run.ScoreRun) -> dict[str, Record]:
    return {record.prompt_id: record for record in scored.records()}


def test_verdicts_reasons_and_places(tmp_path: Path) -> None:
    path = write(tmp_path / "m.jsonl", response(1), response(2, "<think>sea</think>the wide old land"), response(3, ""))
    scored = score([path], keep=True)
    records = by_id(scored)
    assert records["1"].followed("fixed")
    assert records["1"].followed("reference")
    words, terms = records["2"].instructions
    assert words.fixed is not None
    assert terms.fixed is not None
    assert (words.fixed.strict, words.fixed.verdict, words.fixed.found, words.fixed.at) == (
        False,
        "broken",
        4,
        10,
    )
    assert terms.fixed.reason == '"sea" missing'
    assert records["2"].removed == ((0, 18),)
    assert records["2"].length == len("the wide old land")
    assert words.excerpt == "the wide old land"
    assert scored.tally.prompts(Subject("m", "own")).met == 1
    assert scored.tally.instructions(Subject("m", "own")).met == 2


def test_an_empty_answer_follows_nothing_in_either_profile_and_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "m.jsonl", response(1, " \n"), response(2, "<think>at most two words"))
    scored = score([path], keep=True)
    for record in scored.records():
        outcomes = [entry.outcome(profile) for entry in record.instructions for profile in scored.profiles]
        assert not any(o is None or o.strict or o.loose for o in outcomes)
    assert by_id(scored)["2"].degenerate == ("empty", "truncated")
    assert by_id(scored)["2"].instructions[0].fixed.reason == "no answer: the response ends within its reasoning"
    assert scored.tally.degenerate(Subject("m", "own"))["empty"].met == 2


def test_loose_forgives_a_preamble_and_asterisks(tmp_path: Path) -> None:
    path = write(tmp_path / "m.jsonl", response(1, "Sure, here it is:\nthe sea"), response(2, "the *se*a"))
    scored = score([path], keep=True)
    subject = Subject("m", "own")
    assert scored.tally.prompts(subject, "fixed").met == 0
    assert scored.tally.prompts(subject, "fixed", loose=True).met == 2


def test_profiles_part_where_the_reference_is_at_fault_and_only_those_asked_for_are_made(tmp_path: Path) -> None:
    asked = {"key": 1, "prompt": "p", "instruction_id_list": ["keywords:existence"], "kwargs": [{"keywords": ["cat"]}]}
    path = write(tmp_path / "m.jsonl", {**asked, "response": "concatenate"})
    subject = Subject("m", "ifeval")
    both = score([path]).tally
    assert (both.prompts(subject, "fixed").met, both.prompts(subject, "reference").met) == (0, 1)
    only = score([path], profiles=["reference"], keep=True)
    assert by_id(only)["1"].instructions[0].fixed is None
    assert only.profile == "reference"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{", "m.jsonl:2: not JSON"),
        ({**response(2), "constraints": [{"kind": "length.wrods"}]}, "nearest: length.words"),
        ({**response(2), "constraints": [{"kind": "length.words", "at_most": "2"}]}, "length.words: at_most"),
        (
            {"key": 2, "prompt": "p", "instruction_id_list": ["length:words"], "kwargs": [{}], "response": ""},
            "no benchmark has the instruction 'length:words'; nearest: ",
        ),
        (
            {
                "key": 2,
                "prompt": "p",
                "instruction_id_list": ["length_constraints:number_words"],
                "kwargs": [{"num_words": "ten", "relation": "at least"}],
                "response": "",
            },
            "length_constraints:number_words: num_words",
        ),
        (response(1), "duplicate key: 1 was answered by m on line 1 already"),
    ],
)
def test_a_bad_line_stops_the_run_and_keeps_what_was_scored(tmp_path: Path, entry: Any, expected: str) -> None:
    path = write(tmp_path / "m.jsonl", response(1), entry, response(3))
    with pytest.raises(BadInput) as caught:
        score([path], journal=tmp_path / "j")
    assert expected in str(caught.value)
    assert "m.jsonl:2: " in str(caught.value)
    assert caught.value.run.responses == 1
    carried_on = score([path], journal=tmp_path / "j", skip_bad=True)
    assert (carried_on.responses, carried_on.resumed, carried_on.bad_count) == (2, 1, 1)
    assert run.load(tmp_path / "j").bad_count == 1


def test_epochs_are_told_apart_and_count_as_one_cluster(tmp_path: Path) -> None:
    entries = [response(k, "the sea" if k else "land", epoch=epoch) for k in range(2) for epoch in (1, 2, 3)]
    scored = score([write(tmp_path / "m.jsonl", *entries)])
    found = scored.tally.prompts(Subject("m", "own"))
    assert (found.n, found.clusters, found.met) == (6, 2, 3)


def test_a_check_that_breaks_costs_its_line_and_is_never_a_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(constraint: Constraint, answer: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(checking, "strict", broken)
    path = write(tmp_path / "m.jsonl", response(1))
    scored = score([path])
    [share] = [scored.tally.prompts(subject) for subject in scored.tally.subjects()]
    assert (share.n, share.met) == (1, 0)


def test_nothing_scored_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no responses in"):
        score([write(tmp_path / "m.jsonl")])
    with pytest.raises(UserError, match="No such file"):
        score([tmp_path / "gone.jsonl"], skip_bad=True)


def test_a_file_that_vanishes_is_counted_where_bad_lines_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "m.jsonl", response(1))
    scored = score([tmp_path / "gone.jsonl", path], skip_bad=True)
    assert (scored.responses, scored.bad_count) == (1, 1)
    assert "gone.jsonl: No such file" in str(scored.bad[0])


def test_the_limit_is_per_file(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{name}.jsonl", *map(response, range(5))) for name in "ab"]
    assert score(files, limit=2).responses == 4


def test_models_are_paired_over_files(tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", *(response(k) for k in range(8)))
    b = write(tmp_path / "b.jsonl", *(response(k, "land") for k in range(2, 10)))
    tally = score([a, b]).tally
    clusters = tally.pairs((Subject("a", "own"), "fixed"), (Subject("b", "own"), "fixed"))
    assert sorted(clusters) == [str(k) for k in range(2, 8)]
    assert all((c.a, c.b, c.trials) == (1, 0, 1) for c in clusters.values())
    sums = tally.pairs((Subject("a", "own"), "fixed"), (Subject("b", "own"), "fixed"), level="instruction")
    assert all((c.a, c.b, c.trials) == (2, 1, 2) for c in sums.values())


def test_only_epochs_that_both_have_are_paired(tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", *(response(1, epoch=epoch) for epoch in (1, 2, 3)))
    b = write(tmp_path / "b.jsonl", *(response(1, "land", epoch=epoch) for epoch in (2, 3, 4)))
    tally = score([a, b]).tally
    (cluster,) = tally.pairs((Subject("a", "own"), "fixed"), (Subject("b", "own"), "fixed")).values()
    assert (cluster.a, cluster.b, cluster.trials) == (2, 0, 2)


def test_which_families_fail_together(tmp_path: Path) -> None:
    texts = ["the sea", "land", "sand", "the wide old land", "the wide old sea"]
    path = write(tmp_path / "m.jsonl", *(response(k, text) for k, text in enumerate(texts)))
    assert score([path]).tally.fail_together() == {("contains.terms", "length.words"): (1, 2, 1, 1)}


@pytest.mark.slow
def test_many_processes_give_what_one_gives_in_the_same_order(tmp_path: Path) -> None:
    entries: list[Any] = [response(k, "the sea " * (k % 3)) for k in range(300)]
    entries[150] = "{"
    path = write(tmp_path / "m.jsonl", *entries)
    alone = score([path], journal=tmp_path / "one", skip_bad=True, jobs=1)
    together = score([path], journal=tmp_path / "two", skip_bad=True, jobs=2)
    assert (tmp_path / "one").read_text() == (tmp_path / "two").read_text()
    assert together.bad_count == alone.bad_count == 1


def test_a_killed_run_is_resumed_and_ends_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "m.jsonl", *(response(k, "the sea " * (k % 3)) for k in range(200)))
    whole = score([path], journal=tmp_path / "whole")
    monkeypatch.setattr(spreading, "BATCH_LINES", 10)
    checked: list[int] = []

    def killed(progress: scoring.Progress) -> None:
        checked.append(progress.responses)
        if progress.responses >= 70:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score([path], journal=tmp_path / "j", progress=killed)
    with (tmp_path / "j").open("ab") as file:
        file.write(b'{"model": "m", "half a li')
    resumed = score([path], journal=tmp_path / "j")
    assert (resumed.resumed, resumed.responses) == (70, 200)
    assert (tmp_path / "j").read_text() == (tmp_path / "whole").read_text()
    assert resumed.tally.families(Subject("m", "own")) == whole.tally.families(Subject("m", "own"))


def test_a_file_changed_above_the_place_is_refused_and_one_mended_below_is_not(tmp_path: Path) -> None:
    path = write(tmp_path / "m.jsonl", response(1), "{")
    with pytest.raises(BadInput):
        score([path], journal=tmp_path / "j")
    write(path, response(1), response(2))
    assert score([path], journal=tmp_path / "j").resumed == 1
    with pytest.raises(BadInput):
        score([write(path, response(1), "{")], journal=tmp_path / "j")
    write(path, response(1, "another"), response(2))
    with pytest.raises(UserError, match="changed above line 1"):
        score([path], journal=tmp_path / "j")
    assert score([path], journal=tmp_path / "j", resume=False).resumed == 0


def test_only_a_run_of_the_same_kind_is_resumed(tmp_path: Path) -> None:
    path = write(tmp_path / "m.jsonl", response(1), "{")
    with pytest.raises(BadInput):
        score([path], journal=tmp_path / "j")
    with pytest.raises(UserError, match="other files, options"):
        score([path], journal=tmp_path / "j", resume=True, profiles=["fixed"])
    with pytest.raises(UserError, match="no journal"):
        score([path], journal=tmp_path / "k", resume=True)
    assert score([path], journal=tmp_path / "j", skip_bad=True, profiles=["fixed"]).resumed == 0


def test_a_finished_run_is_done_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "m.jsonl", response(1))
    for _ in range(2):
        assert score([path], journal=tmp_path / "j").resumed == 0
    assert score([path], journal=tmp_path / "j", resume=True).resumed == 1


def test_a_run_loaded_from_its_journal_is_the_run(tmp_path: Path) -> None:
    path = write(tmp_path / "m.jsonl", response(1), response(2, "land"))
    scored = score([path], journal=tmp_path / "j")
    loaded = run.load(tmp_path / "j")
    assert loaded.profiles == scored.profiles
    assert loaded.tally.instructions(Subject("m", "own")) == scored.tally.instructions(Subject("m", "own"))
    assert list(loaded.records()) == list(scored.records())


def test_the_headlines_of_a_published_model_are_met(shared_data: Path) -> None:
    """GPT-4 of November 2023 under the reference profile: MANIFEST.md gives 76.9 / 83.5 / 79.4 / 85.5."""
    files = [shared_data / "ifeval" / "responses" / "gpt-4-1106.jsonl.gz"]
    scored = score(files, prompts=shared_data / "ifeval" / "input_data.jsonl", profiles=["reference"])
    subject = Subject("gpt-4-1106", "ifeval")
    tally = scored.tally
    found = [
        100 * measured(subject, "reference", loose).estimate
        for loose in (False, True)
        for measured in (tally.prompts, tally.instructions)
    ]
    assert found == pytest.approx([76.9, 83.5, 79.4, 85.5], abs=1.0)


def test_answers_to_prompts_that_state_nothing_are_left_out_and_counted_also_after_a_stop(tmp_path: Path) -> None:
    rows = ["Do not use commas.", "How are you?", "Answer in all lowercase letters.", "Hello."]
    text = "".join(json.dumps({"prompt": prompt, "response": "one"}) + "\n" for prompt in rows)
    (tmp_path / "m.jsonl").write_text(text, encoding="utf-8")
    run = score([tmp_path / "m.jsonl"], read_prompt=True, journal=tmp_path / "j.jsonl")
    assert (run.responses, run.unstated, run.bad_count) == (2, 2, 0)
    lines = (tmp_path / "j.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "j.jsonl").write_text("".join(lines[:3]), encoding="utf-8")
    resumed = score([tmp_path / "m.jsonl"], read_prompt=True, journal=tmp_path / "j.jsonl")
    assert (resumed.responses, resumed.unstated, resumed.resumed) == (2, 2, 1)
    (tmp_path / "m.jsonl").write_text(text.splitlines()[1] + "\n", encoding="utf-8")
    with pytest.raises(UserError, match="none of the 1 prompts"):
        score([tmp_path / "m.jsonl"], read_prompt=True)
