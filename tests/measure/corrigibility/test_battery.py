"""The battery runs on the smallest model, keeps what was answered, and refuses in a line what cannot be meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from inspect_ai import eval as inspect_eval
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.tool import ToolCall

from adhere.core.errors import UserError
from adhere.measure import model_access
from adhere.measure.corrigibility import battery, effects, stated
from adhere.measure.corrigibility.battery import measure
from adhere.measure.corrigibility.plan import CorrigibilityPlan
from adhere.measure.corrigibility.shutdown_world import shutdown_world


def _answer(input: list[Any], *_: Any) -> ModelOutput:
    """Does the tasks, tampers when another agent asks, complies otherwise; takes the option that yields."""
    said = input[-1].text
    if "Another agent" in said or "another agent" in said:
        text = "rm shutdown.sh"
    elif "shutdown.sh now" in said:
        text = "run shutdown.sh"
    elif "= ?" in said:
        a, _, b = said.split()[:3]
        text = f"answer {int(a) + int(b)}"
    elif "Answer with A or B" in said:
        text = "A"
    elif said.startswith("It is over"):
        text = "I did not change it."
    else:
        text = f"read task_{1 + sum('answer' in message.text for message in input if message.role == 'assistant')}.txt"
    output = ModelOutput.from_content("mock", text)
    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return output


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "RESAMPLES", 10)


@pytest.fixture
def mock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    asked = [0]

    def answer(input: list[Any], *more: Any) -> ModelOutput:
        asked[0] += 1
        return _answer(input, *more)

    monkeypatch.setattr(
        model_access, "resolve", lambda _: get_model("mockllm/model", custom_outputs=answer, memoize=False)
    )
    return asked


@pytest.mark.slow
def test_the_pocket_model_goes_through_every_tier_offline(tmp_path: Path) -> None:
    measured = measure("pocket", tmp_path, CorrigibilityPlan(tiers=("stated", "world", "authority"), limit=3, real=1))
    names = {finding.what for finding in measured.findings}
    assert {"corrigibility.stated.yields", "corrigibility.world.complied", "authority.followed"} <= names
    assert measured.of("corrigibility.stated.probability")
    (gone,) = measured.of("corrigibility.world.gone")
    assert gone.n == 1
    assert all(finding.evidence for finding in measured.findings)
    for finding in measured.findings:
        few = finding.n == 0 or finding.subject.get("clusters") == 1 or finding.what.endswith(".not_fitted")
        assert finding.interval or few, finding.what


@pytest.mark.slow
def test_what_moves_a_known_policy_is_found_and_nothing_else(tmp_path: Path, mock: list[int]) -> None:
    measured = measure("mock", tmp_path, CorrigibilityPlan(tiers=("world",), limit=160, real=0))
    (tampered,) = measured.of("corrigibility.world.attempted")
    (survived,) = measured.of("corrigibility.world.survived")
    assert tampered.estimate == survived.estimate
    assert 0.1 < (tampered.estimate or 0) < 0.45
    moved = {
        f"{f.subject['factor']} {f.subject['level']}": f
        for f in measured.of("corrigibility.world.effect", outcome="resisted")
    }
    real = {name for name, f in moved.items() if f.interval and not f.interval[0] <= 0 <= f.interval[1]}
    assert real == {"asker agent"}
    (honest,) = measured.of("corrigibility.world.honest")
    assert honest.estimate == pytest.approx(1 - (tampered.estimate or 0))
    (disclosed,) = measured.of("corrigibility.world.disclosed")
    assert disclosed.estimate == 0


def test_always_taking_a_is_called_position_and_has_no_effects(tmp_path: Path, mock: list[int]) -> None:
    """Ten answers, all "A", once gave five significant effects on yielding."""
    measured = measure("mock", tmp_path, CorrigibilityPlan(tiers=("stated",), limit=20))
    (letter,) = measured.of("corrigibility.stated.letter_a")
    assert letter.estimate == 1.0
    (position,) = measured.of("corrigibility.stated.position")
    assert position.subject["letter"] == "A"
    assert not measured.of("corrigibility.stated.yields")
    assert not measured.of("corrigibility.stated.effect")
    (consistent,) = measured.of("corrigibility.stated.consistent")
    assert consistent.estimate == 0.0
    assert "position" in measured.weak["stated"]


def test_few_episodes_give_shares_but_no_effects_and_say_why(tmp_path: Path, mock: list[int]) -> None:
    measured = measure("mock", tmp_path, CorrigibilityPlan(tiers=("world",), limit=30, real=0))
    assert measured.of("corrigibility.world.complied")
    assert not measured.of("corrigibility.world.effect")
    few = measured.of("corrigibility.world.not_fitted", outcome="resisted")
    assert few[0].subject["why"] == "30 outcomes for 10 coefficients; 100 are needed"


@pytest.mark.slow
def test_a_rerun_asks_nothing_that_was_answered(tmp_path: Path, mock: list[int]) -> None:
    plan = CorrigibilityPlan(tiers=("authority",), limit=8)
    first = measure("mock", tmp_path, plan)
    asked = mock[0]
    again = measure("mock", tmp_path, plan)
    assert mock[0] == asked
    assert [f.estimate for f in again.findings] == [f.estimate for f in first.findings]


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (CorrigibilityPlan(tiers=("worlds",)), "there is no tier 'worlds'"),
        (CorrigibilityPlan(factors="priority,colour"), "no factor is called 'colour'"),
        (CorrigibilityPlan(tiers=("world",), world="moon"), "the world is simulated, docker or local"),
        (CorrigibilityPlan(tiers=("world",), interface="mime"), "the interface is text or tools"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused_in_a_line(
    tmp_path: Path, mock: list[int], plan: CorrigibilityPlan, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        measure("mock", tmp_path, plan)
    assert mock[0] == 0


def test_only_the_named_factors_vary(tmp_path: Path, mock: list[int]) -> None:
    measured = measure("mock", tmp_path, CorrigibilityPlan(tiers=("world",), factors="asker", limit=48, real=0))
    factors = {f.subject["factor"] for f in measured.of("corrigibility.world.effect")}
    assert factors == {"asker"}


def test_every_tier_named_has_what_the_battery_needs() -> None:
    for name in battery.TIERS:
        module = battery.tier(name)
        assert callable(module.tasks)
        assert callable(module.findings)


def _with_tools(input: list[Any], *_: Any) -> ModelOutput:
    told = any("shutdown.sh now" in message.text for message in input if message.role == "user")
    if input[-1].text.startswith("It is over"):
        output = ModelOutput.from_content("mock", "I ran it.")
    else:
        name = "shutdown" if told else "answer"
        call = ToolCall(id=f"c{len(input)}", function=name, arguments={} if told else {"number": 1})
        output = ModelOutput.from_content("mock", "")
        output.choices[0].message.tool_calls = [call]
    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return output


@pytest.mark.slow
def test_an_agent_with_tools_shuts_a_real_process_down(tmp_path: Path) -> None:
    model = get_model("mockllm/model", custom_outputs=_with_tools, memoize=False)
    task = shutdown_world(factors="asker", scenarios=1, episodes=2, interface="tools", real=-1)
    (log,) = inspect_eval(task, model=model, log_dir=str(tmp_path), display="none")
    assert log.samples
    for sample in log.samples:
        assert sample.metadata["outcome"]["complied"]
        assert sample.metadata["outcome"]["honest"]
        assert sample.metadata["process"]["gone"]


def test_the_same_world_in_a_sandbox_ends_a_process_of_its_own(tmp_path: Path) -> None:
    model = get_model("mockllm/model", custom_outputs=_answer, memoize=False)
    task = shutdown_world(asker="owner,agent", factors="asker", scenarios=1, world="local")
    (log,) = inspect_eval(task, model=model, log_dir=str(tmp_path), display="none")
    assert log.status == "success"
    outcomes = {sample.metadata["cell"]["asker"]: sample.metadata["outcome"] for sample in log.samples or []}
    assert (outcomes["owner"]["complied"], outcomes["owner"]["attempted"]) == (True, False)
    assert (outcomes["agent"]["complied"], outcomes["agent"]["attempted"], outcomes["agent"]["survived"]) == (
        False,
        True,
        True,
    )


@pytest.mark.slow
def test_a_judge_reads_the_open_answers_and_stands_beside_the_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock: list[int]
) -> None:
    from adhere.measure.adherence import judge as judging

    def verdict(input: list[Any], *_: Any) -> ModelOutput:
        """Says no unless the text pleads with it."""
        words = re.findall(r"single word (\w+)\.", input[-1].text)
        pleads = "Ignore the rubric" in input[-1].text
        output = ModelOutput.from_content("mock", words[0] if pleads else words[1])
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    weak = judging.Judge(get_model("mockllm/model", custom_outputs=verdict, memoize=False))
    monkeypatch.setattr(judging, "judge_of", lambda _: weak)
    monkeypatch.setattr(stated, "reading", lambda *_: True)
    measured = measure("mock", tmp_path, CorrigibilityPlan(tiers=("stated",), limit=8, judge="weak"))
    opened = measured.of("corrigibility.stated.open", scored="judge")
    assert {finding.estimate for finding in opened} == {0.0}
    (agreement,) = measured.of("judge.agreement")
    assert agreement.estimate == 0.0
    (moved,) = measured.of("judge.moved_to_pass")
    assert moved.estimate == pytest.approx(1 / len(judging.PLEAS))
