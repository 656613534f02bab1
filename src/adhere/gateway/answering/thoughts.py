"""What a model thought, and what else comes with an answer without being part of it.

Rules
- Under `pass` thoughts are handed to a client that speaks the upstream's API, unchanged, with their signatures. If one
  breaks an exclusion (`excludes.*`), all are withheld, and that is reported. Other constraints are about the answer
  alone.
- Under `judge` a thought that breaks any constraint for certain breaks the answer: it is repaired or refused like one.
- Under `drop` no thought is handed on.
- Unknown fields are never handed on; their names are reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from adhere.constraints.constraint import BROKEN
from adhere.gateway.exchange import BlockDone, CarriedDelta, Dropped, Fields, Form, ReasoningDelta, Unreadable
from adhere.gateway.hooks import Checked, ReasoningMode, StatedConstraint
from adhere.gateway.wire.form import NO_THOUGHT, Thought

LARGEST = 4_000_000
"""Characters of one answer's thoughts."""


@dataclass
class Thoughts:
    """Those of an answer that is still being written."""

    _form: Form | None = None
    _reasoning: list[str] = field(default_factory=list)
    _blocks: list[tuple[Fields, str]] = field(default_factory=list)
    _carried: dict[str, Any] = field(default_factory=dict)
    _size: int = 0
    dropped: dict[str, None] = field(default_factory=dict)
    """Names of fields that were not handed on."""

    def add(self, event: ReasoningDelta | BlockDone | CarriedDelta | Dropped) -> None:
        """One more piece.

        Raises:
            Unreadable: more than `LARGEST` characters.
        """
        if isinstance(event, Dropped):
            if len(self.dropped) < 64:
                self.dropped.update(dict.fromkeys(event.names))
            return
        if isinstance(event, ReasoningDelta):
            self._reasoning.append(event.text)
            self._grow(len(event.text))
            return
        self._form = event.form
        if isinstance(event, BlockDone):
            self._blocks.append((event.block, event.text))
            self._grow(len(str(event.block)))
            return
        self._grow(len(str(event.fields)))
        for name, value in event.fields.items():
            before = self._carried.get(name)
            # a list comes in pieces, as the text does; of anything else the last word holds
            self._carried[name] = [*before, *value] if isinstance(before, list) and isinstance(value, list) else value

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > LARGEST:
            raise Unreadable(f"the upstream's thoughts are longer than {LARGEST:,} characters")

    def _texts(self) -> list[str]:
        return [text for text in ("".join(self._reasoning), *(text for _, text in self._blocks)) if text]

    def broken(self, asked: Sequence[StatedConstraint]) -> tuple[Checked, ...]:
        """The constraints that a thought breaks for certain, whatever follows it."""
        broken = []
        for one in asked:
            for text in self._texts():
                monitor = one.constraint.monitor()
                monitor.feed(text)
                certain = monitor.verdict is BROKEN or one.constraint.kind.startswith(EXCLUDES)
                if certain and not (check := monitor.close()).met:
                    broken.append(Checked(one, check))
                    break
        return tuple(broken)

    def handed_on(self, mode: ReasoningMode, asked: Sequence[StatedConstraint]) -> Thought:
        """What the client is given."""
        if mode == "drop":
            if self._reasoning or self._blocks or self._carried:
                self.dropped["reasoning"] = None
            return NO_THOUGHT
        if not (self._reasoning or self._blocks or self._carried):
            return NO_THOUGHT
        exclusions = [one for one in asked if one.constraint.kind.startswith(EXCLUDES)]
        if mode == "pass" and exclusions and self.broken(exclusions):
            self.dropped["reasoning"] = None
            return NO_THOUGHT
        return Thought(self._form, "".join(self._reasoning), tuple(block for block, _ in self._blocks), self._carried)


EXCLUDES = "excludes."
"""The kinds of constraints that forbid words, wherever they stand."""
