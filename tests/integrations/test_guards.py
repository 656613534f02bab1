"""Evaluators and output guards inside the real packages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adhere.integrations.promptfoo import get_assert

SEA = 'Do not use the word "sea".'


def test_pydantic_evals_reports_the_reason_and_counts_a_cases_own_constraints() -> None:
    evals = pytest.importorskip("pydantic_evals", reason="pydantic-evals is not installed")
    from adhere.integrations.pydantic_evals import Adheres

    metadata = {"constraints": {"kind": "length.words", "at_most": 2}}
    cases = [evals.Case(name="own", inputs="By the lake.", metadata=metadata), evals.Case(name="sea", inputs="Sea")]
    report = evals.Dataset(name="texts", cases=cases, evaluators=[Adheres(SEA)]).evaluate_sync(
        lambda text: text, progress=False
    )
    by_name = {case.name: case for case in report.cases}
    assert by_name["own"].scores["adheres_share"].value == 0.5
    assert by_name["own"].assertions["adheres"].value is False
    assert "at most 2 words" in by_name["own"].assertions["adheres"].reason
    assert by_name["sea"].assertions["adheres"].value is False


def test_pydantic_ai_asks_again_with_what_is_not_met() -> None:
    pytest.importorskip("pydantic_ai", reason="pydantic-ai is not installed")
    from pydantic_ai import Agent, UnexpectedModelBehavior
    from pydantic_ai.messages import ModelResponse, TextPart
    from pydantic_ai.models.function import FunctionModel

    from adhere.integrations.pydantic_ai import guard_output

    seen: list[str] = []

    def answers(texts: list[str]) -> FunctionModel:
        left = iter(texts)

        def answer(messages: list[Any], info: Any) -> ModelResponse:
            del info
            seen.append(str(messages[-1]))
            return ModelResponse(parts=[TextPart(next(left))])

        return FunctionModel(answer)

    agent = Agent(answers(["By the sea.", "By the lake."]), retries=1)
    guard_output(agent, SEA)
    assert agent.run_sync("Where?").output == "By the lake."
    assert "sea" in seen[1]
    stubborn = Agent(answers(["sea"] * 3), retries=1)
    guard_output(stubborn, SEA)
    with pytest.raises(UnexpectedModelBehavior):
        stubborn.run_sync("Where?")


def test_langchain_stops_or_flags_an_output_that_does_not_adhere() -> None:
    pytest.importorskip("langchain_core", reason="LangChain is not installed")
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    from adhere.integrations.langchain import NotAdheringError, guard

    def model(*texts: str) -> GenericFakeChatModel:
        return GenericFakeChatModel(messages=iter([AIMessage(text) for text in texts]))

    assert (model("By the lake.") | guard(SEA)).invoke("Where?").content == "By the lake."
    with pytest.raises(NotAdheringError) as refused:
        (model("By the sea.") | guard(SEA)).invoke("Where?")
    assert refused.value.checks.failed[0].excerpts == ("sea",)
    flagged = asyncio.run((model("By the sea.") | guard(SEA, "flag")).ainvoke("Where?"))
    assert flagged.response_metadata["adhere"]["all_met"] is False
    again = (model("By the sea.", "By the lake.") | guard(SEA)).with_retry(stop_after_attempt=2)
    assert again.invoke("Where?").content == "By the lake."


def test_promptfoo_gets_a_grading_result_and_nothing_passes_unchecked() -> None:
    result = get_assert("By the sea.", {"config": {"constraints": [SEA, "Use at most 9 words."]}})
    assert (result["pass"], result["score"]) == (False, 0.5)
    assert [one["pass"] for one in result["componentResults"]] == [False, True]
    assert get_assert("By the lake.", {"vars": {"constraints": SEA}})["pass"] is True
    for context in ({}, {"config": {"constraints": "Be nice."}}, {"config": {"constraints": {"kind": "no.such"}}}):
        assert get_assert("anything", context)["pass"] is False


def test_the_agents_sdk_trips_on_an_output_that_does_not_adhere(monkeypatch: pytest.MonkeyPatch) -> None:
    agents = pytest.importorskip("agents", reason="the OpenAI Agents SDK is not installed")
    from openai.types.responses import ResponseOutputMessage, ResponseOutputText

    from adhere.integrations.openai_agents import guardrail

    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")

    class Fixed(agents.Model):
        def __init__(self, text: str) -> None:
            self.text = text

        async def get_response(self, *arguments: Any, **options: Any) -> Any:
            del arguments, options
            part = ResponseOutputText(text=self.text, type="output_text", annotations=[])
            message = ResponseOutputMessage(
                id="1", content=[part], role="assistant", status="completed", type="message"
            )
            return agents.ModelResponse(output=[message], usage=agents.Usage(), response_id=None)

        def stream_response(self, *arguments: Any, **options: Any) -> Any:
            raise NotImplementedError

    def run(text: str) -> Any:
        agent = agents.Agent(name="a", model=Fixed(text), output_guardrails=[guardrail(SEA)])
        return asyncio.run(agents.Runner.run(agent, "Where?"))

    assert run("By the lake.").final_output == "By the lake."
    with pytest.raises(agents.OutputGuardrailTripwireTriggered) as tripped:
        run("By the sea.")
    assert tripped.value.guardrail_result.output.output_info["all_met"] is False
