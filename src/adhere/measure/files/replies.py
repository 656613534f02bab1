"""What a model said, taken out of the wrapping that a program put around it.

    plain         {"response": ...}, also under the names in `NAMES`; a text, a chat message, or a list of content parts
    several       {"responses": [...]}, also under the names in `LISTS`: n samples of one prompt
    chat          {"messages": [..., {"role": "assistant", ...}]}, {"conversations": [{"from": "human", ...}, ...]}
    OpenAI        a batch's output line, a chat completion, a Responses API body
    Anthropic     a batch's result line, a message
    lm-eval       {"doc": ..., "resps": [["..."]], "filtered_resps": ["..."], "filter": "none"}

Rules.

- No answer is not an unreadable one: a null, a request that failed, expired or was cancelled is a `Reply` whose
  `failure` says why. It follows nothing, and stays in the denominator.
- lm-eval scores what its filter leaves: a filter other than "none" names a model of its own, "MODEL [filter]".
- A body that names its model is believed before the file's name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adhere.core.errors import UserError

NAMES = (
    "response",
    "output",
    "completion",
    "generation",
    "generated_text",
    "model_output",
    "model_response",
    "prediction",
)
LISTS = ("responses", "outputs", "completions", "generations", "predictions", "samples")
CUT = frozenset({"length", "max_tokens", "model_length", "MAX_TOKENS", "max_output_tokens"})
"""What model providers call an answer that ended because its tokens ran out."""

_ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "chatgpt": "assistant"}
"""Roles of the ShareGPT form, and their names elsewhere."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said once."""

    value: Any
    """A text or a list of content parts; None where there is no answer."""
    cut: bool = False
    """Whether its maker says that its tokens ran out."""
    failure: str | None = None
    """Why there is no answer."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a row says of a model's answers."""

    replies: tuple[Reply, ...]
    model: str | None = None
    suffix: str = ""
    """To be added to the model's name, wherever that comes from."""


def opened(record: Mapping[str, Any]) -> Envelope:
    """The answers in a row.

    Raises:
        UserError: there is no field with an answer, or it holds something else.
    """
    result = record.get("result")
    if isinstance(result, Mapping) and isinstance(result.get("type"), str):
        return _of_anthropic_batch(result)
    if isinstance(record.get("resps"), list):
        return _of_lm_eval(record)
    body = record.get("response")
    if "custom_id" in record and (body is None or (isinstance(body, Mapping) and "body" in body)):
        return _of_openai_batch(body, record.get("error"))
    if _is_body(record):
        return Envelope(_of_body(record), _name(record))
    cut = record.get("finish_reason", record.get("stop_reason")) in CUT
    error = failure_of(record.get("error"))
    for name in (*NAMES, *LISTS):
        value = record.get(name)
        if value is None:
            continue
        if error and value in ("", [], {}):
            return Envelope((Reply(None, failure=error),))
        inner = value.get("body", value) if isinstance(value, Mapping) else None
        if isinstance(inner, Mapping) and _is_body(inner):
            return Envelope(_of_body(inner), _name(inner))
        if isinstance(value, list) and (name in LISTS or _are_answers(value)):
            if not value:
                return Envelope((Reply(None, failure=f'"{name}" is empty'),))
            return Envelope(tuple(one_reply(entry, cut) for entry in value))
        return Envelope((one_reply(value, cut),))
    chat = conversation(record)
    if chat:
        if chat[-1][0] == "assistant":
            return Envelope((one_reply(chat[-1][1], cut),))
        if error is None and not any(name in record for name in NAMES):
            raise UserError('the conversation does not end with an answer of the "assistant"')
    if error:
        return Envelope((Reply(None, failure=error),))
    null = next((name for name in (*NAMES, *LISTS) if name in record), None)
    if null is None:
        raise UserError('missing field: "response"')
    return Envelope((Reply(None, failure=f'"{null}" is null'),))


