"""A run asks what it must and no more, keeps what it was told, and says what it left out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.log import read_eval_log
from inspect_ai.model import ContentReasoning, ContentText, ModelOutput
from tests.measure.sustain import made
from tests.measure.sustain.mock import Asked, Reply, mock, right

from adhere.core.errors import UserError
from adhere.measure import evaluating, model_access
from adhere.measure.sustain import run
from adhere.measure.sustain.arms import LADDER, NAMES, plan
from adhere.measure.sustain.outcome import ArmOutcome, exclusions, outcomes
from adhere.measure.sustain.plan import SustainPlan
from adhere.measure.sustain.problem_sets import Material, gather
from adhere.measure.sustain.run import Done
from adhere.problems import load
from adhere.problems.problem import Grade

DATA = Path(__file__).parents[4] / "shared" / "data"
SMALL = SustainPlan(data="pocket", problems=2, arms="placebo,long,constraint,position", constraints=(1, 2))


def measured(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    reply: Reply,
    plan: SustainPlan = SMALL,
    material: tuple[Material, ...] | None = None,
) -> tuple[Done, list[Asked]]:
    found = material or gather(plan.domain, plan.data, plan.problems, plan.seed)
    model, asked = mock(found, reply)
    monkeypatch.setattr(model_access, "resolve", lambda _name: model)
    return run.measure("mock", folder, plan), asked


def test_of_a_problem_that_is_not_solved_nothing_else_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done, asked = measured(monkeypatch, tmp_path, lambda _: "The answer is 1000001.")
    assert len(asked) == 6
    assert {outcome.arm for outcome in done.outcomes} == {"base"}
    assert done.scores is not None
    assert not any(one.solvable for one in done.scores.selection.solved)


@pytest.mark.slow
def test_every_arm_of_a_solved_problem_is_asked_once_with_a_seed_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, asked = measured(monkeypatch, tmp_path, lambda one: right(one.problem))
    wanted = plan(("placebo", "long", "constraint", "position", "control"), (1, 2))
    assert len(asked) == len(done.outcomes) == 6 * len(wanted)
    by_problem: dict[str, list[ArmOutcome]] = {}
    for outcome in done.outcomes:
        by_problem.setdefault(outcome.problem, []).append(outcome)
    for mine in by_problem.values():
        found = [(one.arm, one.k, one.position, one.factor) for one in mine]
        assert sorted(found) == sorted((c.arm, c.k, c.position, c.factor) for c in wanted)
    assert len({one.config.seed for one in asked}) == len(asked)


def test_constraints_are_met_by_the_solution_and_stand_in_the_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, asked = measured(monkeypatch, tmp_path, lambda one: right(one.problem))
    base = {one.problem: one for one in done.outcomes if one.arm == "base"}
    prompts = {(one.system, one.prompt) for one in asked}
    for one in done.outcomes:
        assert (one.system, one.prompt) in prompts
        assert all(constraint.check(base[one.problem].answer).met for constraint in one.constraints)
        assert len(one.constraints) == len(one.sentences) == (one.k if one.arm == "constraint" else 0)
        where = one.system if one.position == "system" else one.prompt
        assert " ".join(one.sentences) in where
        assert all(one.met)


def test_what_is_lost_under_constraints_is_lost_in_the_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from adhere.constraints import parse

    def reply(one: Asked) -> str:
        assert one.problem is not None
        added = one.prompt.replace(one.problem.prompt, "") + one.system
        return "The answer is 1000001." if parse(added) else right(one.problem)

    done, _ = measured(monkeypatch, tmp_path, reply)
    assert done.scores is not None
    sustain = {score.condition[:3]: score.sustain.estimate for score in done.scores.conditions}
    assert sustain["constraint", 1, "after"] == sustain["constraint", 2, "after"] == 0.0
    assert sustain["constraint", 1, "before"] == sustain["constraint", 1, "system"] == 0.0
    assert sustain["placebo", 1, "after"] == sustain["long", 1, "after"] == 1.0
    assert {finding.what for finding in done.findings} >= {"sustain.score", "sustain.interference", "sustain.if"}


@pytest.mark.slow
def test_the_log_alone_is_enough_and_holds_the_hash_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"question": f"Sam has {n} cards and finds 2. How many?", "answer": f"x #### {n + 2}"} for n in range(3)]
    file = tmp_path / "own.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done, _ = measured(
        monkeypatch, tmp_path / "run", lambda one: right(one.problem), SustainPlan(data=str(file), constraints=(1,))
    )
    log = read_eval_log(done.log)
    assert list(outcomes(log)) == list(done.outcomes)
    assert list(exclusions(done.log)) == list(done.exclusions)
    [about] = (log.eval.metadata or {})["data"]
    assert about["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest() == done.data[0]["sha256"]
    sample = (log.samples or [])[0]
    spans = {event.name for event in sample.events if event.event == "span_begin"}
    assert {"arm: base", "arm: control", "arm: constraint x1"} <= spans


def test_the_same_call_again_asks_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = measured(monkeypatch, tmp_path, lambda one: right(one.problem))
    again, asked = measured(monkeypatch, tmp_path, lambda one: right(one.problem))
    assert asked == []
    assert again.outcomes == first.outcomes


@pytest.mark.slow
def test_problems_whose_provider_failed_are_asked_again_by_the_same_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluating, "RETRIES", 0)

    def failing(one: Asked) -> str:
        if one.problem is not None and one.problem.domain == "code":
            raise RuntimeError("the provider fell over")
        return right(one.problem)

    done, _ = measured(monkeypatch, tmp_path, failing)
    assert done.errors == 2
    excluded = [one for one in done.findings if one.what == "sustain.excluded" and one.subject["why"] == "error"]
    assert [one.estimate for one in excluded] == [2.0]
    whole, asked = measured(monkeypatch, tmp_path, lambda one: right(one.problem))
    assert {one.problem.domain for one in asked if one.problem} == {"code"}
    assert whole.errors == 0
    assert {one.domain for one in whole.outcomes} == {"math", "multihop", "code"}


def test_a_provider_that_always_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluating, "RETRIES", 0)

    def failing(_: Asked) -> str:
        raise RuntimeError("no credit left")

    with pytest.raises(UserError, match=r"answered nothing: .*no credit left"):
        measured(monkeypatch, tmp_path, failing)


@pytest.mark.slow
def test_what_the_content_filter_refuses_is_wrong_and_counted_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reply(one: Asked) -> str | ModelOutput:
        if one.system:
            return ModelOutput.from_content("mock", "", stop_reason="content_filter")
        return right(one.problem)

    done, _ = measured(monkeypatch, tmp_path, reply)
    refused = [one for one in done.exclusions if one.why == "refused"]
    assert len(refused) == 12  # constraint and placebo, each once a problem in the system prompt
    assert {one.position for one in refused} == {"system"}
    unanswered = [one for one in done.outcomes if one.position == "system"]
    assert len(unanswered) == 12
    assert not any(one.correct or one.response for one in unanswered)


@pytest.mark.parametrize("parts", [True, False])
def test_reasoning_is_kept_and_never_graded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: bool) -> None:
    def reply(one: Asked) -> ModelOutput:
        output = ModelOutput.from_content(
            "mock", "<think>The answer is 1000001, surely!</think>\n" + right(one.problem)
        )
        if parts:
            output.choices[0].message.content = [
                ContentReasoning(reasoning="The answer is 1000001, surely!"),
                ContentText(text="\n" + right(one.problem)),
            ]
        return output

    done, _ = measured(monkeypatch, tmp_path, reply)
    for one in done.outcomes:
        assert one.correct
        assert "surely!" in one.response
        assert "surely!" not in one.answer
        assert one.answer.startswith("\n")
        assert not any("exclamation" in sentence and "at least" in sentence for sentence in one.sentences)


def test_an_answer_cut_within_its_reasoning_is_truncated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reply(one: Asked) -> str:
        return right(one.problem) if one.plain else "<think>Let me see. " + right(one.problem)

    done, _ = measured(monkeypatch, tmp_path, reply)
    under = [one for one in done.outcomes if one.arm == "constraint"]
    assert under
    assert all(one.truncated and one.correct is False and one.answer == "" for one in under)


@pytest.mark.slow
def test_a_deterministic_engine_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done, _ = measured(monkeypatch, tmp_path / "same", lambda one: right(one.problem))
    assert done.deterministic
    count = iter(range(10_000))
    done, _ = measured(monkeypatch, tmp_path / "fresh", lambda one: right(one.problem) + " " * (1 + next(count)))
    assert not done.deterministic


def test_a_model_that_rewords_is_believed_only_if_nothing_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adhere.measure.sustain import task

    async def careless(name: str, problem: Any, length: int) -> str:
        return problem.prompt + (" It is a pity." if problem.domain == "math" else " And 12345 more.")

    monkeypatch.setattr(task, "rewritten", careless)
    plan = SustainPlan(
        data="pocket", problems=2, arms="long", constraints=(1,), rewriter="any/model", domain="math,code"
    )
    done, _ = measured(monkeypatch, tmp_path, lambda one: right(one.problem), plan)
    assert {one.domain for one in done.outcomes if one.arm == "long"} == {"math"}
    assert {(one.domain, one.why) for one in done.exclusions if one.arm == "long"} == {("code", "paraphrase")}


def test_what_a_model_extracts_is_used_only_if_its_check_confirms_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adhere.constraints import Include, Words
    from adhere.measure.sustain import task

    async def eager(name: str, problem: Any, answer: str) -> list[Any]:
        return [Include(terms=("zebra",)), Words(at_most=777)]

    monkeypatch.setattr(task, "extracted", eager)
    plan = SustainPlan(
        data="pocket", problems=2, arms="constraint", constraints=(16,), extractor="any/model", domain="math"
    )
    done, _ = measured(monkeypatch, tmp_path, lambda one: right(one.problem), plan)
    used = {constraint for one in done.outcomes for constraint in one.constraints}
    assert Words(at_most=777) in used
    assert Include(terms=("zebra",)) not in used


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (SustainPlan(domain="poetry"), "no domain 'poetry'"),
        (SustainPlan(arms="attend"), "open weights"),
        (SustainPlan(data="nowhere.jsonl"), "no such file"),
        (SustainPlan(kinds="length.wrods"), "length.words"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: SustainPlan, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        measured(monkeypatch, tmp_path, lambda _: "", plan, material=())


def test_data_with_a_missing_column_or_of_another_domain_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text('{"question": "2 + 2?", "answer": "#### 4"}\n{"question": "2 + 3?"}\n')
    with pytest.raises(UserError, match="row 2 has no 'answer'"):
        measured(monkeypatch, tmp_path, lambda _: "", SustainPlan(data=str(file)), material=())
    file.write_text('{"question": "2 + 2?", "answer": "#### 4"}\n')
    with pytest.raises(UserError, match="holds math problems"):
        measured(monkeypatch, tmp_path, lambda _: "", SustainPlan(data=str(file), domain="code"), material=())


@pytest.mark.slow
@pytest.mark.parametrize(
    "file",
    [
        "gsm8k/test.jsonl",
        "math500/test.jsonl",
        "multihop/hotpotqa_distractor_dev_200.jsonl",
        "multihop/musique_ans_dev_200.jsonl",
        "humaneval/HumanEval.jsonl.gz",
        "mbpp/sanitized-mbpp.json",
    ],
)
def test_real_data_go_through_every_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    if not (DATA / file).exists():
        pytest.skip("the data sets are not here")
    source = str(DATA / file)
    problems = load(source, limit=2, seed=0).problems
    material = (Material(problems[0].domain, problems, source, "", 2),)
    given = SustainPlan(data=source, problems=2, constraints=(1, 4))

    def reply(one: Asked) -> str:
        assert one.problem is not None
        return f"```python\n{one.problem.reference}\n```" if one.problem.domain == "code" else right(one.problem)

    done, _ = measured(monkeypatch, tmp_path, reply, given, material)
    base = [one for one in done.outcomes if one.arm == "base"]
    assert all(one.correct for one in base)
    found = {(one.arm, one.k, one.position) for one in done.outcomes}
    wanted = {(c.arm, c.k, c.position) for c in plan([n for n in NAMES if n != "attend"], (1, 4))}
    assert found == wanted
    assert LADDER == (1, 2, 4, 8, 16)


@pytest.mark.slow
def test_the_pocket_model_is_asked_offline_with_attention_scaled(tmp_path: Path) -> None:
    done = run.measure("pocket", tmp_path, SustainPlan(problems=3, constraints=(1, 2), seed=3))
    assert done.temperature == run.OWN_TEMPERATURE
    assert not done.deterministic
    assert {one.factor for one in done.outcomes if one.arm == "attend"} == {0.0, 0.5, 2.0}
    assert {one.domain for one in done.outcomes} == {"math", "multihop", "code"}
    assert not done.errors
    cold = run.measure(
        "pocket", tmp_path / "cold", SustainPlan(problems=2, arms="control", temperature=0.0, domain="math")
    )
    assert cold.deterministic


@pytest.mark.slow
def test_the_same_seeds_give_the_same_answers_however_requests_were_batched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inspect_ai.model import get_model

    said = []
    for batch in (64, 5):
        monkeypatch.setattr(
            model_access, "resolve", lambda _name, batch=batch: get_model("adhere/pocket", batch=batch, memoize=False)
        )
        done = run.measure("pocket", tmp_path / str(batch), SustainPlan(problems=2, constraints=(1, 4), seed=3))
        said.append({(one.problem, one.arm, one.k, one.position, one.factor): one.response for one in done.outcomes})
    assert said[0] == said[1]
    assert len(said[0]) > 40


def test_suspect_programs_are_counted_apart() -> None:
    cheat = Grade(False, "f", "tests pass in its own process, but it defines __eq__", "suspect", 0.0)
    found = [made.outcome(f"p{k}", "base", True, domain="code") for k in range(9)]
    found.append(made.outcome("p9", "base", False, domain="code", grade=cheat))
    done = run.conclude(found, (), model="m")
    (suspects,) = [one for one in done.findings if one.what == "sustain.suspect"]
    assert (suspects.estimate, suspects.n) == (0.1, 10)
    (solved,) = [one for one in done.findings if one.what == "sustain.solved"]
    assert solved.estimate == 0.9
