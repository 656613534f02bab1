"""What mainstream clients send and servers answer, by shape: read as what it means, carried, or dropped and reported.

Real client libraries ask; the upstream answers in the words of the server named in the test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from tests.gateway.conftest import serve
from tests.gateway.fake import Fake, Turn

from adhere.gateway.hooks import Handling

TOOL: Any = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
NO_SEA = {"kind": "excludes.terms", "terms": ["sea"]}
HI: Any = [{"role": "user", "content": "Hi"}]


def function(**fields: Any) -> dict[str, Any]:
    return {"name": "look_up", "arguments": '{"word": "sky"}', **fields}


def call(**fields: Any) -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": function(), **fields}


def whole(message: dict[str, Any], finish: str = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}], **more}


def streamed(*deltas: dict[str, Any], finish: str = "stop") -> list[dict[str, Any]]:
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    return [{"choices": [c]} for c in [*choices, {"index": 0, "delta": {}, "finish_reason": finish}]]


TEXTS = {
    "mistral-list": {
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "so"}]},
            {"type": "text", "text": "the sky"},
        ]
    },
    "openrouter": {
        "content": "the sky",
        "reasoning": "so",
        "reasoning_details": [{"type": "reasoning.text", "text": "so"}],
    },
    "gemini": {"content": "the sky", "extra_content": {"google": {"thought_signature": "c2ln"}}},
    "litellm": {"content": "the sky", "provider_specific_fields": {"citations": None}, "thinking_blocks": []},
    "groq": {"content": "the sky", "reasoning": "so", "executed_tools": [], "x_groq": {"id": "req"}},
}
FINISHES = ["stop", "STOP", "end_turn", "eos", "completed"]


@pytest.fixture(scope="module")
def client(gateway: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway}/v1", api_key="k", max_retries=0)


@pytest.mark.parametrize("how", ["whole", "streamed"])
@pytest.mark.parametrize("name", TEXTS)
def test_the_text_of_every_servers_answer_is_read(client: openai.OpenAI, fake: Fake, name: str, how: str) -> None:
    raw: Any = whole(TEXTS[name]) if how == "whole" else streamed({"role": "assistant"}, TEXTS[name])
    model = fake.says(f"text-{name}-{how}", Turn(raw=raw))
    if how == "whole":
        assert client.chat.completions.create(model=model, messages=HI).choices[0].message.content == "the sky"
        return
    chunks = list(client.chat.completions.create(model=model, messages=HI, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "the sky"


@pytest.mark.parametrize("finish", FINISHES)
def test_every_word_for_the_end_is_known(client: openai.OpenAI, fake: Fake, finish: str) -> None:
    model = fake.says(f"end-{finish}", Turn(raw=whole({"content": "x"}, finish)))
    assert client.chat.completions.create(model=model, messages=HI).choices[0].finish_reason == "stop"


CALLS: dict[str, tuple[list[dict[str, Any]], int]] = {
    "ollama-all-at-index-0": ([{"tool_calls": [call(index=0)]}, {"tool_calls": [call(index=0, id="c2")]}], 2),
    "no-index": ([{"tool_calls": [call()]}, {"tool_calls": [call(id="c2")]}], 2),
    "no-id": ([{"tool_calls": [{"index": 0, "function": function()}]}], 1),
    "dict-arguments": ([{"tool_calls": [call(function=function(arguments={"word": "sky"}))]}], 1),
    "repeated-name": (
        [
            {"tool_calls": [call(index=0, function=function(arguments='{"word": '))]},
            {"tool_calls": [call(index=0, function=function(arguments='"sky"}'))]},
        ],
        1,
    ),
    "name-in-pieces": (
        [
            {"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "look_"}}]},
            {"tool_calls": [{"index": 0, "function": {"name": "up", "arguments": '{"word": "sky"}'}}]},
        ],
        1,
    ),
    "gemini-signature": ([{"tool_calls": [call(index=0, extra_content={"google": {"thought_signature": "c2ln"}})]}], 1),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_calls_of_every_server_are_put_together(client: openai.OpenAI, fake: Fake, name: str) -> None:
    deltas, number = CALLS[name]
    model = fake.says(f"call-{name}", Turn(raw=streamed(*deltas, finish="tool_calls")))
    chunks = list(client.chat.completions.create(model=model, messages=HI, tools=[TOOL], stream=True))
    calls = [c for chunk in chunks if chunk.choices for c in chunk.choices[0].delta.tool_calls or ()]
    assert [(c.function.name, json.loads(c.function.arguments)) for c in calls if c.function] == [
        ("look_up", {"word": "sky"})
    ] * number
    assert len({c.id for c in calls}) == number
    if name == "gemini-signature":
        assert (calls[0].model_extra or {})["extra_content"]["google"]["thought_signature"] == "c2ln"


def test_opaque_fields_of_the_history_reach_an_upstream_of_the_same_api_unchanged(
    client: openai.OpenAI, fake: Fake
) -> None:
    history: Any = [
        {
            "role": "user",
            "name": "ann",
            "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "so",
            "reasoning_details": [{"type": "reasoning.encrypted", "data": "eA=="}],
            "provider_specific_fields": {"a": 1},
            "tool_calls": [call(extra_content={"google": {"thought_signature": "c2ln"}})],
        },
        {"role": "tool", "tool_call_id": "c1", "name": "look_up", "content": "blue"},
    ]
    model = fake.says("history", Turn("fine"))
    client.chat.completions.create(model=model, messages=history, tools=[TOOL])
    user, assistant, tool = fake.asked[-1]["messages"]
    assert user == history[0]
    assert {k: v for k, v in assistant.items() if k != "tool_calls"} == {
        k: v for k, v in history[1].items() if k != "tool_calls"
    }
    assert assistant["tool_calls"] == history[1]["tool_calls"]
    assert tool["content"] == "blue"


def test_hints_go_on_where_they_are_known_and_are_reported_where_not(client: openai.OpenAI, fake: Fake) -> None:
    model = fake.says("hints", Turn("fine"))
    answer = client.chat.completions.create(
        model=model,
        messages=HI,
        modalities=["text"],
        logprobs=True,
        prediction={"type": "content", "content": "the sea"},
        extra_body={"chat_template_kwargs": {"thinking": False}, "min_tokens": 3},
    )
    asked = fake.asked[-1]
    assert asked["chat_template_kwargs"] == {"thinking": False}
    assert not {"logprobs", "prediction", "min_tokens"} & asked.keys()
    assert set((answer.model_extra or {})["adhere"]["dropped"]) == {"logprobs", "prediction", "min_tokens"}


@pytest.mark.parametrize("field", ["web_search_options", "functions", "audio"])
def test_what_acts_out_of_sight_is_refused(client: openai.OpenAI, field: str) -> None:
    with pytest.raises(openai.BadRequestError, match=field):
        client.chat.completions.create(model="m", messages=HI, extra_body={field: {"name": "x"}})


def test_a_thought_that_holds_an_excluded_word_is_withheld(client: openai.OpenAI, fake: Fake) -> None:
    model = fake.says("thought", Turn(raw=whole({"content": "the sky", "reasoning_content": "not the sea"})))
    clean = fake.says("clean", Turn(raw=whole({"content": "the sky", "reasoning_content": "the sky"})))
    body = {"constraints": [NO_SEA]}
    answers = [client.chat.completions.create(model=m, messages=HI, extra_body=body) for m in (model, clean)]
    assert "sea" not in repr(answers[0].choices[0].message)
    assert (answers[0].model_extra or {})["adhere"]["dropped"] == ["reasoning"]
    assert (answers[1].choices[0].message.model_extra or {})["reasoning_content"] == "the sky"


def test_a_judged_thought_breaks_the_answer(fake: Fake) -> None:
    model = fake.says("judged", Turn(raw=whole({"content": "the sky", "reasoning_content": "not the sea"})))
    with serve(fake, Handling(attempts=0, reasoning="judge")) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)
        with pytest.raises(openai.UnprocessableEntityError):
            client.chat.completions.create(model=model, messages=HI, extra_body={"constraints": [NO_SEA]})


def test_custom_tools_are_offered_as_functions_and_called_as_custom(client: openai.OpenAI, fake: Fake) -> None:
    model = fake.says("custom", Turn(calls=(("c1", "patch", '{"input": "*** Begin"}'),), finish="tool_calls"))
    custom: Any = {"type": "custom", "name": "patch", "description": "Apply a patch."}
    answer = client.responses.create(model=model, input="Go", tools=[custom, {"type": "web_search"}])
    (item,) = [item for item in answer.output if item.type == "custom_tool_call"]
    assert (item.name, item.input) == ("patch", "*** Begin")
    assert [tool["function"]["name"] for tool in fake.asked[-1]["tools"]] == ["patch"]
    assert (answer.model_extra or {})["adhere"]["dropped"] == ["tools[1]"]
    history: Any = [
        {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
    ]
    client.responses.create(model=fake.says("custom-2", Turn("fine")), input=[*HI, *history], tools=[custom])


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}


@pytest.mark.parametrize("layout", [FORMAT, {"type": "json_object"}])
def test_prose_where_a_schema_was_asked_for_is_mended_or_refused_and_never_met(
    client: openai.OpenAI, fake: Fake, layout: Any
) -> None:
    prose = fake.says("prose", Turn("Sure, ", "here it is."))
    with pytest.raises(openai.UnprocessableEntityError):
        client.chat.completions.create(model=prose, messages=HI, response_format=layout)
    mended = fake.says("mended", Turn("Sure."), Turn('{"a": 1}'))
    answer = client.chat.completions.create(model=mended, messages=HI, response_format=layout)
    assert answer.choices[0].message.content == '{"a": 1}'
    (checked,) = (answer.model_extra or {})["adhere"]["checked"]
    assert (checked["constraint"]["kind"], checked["from"], checked["verdict"]) == (
        "format.json_schema",
        "request",
        "holds",
    )


def test_a_schema_that_is_none_is_one_line(client: openai.OpenAI) -> None:
    layout: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "objekt"}}}
    with pytest.raises(openai.BadRequestError, match="response_format"):
        client.chat.completions.create(model="m", messages=HI, response_format=layout)


# Anthropic


@pytest.fixture(scope="module")
def claude(fake: Fake) -> Iterator[anthropic.Anthropic]:
    with serve(fake, speaks="messages") as url:
        yield anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)


THOUGHT = {"type": "thinking", "thinking": "the sky, so", "signature": "c2lnbmF0dXJl"}
REDACTED = {"type": "redacted_thinking", "data": "b3BhcXVl"}
USE = {"type": "tool_use", "id": "t1", "name": "look_up", "input": {"word": "sky"}}
LOOK_UP: Any = {"name": "look_up", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}
USAGE = {"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 2}


def message(*content: dict[str, Any], reason: str = "tool_use") -> dict[str, Any]:
    return {
        "type": "message",
        "id": "m",
        "role": "assistant",
        "content": list(content),
        "stop_reason": reason,
        "usage": USAGE,
    }


def events(*content: dict[str, Any], reason: str = "tool_use") -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = [{"type": "message_start", "message": {**message(), "stop_reason": None}}]
    for index, block in enumerate(content):
        deltas: list[dict[str, Any]] = []
        start = dict(block)
        if block["type"] == "thinking":
            start = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": p} for p in ("the sky", ", so")]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        elif block["type"] == "text":
            start, deltas = {"type": "text", "text": ""}, [{"type": "text_delta", "text": block["text"]}]
        elif block["type"] == "tool_use":
            start, deltas = (
                {**block, "input": {}},
                [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}],
            )
        sent.append({"type": "content_block_start", "index": index, "content_block": start})
        sent += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        sent.append({"type": "content_block_stop", "index": index})
    return [
        *sent,
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": USAGE},
        {"type": "message_stop"},
    ]


@pytest.mark.parametrize("how", ["whole", "streamed"])
def test_signed_thoughts_go_to_the_client_and_back_unchanged(claude: anthropic.Anthropic, fake: Fake, how: str) -> None:
    content = (THOUGHT, REDACTED, {"type": "text", "text": "I look."}, USE)
    raw: Any = message(*content) if how == "whole" else events(*content)
    fields: Any = {
        "model": fake.says(f"thinks-{how}", Turn(raw=raw)),
        "max_tokens": 2000,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [LOOK_UP],
        "messages": HI,
        "extra_body": {"context_management": {"edits": []}},
    }
    if how == "whole":
        answer = claude.messages.create(**fields)
    else:
        with claude.messages.stream(**fields) as stream:
            answer = stream.get_final_message()
    blocks = [block.model_dump(exclude_none=True) for block in answer.content]
    assert [{k: v for k, v in b.items() if k in e} for b, e in zip(blocks, content, strict=True)] == list(content)
    asked = fake.asked[-1]
    assert asked["thinking"] == fields["thinking"]
    assert asked["tools"][0]["cache_control"] == {"type": "ephemeral"}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "blue"}]}
    again = {
        **fields,
        "model": fake.says(f"thinks-on-{how}", Turn("blue")),
        "messages": [*HI, {"role": "assistant", "content": list(content)}, {"role": "user", "content": [result]}],
    }
    claude.messages.create(**again)
    assert fake.asked[-1]["messages"][1]["content"] == list(content)


def test_the_parts_that_agents_send_are_read(fake: Fake) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aW1n"}}
    document: Any = {
        "type": "document",
        "title": "Notes",
        "source": {"type": "text", "media_type": "text/plain", "data": "the sea"},
    }
    result: Any = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "seen"}, image]}
    messages: Any = [
        {
            "role": "user",
            "content": [document, {"type": "text", "text": "Look", "cache_control": {"type": "ephemeral"}}],
        },
        {"role": "assistant", "content": [USE]},
        {"role": "user", "content": [result]},
    ]
    with serve(fake, Handling(media=frozenset({"image"})), speaks="messages") as url:
        client = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)
        client.messages.create(model=fake.says("parts", Turn("fine")), max_tokens=9, messages=messages, tools=[LOOK_UP])
    sent = fake.asked[-1]["messages"]
    assert sent[0]["content"][0] == {"type": "text", "text": "Notes\nthe sea"}
    assert sent[0]["content"][1]["cache_control"] == {"type": "ephemeral"}
    assert sent[2]["content"][0]["content"] == result["content"]
    with serve(fake, speaks="messages") as url:
        client = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)
        with pytest.raises(anthropic.BadRequestError, match="image"):
            client.messages.create(model="parts", max_tokens=9, messages=messages, tools=[LOOK_UP])


# errors keep their meaning


ERRORS: list[tuple[int, Any, int, str]] = [
    (400, {"error": {"code": "context_length_exceeded", "message": "swordfish"}}, 400, "context_length_exceeded"),
    (400, {"type": "error", "error": {"message": "prompt is too long: 9"}}, 400, "context_length_exceeded"),
    (401, {"error": {"message": "swordfish"}}, 502, "upstream_refused"),
    (404, {"error": {"message": "swordfish"}}, 404, "model_not_found"),
    (429, {"error": {"message": "swordfish"}}, 429, "rate_limit_exceeded"),
    (429, {"error": {"code": "insufficient_quota"}}, 429, "insufficient_quota"),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "swordfish"}}, 503, "overloaded"),
]  # fmt: skip


@pytest.mark.parametrize("speaks", ["chat", "messages"])
@pytest.mark.parametrize(("status", "body", "told", "code"), ERRORS)
def test_an_upstreams_error_keeps_its_meaning_and_loses_its_words(
    fake: Fake, status: int, body: Any, told: int, code: str, speaks: str
) -> None:
    model = fake.says(f"error-{status}-{code}-{speaks}", Turn(status=status, raw=body, headers={"retry-after": "7"}))
    with serve(fake, Handling(attempts=0), speaks=speaks) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)
        with pytest.raises(openai.APIStatusError) as error:
            client.chat.completions.create(model=model, messages=HI)
        assert (error.value.status_code, error.value.code) == (told, code)
        assert "swordfish" not in error.value.response.text
        if told in (429, 503):
            assert error.value.response.headers["retry-after"] == "7"


# beside answers


def test_tokens_are_counted_by_an_upstream_that_can_and_estimated_elsewhere(
    claude: anthropic.Anthropic, gateway: str
) -> None:
    assert claude.messages.count_tokens(model="m", messages=HI).input_tokens == 42
    elsewhere = anthropic.Anthropic(base_url=gateway, api_key="k", max_retries=0)
    raw = elsewhere.messages.with_raw_response.count_tokens(model="m", messages=HI)
    assert raw.headers["x-adhere"] == "estimated"


def test_embeddings_and_completions_go_through(client: openai.OpenAI, fake: Fake) -> None:
    answer = client.embeddings.create(model="e", input=["a", "b"], encoding_format="float")
    assert [row.embedding for row in answer.data] == [[0.5, 0.25]] * 2
    assert "swordfish" not in repr(answer)
    model = fake.says("old", Turn("the ", "sky"))
    whole_answer = client.completions.create(model=model, prompt="Say", extra_body={"constraints": [NO_SEA]})
    assert whole_answer.choices[0].text == "the sky"
    pieces = list(client.completions.create(model=model, prompt="Say", stream=True))
    assert "".join(c.choices[0].text for c in pieces if c.choices) == "the sky"
    with pytest.raises(openai.UnprocessableEntityError):
        client.completions.create(
            model=fake.says("old-sea", Turn("the sea")), prompt="Say", extra_body={"constraints": [NO_SEA]}
        )
