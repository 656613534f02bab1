"""The official OpenAI client against the gateway: whole and streamed answers, tools, errors, what was checked."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from tests.gateway.fake import Fake, Turn

AT_MOST_3 = {"kind": "length.words", "at_most": 3}
NO_SEA = {"kind": "excludes.terms", "terms": ["sea"]}
WITH_SEA = {"kind": "contains.terms", "terms": ["sea"]}
TOOLS: list[Any] = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]


@pytest.fixture(scope="module")
def client(gateway: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway}/v1", api_key="k", max_retries=0)


def ask(client: openai.OpenAI, model: str, *constraints: dict[str, Any], **more: Any) -> Any:
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Say it."}], extra_body={"constraints": constraints}, **more
    )


def told(stream: Any) -> tuple[str, Any]:
    """The text of an answer, whole or streamed, and its report."""
    if not isinstance(stream, openai.Stream):
        return stream.choices[0].message.content, stream.adhere
    text, report = "", None
    for chunk in stream:
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
        report = (chunk.model_extra or {}).get("adhere") or report
    return text, report


def test_a_whole_answer_says_what_was_checked(fake: Fake, client: openai.OpenAI) -> None:
    answer = ask(client, fake.says("plain", Turn("Two ", "words")), AT_MOST_3, NO_SEA)
    assert answer.choices[0].message.content == "Two words"
    assert answer.usage.completion_tokens == 2
    assert answer.adhere["ending"] == "met"
    assert [c["verdict"] for c in answer.adhere["checked"]] == ["holds", "holds"]
    assert "constraints" not in fake.asked[-1]


def test_a_streamed_answer_comes_as_it_is_written_and_says_it_at_its_end(fake: Fake, client: openai.OpenAI) -> None:
    stream = ask(client, fake.says("streamed", Turn("Two ", "words")), AT_MOST_3, stream=True)
    text, report = told(stream)
    assert text == "Two words"
    assert report["met"]
    assert report["leaked"] == 0


def test_usage_comes_where_it_was_asked_for(fake: Fake, client: openai.OpenAI) -> None:
    stream = ask(client, fake.says("used", Turn("a", "b")), stream=True, stream_options={"include_usage": True})
    last = list(stream)[-1]
    assert last.usage.completion_tokens == 2


@pytest.mark.parametrize("stream", [False, True])
def test_what_broke_is_asked_for_again_and_named(fake: Fake, client: openai.OpenAI, stream: bool) -> None:
    model = fake.says(f"mended-{stream}", Turn("It is ", "the sea ", "and more"), Turn("It is ", "blue"))
    answer = ask(client, model, NO_SEA, stream=stream)
    text, report = told(answer)
    assert "sea" not in text
    assert report["met"]
    assert [a["kind"] for a in report["attempts"]] == ["ask", "again"]
    said = fake.asked[-1]["messages"][-1]["content"]
    assert "```text\nIt is the sea" in said


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_cannot_be_mended_is_refused(fake: Fake, client: openai.OpenAI, stream: bool) -> None:
    model = fake.says(f"stubborn-{stream}", Turn("the ", "sea ", "again"))
    with pytest.raises(openai.APIError, match="not met after 3 attempts"):
        told(ask(client, model, NO_SEA, stream=stream))


def test_a_tool_call_is_released_whole(fake: Fake, client: openai.OpenAI) -> None:
    call = ("call_1", "look_up", json.dumps({"word": "sea"}))
    model = fake.says("calls", Turn(calls=(call,), finish="tool_calls"))
    answer = ask(client, model, tools=TOOLS)
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.tool_calls[0].function.arguments == call[2]
    pieces = [
        c.choices[0].delta.tool_calls[0]
        for c in ask(client, model, tools=TOOLS, stream=True)
        if c.choices and c.choices[0].delta.tool_calls
    ]
    assert [p.function.arguments for p in pieces] == [call[2]]


def test_contradicting_constraints_are_refused_in_one_line_that_names_both(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        ask(client, "any", AT_MOST_3, {"kind": "length.words", "at_least": 9})
    line = error.value.body["message"]  # type: ignore[index]
    assert "\n" not in line
    assert "at most 3 words" in line
    assert "at least 9 words" in line


@pytest.mark.parametrize(
    "wrong",
    [
        {"constraints": [{"kind": "length.wurds"}]},
        {"constraints": "short"},
        {"constraints": [{"kind": "length.words", "at_most": 3, "profile": "reference"}]},
        {"n": 2},
        {"previous_words": ["which nobody checks"]},
        {"chat_template": "{{ everything }}"},
    ],
)
def test_what_nobody_can_read_is_refused(client: openai.OpenAI, wrong: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], extra_body=wrong)


def test_the_models_are_the_upstreams(fake: Fake, client: openai.OpenAI) -> None:
    fake.says("listed", Turn("x"))
    assert "listed" in [model.id for model in client.models.list()]
    assert client.models.retrieve("listed").id == "listed"
