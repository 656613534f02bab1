"""Which fields of each API are read, carried, passed on, or refused: one table for each.

Rules
- *Words* are what `wire/` reads by name; they are not in the tables. An unknown field that may hold words (a long text,
  an object, a list) is refused unless the route's `parameters` name it.
- *Opaque*: carried unchanged to an upstream, and back to a client, that speaks the same API.
- *Hints*: passed on to an upstream that speaks the same API; for others, dropped and reported. An unknown field that
  holds a number, a truth value or one short word is an unknown hint: it is dropped and reported.
- *Withheld*: hints that would make the upstream send what is not checked. They are dropped and reported.
- *Elsewhere*: what stands for words that are kept elsewhere, or lets the upstream act by itself: refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adhere.gateway.exchange import Fields, Form, Unreadable

EMPTY: tuple[Any, ...] = (None, "", [], {}, False)
"""Values of a field that say nothing."""
LONGEST_WORD = 64
"""Characters of a value that is too short to be an instruction."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """The table of one API; `opaque` by the place in which the fields stand."""

    hints: frozenset[str]
    withheld: frozenset[str]
    elsewhere: frozenset[str]
    message: frozenset[str]
    part: frozenset[str]
    call: frozenset[str]
    tool: frozenset[str]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CHAT = Kinds(
    hints=_names(
        "chat_template_kwargs truncation modalities thinking reasoning include_reasoning provider transforms models "
        "route keep_alive options safe_prompt top_a typical_p mirostat mirostat_eta mirostat_tau extra_body "
        "prompt_cache_retention enable_thinking thinking_budget"
    ),
    withheld=_names("logprobs top_logprobs prediction"),
    elsewhere=_names("audio web_search_options functions function_call plugins chat_template documents"),
    message=_names(
        "name annotations audio reasoning_details extra_content provider_specific_fields thinking_blocks cache_control "
        "prefix function_call citations id"
    ),
    part=_names("cache_control id"),
    call=_names("extra_content provider_specific_fields thought_signature"),
    tool=_names("cache_control"),
)
RESPONSES = Kinds(
    hints=_names("truncation include prompt_cache_retention context_management client_metadata"),
    withheld=_names("top_logprobs max_tool_calls"),
    elsewhere=_names("previous_response_id conversation background prompt"),
    message=_names("id status phase"),
    part=_names("annotations logprobs"),
    call=_names("id status namespace"),
    tool=_names("defer_loading"),
)
MESSAGES = Kinds(
    hints=_names("thinking context_management output_config service_tier betas anthropic_beta inference_geo speed"),
    withheld=frozenset(),
    elsewhere=_names("container mcp_servers"),
    message=frozenset(),
    part=_names("cache_control citations caller"),
    call=_names("cache_control caller"),
    tool=_names("cache_control eager_input_streaming defer_loading allowed_callers input_examples"),
)
OF: Mapping[Form, Kinds] = {"chat": CHAT, "responses": RESPONSES, "messages": MESSAGES}


def carried(record: Fields, names: frozenset[str], known: tuple[str, ...], where: str) -> dict[str, Any]:
    """The opaque fields of `record`, beside the `known` ones that are read.

    Raises:
        Unreadable: a further field may hold words.
    """
    kept: dict[str, Any] = {}
    for name, value in record.items():
        if name in known or value in EMPTY:
            continue
        if name in names:
            kept[name] = value
        elif not _is_short(value):
            text = (
                f"{where}: the field {str(name)[:80]!r} is unknown, and what it holds cannot be checked; leave it out"
            )
            raise Unreadable(text, f"{where}.{str(name)[:80]}")
    return kept


def sort(body: Fields, form: Form, known: frozenset[str]) -> tuple[dict[str, Any], tuple[str, ...], dict[str, Any]]:
    """The fields of a body beside the `known` ones: hints, names of those dropped, and those that may hold words.

    Raises:
        Unreadable: one stands for words that are kept elsewhere.
    """
    kinds = OF[form]
    hints: dict[str, Any] = {}
    dropped: list[str] = []
    unread: dict[str, Any] = {}
    for name, value in body.items():
        if name in known or value in EMPTY:
            continue
        if name in kinds.elsewhere:
            text = f"{name}: the gateway cannot see what it stands for, so nothing could be checked; leave it out"
            raise Unreadable(text, name)
        if name in kinds.hints:
            hints[name] = value
        elif name in kinds.withheld:
            dropped.append(name)
        else:
            unread[name] = value
    return hints, tuple(dropped), unread


def is_hint(value: Any) -> bool:
    """Whether the value of an unknown field is too small to hold words."""
    return _is_short(value)


def _is_short(value: Any) -> bool:
    return isinstance(value, bool | int | float) or (
        isinstance(value, str) and len(value) <= LONGEST_WORD and len(value.split()) <= 1
    )