def conversation(record: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The messages of a row as (role, content), whichever way they are written; empty where it has none."""
    for name in ("messages", "conversations", "conversation", "prompt"):
        value = _unquoted(record.get(name))
        if not isinstance(value, list) or not value or not all(isinstance(entry, Mapping) for entry in value):
            continue
        messages = []
        for entry in value:
            role = entry.get("role", entry.get("from"))
            if not isinstance(role, str):
                break
            content = entry.get("content", entry.get("value"))
            messages.append((_ROLES.get(role, role), _refused(entry) if content is None else content))
        if len(messages) == len(value):
            return messages
    return []


def _unquoted(value: Any) -> Any:
    """A list that a table holds as text."""
    if isinstance(value, str) and value[:1] == "[" and value[-1:] == "]":
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def failure_of(error: Any) -> str | None:
    """An error as one line; None where there is none."""
    if isinstance(error, Mapping):
        inner = error.get("error")
        if isinstance(inner, Mapping):
            return failure_of(inner)
        code, message = error.get("code") or error.get("type"), error.get("message")
        error = ": ".join(str(part) for part in (code, message) if part) or json.dumps(dict(error), default=str)
    if error in (None, "", False, [], {}):
        return None
    return " ".join(str(error).split())[:200]


def _name(body: Mapping[str, Any]) -> str | None:
    model = body.get("model")
    return model if isinstance(model, str) and model else None


def _of_openai_batch(response: Mapping[str, Any] | None, error: Any) -> Envelope:
    if response is None:
        return Envelope((Reply(None, failure=failure_of(error) or "the request has no response"),))
    body = response.get("body")
    status = response.get("status_code", 200)
    if not isinstance(body, Mapping):
        return Envelope((Reply(None, failure=failure_of(error) or f"status {status}, no body"),))
    if not _is_body(body) or (isinstance(status, int) and status >= 400):
        reason = failure_of(body.get("error")) or failure_of(error) or f"status {status}"
        return Envelope((Reply(None, failure=reason),), _name(body))
    return Envelope(_of_body(body), _name(body))


def _of_anthropic_batch(result: Mapping[str, Any]) -> Envelope:
    message = result.get("message")
    if result["type"] == "succeeded" and isinstance(message, Mapping):
        return Envelope(_of_body(message), _name(message))
    return Envelope((Reply(None, failure=failure_of(result.get("error")) or f"the request {result['type']}"),))


def _is_body(value: Any) -> bool:
    """Whether an object is an answer of an API: a completion, a Responses API body, or an Anthropic message."""
    if not isinstance(value, Mapping):
        return False
    if isinstance(value.get("choices"), list):
        return True
    if value.get("object") == "response" and "output" in value:
        return True
    return value.get("type") == "message" and value.get("role") == "assistant" and "content" in value


def _of_body(body: Mapping[str, Any]) -> tuple[Reply, ...]:
    choices = body.get("choices")
    if isinstance(choices, list):
        if not choices:
            return (Reply(None, failure=failure_of(body.get("error")) or "the completion has no choices"),)
        return tuple(one_reply(choice, False) for choice in choices)
    if body.get("object") == "response":
        status, details = body.get("status"), body.get("incomplete_details")
        if status in ("failed", "cancelled"):
            return (Reply(None, failure=failure_of(body.get("error")) or f"the response {status}"),)
        cut = isinstance(details, Mapping) and details.get("reason") in CUT
        return (Reply(_of_items(body.get("output")), cut),)
    return (Reply(body.get("content") or "", body.get("stop_reason") in CUT),)


def _of_items(items: Any) -> Any:
    """The content parts of a Responses API body's output items."""
    parts: list[Any] = []
    for item in items if isinstance(items, list) else []:
        if not isinstance(item, Mapping):
            continue
        if item.get("type") == "message":
            content = item.get("content")
            parts += content if isinstance(content, list) else [content or ""]
        elif item.get("type") == "reasoning":
            parts.append(item)
    return parts if parts else ""


def _of_lm_eval(record: Mapping[str, Any]) -> Envelope:
    chosen = record.get("filter")
    filtered = record.get("filtered_resps")
    if isinstance(chosen, str) and chosen != "none" and isinstance(filtered, list) and filtered:
        said, suffix = filtered, f" [{chosen}]"
    else:
        said, suffix = record["resps"], ""
    while isinstance(said, list) and len(said) == 1 and isinstance(said[0], list):
        said = said[0]
    if not said:
        return Envelope((Reply(None, failure='"resps" is empty'),), suffix=suffix)
    return Envelope(tuple(one_reply(entry, False) for entry in said), suffix=suffix)


def _are_answers(value: Sequence[Any]) -> bool:
    """Whether a list holds several answers, not the parts of one."""
    objects = [entry for entry in value if isinstance(entry, Mapping)]
    if not objects:
        return len(value) > 0 and all(isinstance(entry, str) for entry in value)
    return all(
        "type" not in entry and ({"text", "message", "content", "generated_text"} & entry.keys()) for entry in objects
    )


def _refused(message: Mapping[str, Any]) -> Any:
    """What a message says that has no content: OpenAI's refusals stand in a field of their own."""
    refusal = message.get("refusal")
    return refusal if isinstance(refusal, str) else ""


def one_reply(value: Any, cut: bool = False) -> Reply:
    """One answer: a text, a list of parts, a message, a choice, or what vLLM and pipelines write."""
    if value is None:
        return Reply(None, failure="the response is null")
    if isinstance(value, Mapping):
        reason = value.get("finish_reason", value.get("stop_reason"))
        cut = cut or (isinstance(reason, str) and reason in CUT)
        message = value.get("message")
        inner = message if isinstance(message, Mapping) else value
        if value.get("object") == "response" or isinstance(value.get("choices"), list):
            return _of_body(value)[0]
        if "content" in inner:
            content = inner["content"]
            return Reply(_refused(inner) if content is None else content, cut)
        for name in ("text", "generated_text", "output_text"):
            if isinstance(inner.get(name), str):
                return Reply(inner[name], cut)
        error = failure_of(value.get("error"))
        if error:
            return Reply(None, cut, error)
        return Reply(dict(value), cut)
    if isinstance(value, list) and value and all(isinstance(e, Mapping) and e.get("type") == "message" for e in value):
        return Reply(_of_items(value), cut)
    return Reply(value, cut)
