"""Two runs, or two Inspect logs, are compared pair by pair."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adhere.core import findings
from adhere.core.errors import UserError
from adhere.measure.adherence.comparison import compare, one_model, open_run
from adhere.measure.adherence.logs import paired_scores, read_scores
from adhere.measure.adherence.scoring import score
from adhere.measure.adherence.summary import between_models, between_profiles, compared
from adhere.measure.adherence.summary import findings as made
from adhere.measure.adherence.tally import Subject


def responses(path: Path, good: set[int], n: int = 20, prefix: str = "p") -> Path:
    with path.open("w") as file:
        for k in range(n):
            constraints = [{"kind": "contains.terms", "terms": ["sea"]}, {"kind": "length.words", "at_most": 9}]
            record = {"id": f"{prefix}{k}", "prompt": "p", "constraints": constraints, "response": "x"}
            file.write(json.dumps({**record, "response": "the sea" if k in good else "land"}) + "\n")
    return path


def test_two_files_are_compared_by_level_family_and_prompt(tmp_path: Path) -> None:
    a = open_run(responses(tmp_path / "a.jsonl", set(range(12))))
    b = open_run(responses(tmp_path / "b.jsonl", {0, 1}))
    result = compare((a, one_model(a, tmp_path), "a"), (b, one_model(b, tmp_path), "b"))
    assert [(c.level, c.mode) for c in result.levels][:2] == [("prompt", "strict"), ("prompt", "loose")]
    assert result.levels[0].difference.estimate == pytest.approx(0.5)
    assert result.levels[0].real
    assert result.levels[2].difference.estimate == pytest.approx(0.25)
    assert {c.level: c.difference.only_a for c in result.families} == {"contains.terms": 10, "length.words": 0}
    assert result.only_a == tuple(f"p{k}" for k in range(2, 12))
    assert result.only_b == ()


def test_a_run_is_found_by_its_folder_its_journal_or_its_findings(tmp_path: Path) -> None:
    path = responses(tmp_path / "a.jsonl", {1})
    (tmp_path / "run").mkdir()
    scored = score([path], journal=tmp_path / "run" / "records.jsonl")
    score([path], journal=tmp_path / "o.json.records.jsonl")
    for target in (tmp_path / "run" / "findings.json", tmp_path / "o.json"):
        findings.write(target, made(scored.tally, scored.profiles))
    places = (tmp_path / "run", tmp_path / "run" / "records.jsonl", tmp_path / "run" / "findings.json")
    for place in (*places, tmp_path / "o.json"):
        assert open_run(place).responses == 20
    (tmp_path / "o.json.records.jsonl").unlink()
    with pytest.raises(UserError, match=r"o\.json: its records .* are not beside it"):
        open_run(tmp_path / "o.json")


def test_runs_without_a_prompt_in_common_are_refused(tmp_path: Path) -> None:
    a = open_run(responses(tmp_path / "a.jsonl", {1}))
    b = open_run(responses(tmp_path / "b.jsonl", {1}, prefix="q"))
    with pytest.raises(UserError, match="no prompt in common"):
        compare((a, one_model(a, tmp_path), "a"), (b, one_model(b, tmp_path), "b"))


def test_one_of_several_models_must_be_named(tmp_path: Path) -> None:
    scored = score([responses(tmp_path / f"{name}.jsonl", {1}) for name in "ab"])
    with pytest.raises(UserError, match="several models: a, b"):
        one_model(scored, tmp_path)
    assert one_model(scored, tmp_path, "b") == [Subject("b", "own")]
    with pytest.raises(UserError, match="no model c"):
        one_model(scored, tmp_path, "c")


def test_models_are_compared_better_first_and_corrected_together(tmp_path: Path) -> None:
    good = {"a": set[int](), "b": set(range(20)), "c": set(range(18))}
    scored = score([responses(tmp_path / f"{name}.jsonl", ids) for name, ids in good.items()])
    found = between_models(scored.tally, "fixed")
    assert {(c.a, c.b): c.real for c in found} == {("b", "a"): True, ("c", "a"): True, ("b", "c"): False}
    assert all(c.p_holm >= c.difference.p for c in found)


def test_the_findings_bear_intervals_counts_and_the_other_profile(tmp_path: Path) -> None:
    scored = score([responses(tmp_path / f"{name}.jsonl", ids) for name, ids in (("a", {1}), ("b", {2}))])
    found = made(scored.tally, scored.profiles, recompute="adhere score a b")
    names = {finding.what for finding in found}
    assert {"adherence.prompt.strict", "adherence.family.length.words", "adherence.skill.inclusion"} <= names
    assert {"degenerate.loop", "adherence.difference"} <= names
    (strict,) = (f for f in found if f.what == "adherence.prompt.strict" and f.of(model="a", profile="fixed"))
    assert (strict.estimate, strict.n) == (0.05, 20)
    assert strict.interval is not None
    assert strict.control is not None
    assert strict.recompute == "adhere score a b"
    path = tmp_path / "findings.json"
    findings.write(path, found)
    assert findings.read(path) == found


def test_where_the_profiles_agree_no_difference_is_real(tmp_path: Path) -> None:
    scored = score([responses(tmp_path / "a.jsonl", {1})])
    assert not any(c.real for c in between_profiles(scored.tally, Subject("a", "own")))


@pytest.fixture
def logs(tmp_path: Path) -> tuple[Path, Path]:
    """Two Inspect logs of one task: binary, graded and mapped scores, two epochs, a sample that only one has."""
    from inspect_ai.dataset import Sample
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalPlan, EvalSample, EvalSpec, write_eval_log
    from inspect_ai.scorer import Score

    paths = []
    for name, right in (("a", 12), ("b", 4)):
        samples = [
            EvalSample(
                id=k,
                epoch=epoch,
                input=Sample(input="?").input,
                target="",
                scores={
                    "match": Score(value="C" if k < right else "I"),
                    "graded": Score(value={"style": 0.5 + 0.01 * right, "depth": float(k)}),
                    "words": Score(value="none"),
                },
            )
            for k in range(20 if name == "a" else 19)
            for epoch in (1, 2)
        ]
        spec = EvalSpec(
            created="2026-01-01T00:00:00+00:00",
            task="demo",
            dataset=EvalDataset(),
            model=f"mock/{name}",
            config=EvalConfig(epochs=2),
        )
        path = tmp_path / f"{name}.eval"
        write_eval_log(EvalLog(status="success", eval=spec, plan=EvalPlan(), samples=samples), str(path))
        paths.append(path)
    return paths[0], paths[1]


def test_inspect_logs_are_paired_by_sample_and_epoch(logs: tuple[Path, Path]) -> None:
    a, b = map(read_scores, logs)
    assert (a.model, a.task, a.left_out) == ("mock/a", "demo", 40)
    clusters = paired_scores(a, b)
    assert set(clusters) == {"match", "graded/style", "graded/depth"}
    assert len(clusters["match"]) == 19
    assert {c.trials for c in clusters["match"]} == {2}
    from adhere.measure.adherence.summary import Pairing

    found = compared([Pairing("a", "b", "demo", "inspect", metric, "score", sums) for metric, sums in clusters.items()])
    by_metric = {c.level: c for c in found}
    assert by_metric["match"].difference.estimate == pytest.approx(8 / 19)
    assert by_metric["match"].real
    assert by_metric["graded/style"].difference.estimate == pytest.approx(0.08)
    assert by_metric["graded/depth"].difference.estimate == 0


def test_what_is_no_log_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.eval").write_bytes(b"no zip")
    with pytest.raises(UserError, match="not an Inspect log"):
        read_scores(tmp_path / "x.eval")
    with pytest.raises(UserError, match="no such file"):
        read_scores(tmp_path / "y.eval")
