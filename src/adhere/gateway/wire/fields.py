"""Reading typed fields out of the JSON of a request or an answer: what is not as it should be is `Unreadable`.

An unknown field is refused by `only` unless it is empty (null, "", [], {}, false): official clients send
back what they were given, empty fields too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from adhere.constraints.constraint import Constraint
from adhere.constraints.registry import from_json
from adhere.core.errors import UserError
from adhere.gateway.exchange import (
    Form,
    Media,
    Message,
    Part,
    Request,
    Text,
    Tool,
    ToolResult,
    Unreadable,
)
from adhere.gateway.wire.kinds import EMPTY, sort
from adhere.gateway.wire.limits import DEFAULT, Limits, price, within

Json = Mapping[str, Any]


def mapping(value: Any, where: str) -> Json:
    if not isinstance(value, dict):
        raise Unreadable(f"{where} must be an object", where)
    return value


def items(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise Unreadable(f"{where} must be a list", where)
    return value


def string(record: Json, name: str, where: str = "", default: str | None = None) -> str:
    value = record.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise Unreadable(f"{where}{name} must be a string", where + name)
    return value


def boolean(record: Json, name: str) -> bool:
    value = record.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise Unreadable(f"{name} must be true or false", name)
    return value


def result(call: str, parts: Iterable[Part], where: str, failed: bool = False, kept: Json | None = None) -> ToolResult:
    """What a tool answered: texts, and media that a policy has to admit."""
    text, media = "", []
    for part in parts:
        if isinstance(part, Text):
            text += part.text
        elif isinstance(part, Media):
            media.append(part)
        else:
            raise Unreadable(f"{where}: a tool's result is text or media", where)
    return ToolResult(call, text, failed, tuple(media), kept or {})


def whole(record: Json, name: str) -> int:
    """A count of tokens in an answer; 0 where there is none, or no sensible one."""
    value = record.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def only(record: Json, known: Iterable[str], where: str) -> None:
    """Refuse `record` if it has a field beside the known ones that says anything."""
    for name, value in record.items():
        if name not in known and value not in EMPTY:
            raise Unreadable(f"{where}: unknown field {str(name)[:80]!r}", f"{where}.{str(name)[:80]}")


def request(
    form: Form,
    body: Json,
    *,
    messages: Iterable[Message],
    tool: Callable[[Any, str], Tool | None],
    parameters: Mapping[str, Any],
    known: frozenset[str],
    usage_wanted: bool,
    limits: Limits = DEFAULT,
) -> Request:
    """The request in `body`, with what all APIs have in common; `known` are the fields that this one reads."""
    tools = items(body.get("tools") or [], "tools")
    within(len(tools), limits.tools, "tools", "tools")
    hints, dropped, unread = sort(body, form, known)
    offered = []
    for place, value in enumerate(tools):
        if (read := tool(value, f"tools[{place}]")) is None:
            dropped += (f"tools[{place}]",)
        else:
            offered.append(read)
    return Request(
        form=form,
        model=string(body, "model"),
        messages=tuple(messages),
        tools=tuple(offered),
        parameters=parameters,
        unread=unread,
        hints=hints,
        dropped=dropped,
        stream=boolean(body, "stream"),
        usage_wanted=usage_wanted,
        constraints=constraints(body, limits),
    )


def constraints(body: Json, limits: Limits = DEFAULT) -> tuple[Constraint, ...]:
    """The constraints in the body of a request."""
    value = body.get("constraints")
    if value is None:
        return ()
    records = items(value, "constraints")
    price(records, limits)
    stated = []
    for place, record in enumerate(records):
        where = f"constraints[{place}]"
        if _reference(mapping(record, where)):
            raise Unreadable(f"{where}: a gateway judges by what the instruction says; leave the profile out", where)
        try:
            stated.append(from_json(record))
        except UserError as error:
            raise Unreadable(f"{where}: {error}", where) from None
    return tuple(dict.fromkeys(stated))


def _reference(value: Any) -> bool:
    """Whether a constraint, or one within it, asks for a profile other than the usual one."""
    if isinstance(value, Mapping):
        return value.get("profile", "fixed") != "fixed" or any(_reference(v) for v in value.values())
    return isinstance(value, list) and any(_reference(v) for v in value)
