"""What has happened in one exchange so far: delivered, asked, decided, counted.

The steps of an exchange write it; `outcome` turns it into the record's entry and the client's report.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from adhere.gateway.exchange import NOTHING, FinishReason, ToolCall, Usage
from adhere.gateway.hooks import Attempt, Checked, Ending, Exchange, ExchangeOutcome
from adhere.warden.acts.acts import Decision


@dataclass
class Transcript:
    """The history of `exchange`. Seconds are counted from its creation."""

    exchange: Exchange
    pieces: list[str] = field(default_factory=list)
    """Texts that were delivered, in their order."""
    calls: list[ToolCall] = field(default_factory=list)
    """Tool calls that may be delivered."""
    attempts: list[Attempt] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    checked: tuple[Checked, ...] = ()
    """The checks of the text that the exchange ends with."""
    usage: Usage = NOTHING
    first_seconds: float | None = None
    """From the beginning until the first text was delivered."""
    most_held: int = 0
    leaked: int = 0
    _dropped: dict[str, None] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    @property
    def delivered(self) -> str:
        """The text that the client has."""
        if len(self.pieces) > 1:
            self.pieces = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""

    @property
    def seconds_left(self) -> float:
        """Of the time that the exchange may take."""
        return self.exchange.admission.handling.seconds - (time.monotonic() - self._began)

    def deliver(self, piece: str) -> None:
        """`piece` is delivered now."""
        if self.first_seconds is None:
            self.first_seconds = time.monotonic() - self._began
        self.pieces.append(piece)

    def drop(self, names: Iterable[str]) -> None:
        """Note fields of request or answer that are not handed on; each is named once."""
        self._dropped.update(dict.fromkeys(names))

    def outcome(self, ending: Ending, reason: FinishReason | None, text: str) -> ExchangeOutcome:
        """The outcome, were the exchange to end now; `text` says why in one line."""
        delivered = self.delivered
        return ExchangeOutcome(
            ending=ending,
            reason=reason,
            checked=self.checked,
            attempts=tuple(self.attempts),
            decisions=tuple(self.decisions),
            sha256=hashlib.sha256(delivered.encode("utf-8", "surrogatepass")).hexdigest(),
            characters=len(delivered),
            calls=tuple(self.calls),
            leaked=self.leaked,
            held=self.most_held,
            usage=self.usage,
            seconds=time.monotonic() - self._began,
            first_seconds=self.first_seconds,
            text=text,
            readings=self.exchange.readings,
            dropped=tuple(self._dropped),
        )
