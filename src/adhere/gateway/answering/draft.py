"""What one asking of the upstream gave: its text, calls, thoughts, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field

from adhere.gateway.answering.calls import Collected
from adhere.gateway.answering.guard import Guard
from adhere.gateway.answering.thoughts import Thoughts
from adhere.gateway.exchange import NOTHING, FinishReason, ToolCall, Usage
from adhere.gateway.hooks import Checked
from adhere.gateway.upstream.dialect import UpstreamError


@dataclass
class Draft:
    """What one asking of the upstream gave."""

    guard: Guard
    calls: Collected = field(default_factory=Collected)
    tail: list[str] = field(default_factory=list)
    """Text after the break, where it was read to its end."""
    reason: FinishReason | None = None
    usage: Usage = NOTHING
    pieces: int = 0
    error: UpstreamError | None = None
    checked: tuple[Checked, ...] = ()
    broken: tuple[Checked, ...] = ()
    complete: tuple[ToolCall, ...] = ()
    thoughts: Thoughts = field(default_factory=Thoughts)
    fault: str = ""
    """What is wrong beside the constraints: a tool call that is not complete."""

    @property
    def text(self) -> str:
        return self.guard.text + "".join(self.tail)

    @property
    def good(self) -> bool:
        return self.error is None and not self.fault and not self.broken


class Overlap:
    """Takes the beginning off an answer that repeats what was delivered already."""

    def __init__(self, delivered: str) -> None:
        self._delivered = delivered
        self._held = ""

    def feed(self, text: str) -> str:
        if not self._delivered:
            return text
        self._held += text
        if len(self._held) < len(self._delivered) and self._delivered.startswith(self._held):
            return ""
        held, delivered = self._held, self._delivered
        self._held = self._delivered = ""
        return held.removeprefix(delivered)

    def close(self) -> str:
        held, self._held = self._held, ""
        return held
