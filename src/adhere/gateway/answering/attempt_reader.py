"""Asking the upstream once: its answer is read into a draft, watched, guarded, and released as far as it may be.

Rules
- The upstream is left at once when a constraint breaks, unless the draft is to be read to its end.
- The model's reasoning at the beginning of the text, and the part of an answer that was delivered before, are taken
  out before anything looks at it.
- An answer without an end has broken off: what was held back stays back.
- The stop is looked at after every event.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

from adhere.gateway.answering.admission import stopped
from adhere.gateway.answering.draft import Draft, Overlap
from adhere.gateway.answering.output import Output
from adhere.gateway.answering.reasoning_filter import ReasoningFilter
from adhere.gateway.answering.repair import Repair
from adhere.gateway.answering.transcript import Transcript
from adhere.gateway.answering.watching import Watching
from adhere.gateway.exchange import (
    BlockDone,
    CallDelta,
    CarriedDelta,
    Dropped,
    Event,
    Finished,
    Foreseen,
    ReasoningDelta,
    TextDelta,
    Unreadable,
    Usage,
    Used,
)
from adhere.gateway.hooks import GatewayHooks
from adhere.gateway.upstream.client import Client
from adhere.gateway.upstream.dialect import Question, UpstreamError
from adhere.gateway.wire.form import Failure
from adhere.warden.acts.acts import Decision, Verdict


def look_at_stop(hooks: GatewayHooks) -> None:
    """Go on only while nothing is stopped.

    Raises:
        Failure: a stop is in force.
    """
    why = stopped(hooks)
    if why is not None:
        raise Failure(403, "stopped", why)


class AttemptReader:
    """Reads the attempts of one exchange, one after the other."""

    def __init__(
        self, client: Client, hooks: GatewayHooks, transcript: Transcript, watching: Watching, output: Output
    ) -> None:
        self._client, self._hooks = client, hooks
        self._transcript, self._watching, self._output = transcript, watching, output

    async def read(self, repair: Repair, draft: Draft, *, live: bool, through: bool) -> None:
        """Ask what `repair` says and read the answer into `draft`.

        `live`: deliver what may be delivered while it comes. `through`: read on after a constraint broke. What the
        upstream did wrong stands in the draft.

        Raises:
            Failure: a stop, a watch's denial, or an answer that cannot be read.
        """
        delivered = self._transcript.delivered
        draft.guard.skip(delivered)
        goes_on = repair.kind == "continue" and bool(repair.prefix)
        if goes_on and (piece := draft.guard.feed(repair.prefix[len(delivered) :])) and live:
            await self._output.text(piece)
        unrepeated = _Unrepeated(None if goes_on else ReasoningFilter(), Overlap("" if goes_on else delivered))
        try:
            await self._read_events(self._question(repair, goes_on, live), draft, unrepeated, live, through)
            look_at_stop(self._hooks)
            if not draft.guard.broken or through:
                await self._close(draft, unrepeated, live)
        except UpstreamError as error:
            draft.error = error
        except Unreadable as error:
            raise Failure(502, "unreadable_answer", str(error)) from error
        self._count(draft)

    def _question(self, repair: Repair, goes_on: bool, live: bool) -> Question:
        asked = self._transcript.exchange.asked
        masked = [one.constraint for one in asked] if self._client.upstream.constrained else ()
        return Question(repair.request, repair.prefix if goes_on else "", masked, stream=live)

    async def _read_events(
        self, question: Question, draft: Draft, unrepeated: _Unrepeated, live: bool, through: bool
    ) -> None:
        async with aclosing(self._client.ask(question, self._transcript.seconds_left)) as events:
            async for event in events:
                look_at_stop(self._hooks)
                if not isinstance(event, TextDelta):
                    self._note(draft, event)
                    continue
                draft.pieces += 1
                if (piece := self._guarded(draft, unrepeated.feed(event.text))) and live:
                    await self._output.text(piece, draft)
                if draft.guard.broken and not through:
                    return

    async def _close(self, draft: Draft, unrepeated: _Unrepeated, live: bool) -> None:
        """The upstream has finished, or broken off."""
        if (piece := self._guarded(draft, unrepeated.close())) and live:
            await self._output.text(piece, draft)
        if draft.reason is None:
            raise UpstreamError(502, "upstream_broke_off", "the upstream broke off", retry=True)
        if unrepeated.unfinished:
            draft.fault = "the answer ended within its reasoning"

    def _guarded(self, draft: Draft, text: str) -> str:
        """Show a piece of text to the watches and the guard; what may be delivered."""
        if not text:
            return ""
        self._watching.feed(text)
        if draft.guard.broken:
            draft.tail.append(text)
            return ""
        return draft.guard.feed(text)

    def _note(self, draft: Draft, event: Event) -> None:
        """What comes with the text of an answer."""
        if isinstance(event, CallDelta):
            draft.calls.add(event)
        elif isinstance(event, Used):
            draft.usage = event.usage
        elif isinstance(event, Finished):
            draft.reason = event.reason
        elif isinstance(event, Foreseen):
            line = f"a probe of the model foresaw a failure at {event.skill}"
            self._watching.heed(Decision(Verdict.ASK, "foreseen", line, evidence={"tokens": event.tokens}))
        elif isinstance(event, ReasoningDelta | BlockDone | CarriedDelta | Dropped):
            draft.thoughts.add(event)

    def _count(self, draft: Draft) -> None:
        self._transcript.most_held = max(self._transcript.most_held, draft.guard.most_held)
        if not draft.usage.output:
            # an upstream that is left does not report its usage: one piece is about one token
            draft.usage = Usage(draft.usage.input, draft.pieces)
        self._transcript.usage += draft.usage


@dataclass
class _Unrepeated:
    """The text of an answer without the reasoning before it and without what was delivered already."""

    reasoning: ReasoningFilter | None
    overlap: Overlap

    def feed(self, text: str) -> str:
        return self.overlap.feed(self.reasoning.feed(text) if self.reasoning else text)

    def close(self) -> str:
        rest = self.reasoning.close() if self.reasoning else ""
        return self.overlap.feed(rest) + self.overlap.close()

    @property
    def unfinished(self) -> bool:
        return self.reasoning is not None and bool(self.reasoning.inside)
