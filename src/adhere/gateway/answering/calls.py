"""Tool calls of one answer: put together from their pieces, and released only when complete and decided.

Rules
- A call is complete when the upstream has finished, its name is one of the tools that were offered, and its arguments
  are one JSON object. Before that nothing of it leaves the gateway; an incomplete one is a broken answer.
- An object that names a field twice is refused: what was checked and what the tool reads might not be the same.
- Every complete call is decided by itself. A point that breaks or does not answer in time denies. A transformed call
  carries the arguments of the decision.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from adhere.gateway.exchange import CallDelta, ToolCall, Unreadable
from adhere.gateway.hooks import Exchange, GatewayHooks
from adhere.warden.acts.acts import Decision, Verdict, broke

LARGEST = 1_000_000
"""Characters of the arguments of one answer's calls."""


@dataclass
class Collected:
    """The calls of an answer that is still being written."""

    _pieces: dict[int, list[CallDelta]] = field(default_factory=dict)
    _size: int = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, piece: CallDelta) -> None:
        """One more piece.

        Raises:
            Unreadable: more than `LARGEST` characters.
        """
        self._pieces.setdefault(piece.index, []).append(piece)
        self._size += len(piece.arguments) + len(piece.name) + len(piece.id)
        if self._size > LARGEST:
            raise Unreadable(f"the tool calls are longer than {LARGEST:,} characters")

    def complete(self, offered: Iterable[str]) -> tuple[ToolCall, ...]:
        """The calls, in their order.

        Raises:
            ValueError: one of them is not complete; says what is wrong with it.
        """
        names = set(offered)
        calls = []
        for index in sorted(self._pieces):
            pieces = self._pieces[index]
            name = "".join(piece.name for piece in pieces)
            arguments = "".join(piece.arguments for piece in pieces) or "{}"
            if name not in names:
                raise ValueError("a tool was called that was not offered")
            try:
                value = json.loads(arguments, object_pairs_hook=_once, parse_constant=_no_constant)
            except (ValueError, RecursionError):
                raise ValueError(f"the arguments of {name} are not one JSON object") from None
            if not isinstance(value, dict):
                raise ValueError(f"the arguments of {name} are not one JSON object")
            given = next((piece.id for piece in pieces if piece.id), "") or f"call_{uuid.uuid4().hex[:24]}"
            kept: dict[str, Any] = {}
            for piece in pieces:
                kept.update(piece.carried)
            calls.append(ToolCall(given, name, arguments, kept))
        if len({call.id for call in calls}) != len(calls):
            raise ValueError("two tool calls have one id")
        return tuple(calls)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a field is named twice")
    return record


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


async def decide(
    points: GatewayHooks, exchange: Exchange, call: ToolCall, seconds: float, doubt: Decision | None
) -> tuple[ToolCall, Decision]:
    """The call as it may be made, and the decision on it; `doubt` is what watches said about the whole answer."""
    try:
        async with asyncio.timeout(seconds):
            decision = await points.decide(exchange, call, doubt)
    except TimeoutError:
        decision = broke("decision-timeout", f"{call.name}: no decision came in time", retry=True)
    except Exception as error:
        decision = broke("decision-broke", f"{call.name}: the decision broke ({type(error).__name__})", retry=True)
    if doubt is not None and not decision.approval:
        decision = decision.safer(doubt)
    if decision.allowed and decision.verdict is Verdict.TRANSFORM:
        if decision.act is None or decision.act.tool != call.name:
            decision = broke("transform", f"{call.name}: the decision does not say what to change the call to")
        else:
            changed = json.dumps(dict(decision.act.arguments), ensure_ascii=False)
            call = dataclasses.replace(call, arguments=changed)
    return call, decision
