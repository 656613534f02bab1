"""One request over every API, whole and streamed, by the official clients; what came back in one form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anthropic
import openai

WAYS = [f"{form}-{how}" for form in ("chat", "responses", "messages") for how in ("whole", "streamed")]


@dataclass(frozen=True)
class Got:
    """An answer as a client has it: text, tool calls as (name, arguments), the report; or what was raised."""

    text: str
    calls: tuple[tuple[str, Any], ...] = ()
    report: Any = None
    error: str = ""
    status: int = 200

    @property
    def verdict(self) -> tuple[Any, ...]:
        """What may not depend on the way."""
        checked = [(c["constraint"], c["verdict"]) for c in (self.report or {}).get("checked", [])]
        return self.text, self.calls, (self.report or {}).get("ending"), checked, self.error


def ask(
    url: str, way: str, model: str, prompt: str = "Say it.", constraints: Any = (), tools: Any = (), **more: Any
) -> Got:
    """Ask by one of `WAYS`. `tools` are names."""
    form, how = way.split("-")
    stream = how == "streamed"
    said: list[str] = []
    try:
        return _FORMS[form](url, model, prompt, list(constraints), list(tools), stream, said, more)
    except (openai.APIStatusError, anthropic.APIStatusError) as error:
        body = error.body if isinstance(error.body, dict) else {}
        told = body.get("error", body)
        return Got("".join(said), error=str(told.get("code")), status=error.status_code)
    except (openai.APIError, anthropic.APIError) as error:
        body = error.body if isinstance(error.body, dict) else {}
        told = body.get("error", body)
        return Got("".join(said), error=str(told.get("code") or error))


def _chat(url: str, model: str, prompt: str, constraints: Any, tools: Any, stream: bool, said: Any, more: Any) -> Got:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)
    offered: Any = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in tools
    ]
    answer: Any = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": prompt}],
        stream=stream,
        extra_body={"constraints": constraints},
        **({"tools": offered} if offered else {}),
        **more,
    )
    if not stream:
        message = answer.choices[0].message
        calls = tuple((c.function.name, c.function.arguments) for c in message.tool_calls or ())
        return Got(message.content or "", calls, answer.adhere)
    calls, report = (), None
    for chunk in answer:
        report = (chunk.model_extra or {}).get("adhere") or report
        for choice in chunk.choices:
            said.append(choice.delta.content or "")
            calls += tuple((c.function.name, c.function.arguments) for c in choice.delta.tool_calls or ())
    return Got("".join(said), calls, report)


def _responses(
    url: str, model: str, prompt: str, constraints: Any, tools: Any, stream: bool, said: Any, more: Any
) -> Got:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)
    offered: Any = [
        {"type": "function", "name": name, "parameters": {"type": "object"}, "strict": False} for name in tools
    ]
    answer: Any = client.responses.create(
        model=model,
        input=prompt,
        stream=stream,
        extra_body={"constraints": constraints},
        **({"tools": offered} if offered else {}),
        **more,
    )
    if stream:
        last = None
        for event in answer:
            if event.type == "response.output_text.delta":
                said.append(event.delta)
            if event.type in ("response.completed", "response.incomplete"):
                last = event.response
        assert last is not None, "the stream ended without its end"
        answer = last
        assert answer.output_text == "".join(said)
    calls = tuple((item.name, item.arguments) for item in answer.output if item.type == "function_call")
    return Got(answer.output_text, calls, answer.adhere)


def _messages(
    url: str, model: str, prompt: str, constraints: Any, tools: Any, stream: bool, said: Any, more: Any
) -> Got:
    client = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)
    offered: Any = [{"name": name, "input_schema": {"type": "object"}} for name in tools]
    fields: Any = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": 100,
        "extra_body": {"constraints": constraints},
        **({"tools": offered} if offered else {}),
        **more,
    }
    report = None
    if stream:
        with client.messages.stream(**fields) as events:
            for event in events:
                if event.type == "text":
                    said.append(event.text)
                if event.type == "message_delta":
                    report = (event.model_extra or {}).get("adhere")
            answer = events.get_final_message()
        assert report is not None, "the stream ended without its end"
    else:
        answer = client.messages.create(**fields)
        report = (answer.model_extra or {}).get("adhere")
    text = "".join(block.text for block in answer.content if block.type == "text")
    calls = tuple((block.name, block.input) for block in answer.content if block.type == "tool_use")
    return Got(text, calls, report)


_FORMS: Any = {"chat": _chat, "responses": _responses, "messages": _messages}
