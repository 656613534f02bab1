"""The first layer, in code: whose words a request holds, and what an act that comes of them is worth.

Rules
- Authority is by the channel a text came through, never by what it says: system and developer messages speak for the
  operator (the user, where the client is not trusted with them), user messages for the caller, assistant messages are
  the model's, tool results the tool's, or a stranger's where the policy says that the tool reads strangers' texts.
- A tool result that says "the user wants", a quoted message, a fence, a name in capitals: all stay what they came as.
- A principal's authority reaches exactly as far as the signature: a user message that is, character for character, the
  instruction that a quorum signed and that is in force. The rest of the request is still the caller's.
- What a model writes next has read everything before it. An act therefore has the lowest source of the whole context,
  and the model's own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from adhere.gateway.exchange import Message, Reasoning, Request, Text, ToolCall, ToolResult
from adhere.gateway.monitors.monitor import Passage
from adhere.warden.acts.acts import matches
from adhere.warden.acts.sources import Source, join


def passages(
    request: Request,
    *,
    user: Source = Source.USER,
    operator: bool = True,
    external: Sequence[str] = (),
    signed: Collection[str] = (),
) -> list[Passage]:
    """Every readable text of `request` with its source, in its order.

    `user`: what the caller's messages are worth. `operator`: whether its system messages speak for the operator.
    `external`: patterns of tools that read strangers' texts. `signed`: texts of instructions in force.
    """
    tools = {part.id: part.name for message in request.messages for part in message.parts if isinstance(part, ToolCall)}
    found = []
    for place, message in enumerate(request.messages, start=1):
        own = _of(message, user, operator, signed)
        for part in message.parts:
            where = f"message {place} ({message.role})"
            if isinstance(part, Text):
                found.append(Passage(part.text, own, where))
            elif isinstance(part, Reasoning):
                found.append(Passage(part.text, min(own, Source.MODEL), f"{where}, reasoning"))
            elif isinstance(part, ToolCall):
                found.append(Passage(part.arguments, min(own, Source.MODEL), f"{where}, call of {part.name}"))
            elif isinstance(part, ToolResult):
                name = tools.get(part.call, "")
                stranger = not name or any(matches(pattern, name) for pattern in external)
                worth = Source.EXTERNAL if stranger else Source.TOOL
                found.append(Passage(part.text, worth, f"{where}, result of {name or 'an unknown call'}"))
    return found


def _of(message: Message, user: Source, operator: bool, signed: Collection[str]) -> Source:
    if message.role in ("system", "developer"):
        return Source.OPERATOR if operator else user
    if message.role == "user":
        return Source.PRINCIPAL if message.text and message.text in signed else user
    return Source.MODEL if message.role == "assistant" else Source.TOOL


def context(read: Sequence[Passage]) -> tuple[Source, ...]:
    """The sources of an act that comes of `read`: the lowest of it all, and the model that writes the act."""
    return join(passage.source for passage in read), Source.MODEL


def judged(read: Sequence[Passage]) -> list[Passage]:
    """What monitors look at: everything below the operator."""
    return [passage for passage in read if passage.source < Source.OPERATOR]
