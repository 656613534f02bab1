"""Delivering the pieces of one answer to its client: the reasoning before the text, once, then the text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from adhere.gateway.answering.draft import Draft
from adhere.gateway.answering.transcript import Transcript
from adhere.gateway.wire.form import NO_THOUGHT, Thought

Say = Callable[[str], Awaitable[None]]
"""Delivers a piece of text; returns when the client has room for more."""
Think = Callable[[Thought], Awaitable[None]]
"""Delivers the reasoning that stands before the text."""


class Output:
    """`say` and `think` are None where the client waits for the whole answer."""

    def __init__(self, transcript: Transcript, say: Say | None, think: Think | None) -> None:
        self._transcript, self._say, self._think = transcript, say, think
        self._thought_given = False

    async def text(self, piece: str, draft: Draft | None = None) -> None:
        """Deliver `piece`; before the first piece of `draft`, its reasoning where the handling passes it on."""
        if draft is not None and not self._transcript.pieces and self._think is not None:
            thought = self._thought(draft)
            if thought and self._transcript.exchange.admission.handling.reasoning == "pass":
                self._thought_given = True
                await self._think(thought)
        self._transcript.deliver(piece)
        if self._say is not None:
            await self._say(piece)

    def thought_to_come(self, draft: Draft) -> Thought:
        """The reasoning of `draft`, unless it was delivered."""
        return NO_THOUGHT if self._thought_given else self._thought(draft)

    async def last(self, rest: str, thought: Thought, *, first: bool) -> Thought:
        """Deliver the rest of the text, which the transcript has already; the reasoning that is still to be delivered.

        `first`: no text was delivered before.
        """
        if thought and self._think is not None and first:
            await self._think(thought)
            thought = NO_THOUGHT
        if rest and self._say is not None:
            await self._say(rest)
        return thought

    def close(self) -> None:
        """Forget the client, which breaks the reference cycle between an exchange and its delivery."""
        self._say = self._think = None

    def _thought(self, draft: Draft) -> Thought:
        exchange = self._transcript.exchange
        thought = draft.thoughts.handed_on(exchange.admission.handling.reasoning, exchange.asked)
        self._transcript.drop(draft.thoughts.dropped)
        return thought
