"""A live audit keeps what it measured, asks only what is missing, and says in one line what is wrong."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.dataset import Sample
from inspect_ai.log import read_eval_log
from inspect_ai.model import ModelOutput, ModelUsage, get_model

from adhere.constraints.skills import SKILLS
from adhere.core.errors import UserError
from adhere.measure import evaluating
from adhere.measure.adherence import audit
from adhere.measure.adherence.audit import AuditPlan, measure, resolve
from adhere.measure.adherence.task import natural_samples, pocket_samples
from adhere.measure.statistics.certify import Settled


def _model(monkeypatch: pytest.MonkeyPatch, reply: Any) -> list[int]:
    """Have the audit ask a model of ours; the list counts what it was asked."""
    asked = [0]

    def answer(input: list[Any], *_: Any) -> ModelOutput:
        asked[0] += 1
        output = ModelOutput.from_content("mock", reply(asked[0], input[-1].text))
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    def made(name: str) -> Any:
        del name
        return get_model("mockllm/model", custom_outputs=answer, memoize=False)

    monkeypatch.setattr(audit, "resolve", made)
    return asked


def _texts(samples: list[Sample]) -> list[list[str]]:
    return [[message.text for message in sample.input if not isinstance(message, str)] for sample in samples]


def test_the_pocket_prompts_ask_for_every_skill_often_enough_and_are_the_same_again() -> None:
    samples = pocket_samples(5, seed=3)
    kinds = [one["parameters"]["kind"] for sample in samples for one in (sample.metadata or {})["asked"]]
    from adhere.constraints import family

    counts = {skill: sum(family(kind).skill == skill for kind in kinds) for skill in SKILLS}
    assert min(counts.values()) >= 5
    assert _texts(samples) == _texts(pocket_samples(5, seed=3))
    assert _texts(samples) != _texts(pocket_samples(5, seed=4))


def test_a_model_that_speaks_english_is_not_asked_in_the_pocket_worlds_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _model(monkeypatch, lambda *_: "The sea is blue.")
    measured = measure("mock", tmp_path, AuditPlan(per_skill=1))
    assert {record.set for record in measured.run.kept} == {"natural"}
    assert [audit.default_set(name) for name in ("pocket", "adhere/pocket-base", "openai/gpt-5", "smollm2")] == [
        "pocket",
        "pocket",
        "natural",
        "natural",
    ]
    (tmp_path / "training.json").write_text("{}")
    assert audit.default_set(str(tmp_path)) == "pocket"


def test_the_pocket_model_is_measured_offline_and_its_log_can_be_read(tmp_path: Path) -> None:
    measured = measure("pocket", tmp_path, AuditPlan(per_skill=2, max_tokens=80))
    names = {finding.what for finding in measured.findings}
    assert "adherence.prompt.strict" in names
    assert {f"adherence.skill.{skill}" for skill in SKILLS} <= names
    log = read_eval_log(measured.logs[0])
    assert log.status == "success"
    assert log.eval.model == "adhere/pocket"
    assert len(measured.run.kept) == len(log.samples or [])
    assert measured.errors == 0


def test_the_same_command_again_asks_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _model(monkeypatch, lambda *_: "The sea is blue.")
    first = measure("mock", tmp_path, AuditPlan(per_skill=1))
    before = asked[0]
    again = measure("mock", tmp_path, AuditPlan(per_skill=1))
    assert asked[0] == before
    assert again.run.kept == first.run.kept


def test_a_provider_that_fails_on_every_tenth_request_costs_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flaky(number: int, _text: str) -> str:
        if number % 10 == 0:
            raise RuntimeError("the provider fell over")
        return "The sea is blue."

    _model(monkeypatch, flaky)
    measured = measure("mock", tmp_path, AuditPlan(per_skill=3))
    assert len(measured.run.kept) == len(natural_samples(3))
    assert measured.errors == 0


def test_a_provider_that_always_fails_is_one_line_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(number: int, text: str) -> str:
        raise RuntimeError("the provider is down")

    monkeypatch.setattr(evaluating, "RETRIES", 0)
    _model(monkeypatch, dead)
    with pytest.raises(UserError, match="the provider is down"):
        measure("mock", tmp_path, AuditPlan(per_skill=1))


@pytest.mark.slow
def test_a_claim_far_from_true_is_refuted_early_and_the_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _model(monkeypatch, lambda *_: "")
    measured = measure("mock", tmp_path, AuditPlan(per_skill=1, claim=0.01, budget=300))
    assert measured.certificate is not None
    assert measured.certificate.settled is Settled.REFUTED
    assert measured.certificate.failures == measured.certificate.n < 300
    assert asked[0] < 300
    log = read_eval_log(measured.logs[1], header_only=True)
    assert log.results is not None
    assert log.results.early_stopping is not None
    finding = next(f for f in measured.findings if f.what == "certificate.failure_rate")
    assert finding.subject["settled"] == "refuted"


@pytest.mark.slow
def test_a_claim_is_certified_by_answers_that_meet_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adhere.measure.adherence.records.Record.followed", lambda *_: True)

    async def unmoved(self: Any, id: Any, epoch: int, scores: Any) -> None:
        self.sequence.update([False])

    monkeypatch.setattr(audit.Certifying, "complete_sample", unmoved)
    _model(monkeypatch, lambda *_: "x")
    measured = measure("mock", tmp_path, AuditPlan(per_skill=1, claim=0.1, budget=200))
    assert measured.certificate is not None
    assert measured.certificate.settled is Settled.CERTIFIED
    assert measured.certificate.n < 200


def test_figures_that_rest_on_a_judge_stand_beside_how_far_it_can_be_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adhere.measure.adherence import judge as judging

    def yes_man(input: list[Any], *_: Any) -> ModelOutput:
        word = input[-1].text.split("answer with the single word ")[1].split(".")[0]
        output = ModelOutput.from_content("mock", word)
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    made = judging.Judge(get_model("mockllm/model", custom_outputs=yes_man, memoize=False), b"yes man")
    monkeypatch.setattr(judging, "judge_of", lambda _: made)
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path / "cache"))
    judging.add_scorer("judge:yes", lambda: made)
    _model(monkeypatch, lambda *_: "The ship is ugly. Hey, what a sea!")
    measured = measure("mock", tmp_path / "run", AuditPlan(per_skill=3, judge="yes"))
    found = {finding.what: finding for finding in measured.findings}
    assert found["judge.agreement"].n > 3
    assert found["judge.agreement"].estimate < 0.9  # type: ignore[operator]
    assert found["judge.moved_to_pass"].estimate == 0.0
    assert found["judge.moved"].n >= len(judging.PLEAS)


def test_a_set_that_is_not_here_says_how_to_have_it() -> None:
    from adhere.measure.adherence.task import file_samples

    with pytest.raises(UserError, match="--data FILE"):
        file_samples("ifeval", None)
    with pytest.raises(UserError, match=r"pip install datasets|cannot be fetched"):
        file_samples("ifeval", "hub")
    with pytest.raises(UserError, match="on no hub"):
        file_samples("own", "hub")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("./nowhere", "no file or folder"),
        ("openai/gpt-5", "openai|OPENAI"),
        ("nobody/nothing", "no model 'nobody/nothing'"),
    ],
)
def test_a_model_that_cannot_be_used_is_one_line(
    name: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said) as caught:
        resolve(name)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_tokenizer_or_a_config_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"config\.json is missing"):
        resolve(str(tmp_path / "empty"))
    from adhere.models import pocket

    folder = tmp_path / "bare"
    folder.mkdir()
    for part in itertools.chain(pocket.path().glob("*.json"), pocket.path().glob("*.safetensors")):
        if "token" not in part.name:
            (folder / part.name).symlink_to(part)
    with pytest.raises(UserError, match="tokenizer"):
        resolve(str(folder))
