"""The watches of one exchange: shown every piece of the answer, and heeded.

Rules
- A denial or a stop ends the answer before the piece is released. A weaker doubt goes into every decision on a tool
  call of the answer.
- A watch that breaks or takes too long has denied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from adhere.gateway.answering.admission import denial
from adhere.gateway.hooks import Watch
from adhere.warden.acts.acts import Decision, Verdict, broke

CLOSE_SECONDS = 10.0
"""For one watch's last word about a complete answer."""


class Watching:
    """Shows an answer to `watches`; what they object to goes into `decisions`."""

    def __init__(self, watches: Sequence[Watch], decisions: list[Decision]) -> None:
        self._watches, self._decisions = tuple(watches), decisions
        self.doubt: Decision | None = None
        """The safest of the opinions short of a denial."""

    def feed(self, text: str) -> None:
        """The answer went on by `text`.

        Raises:
            Failure: a watch denies the answer.
        """
        for watch in self._watches:
            try:
                opinion = watch.feed(text)
            except Exception as error:
                opinion = broke("watch-broke", f"a watch broke: {type(error).__name__}", retry=True)
            self.heed(opinion)

    async def close(self, seconds: float) -> None:
        """The answer is complete; each watch has `seconds` at the most.

        Raises:
            Failure: a watch denies the answer.
        """
        for watch in self._watches:
            try:
                async with asyncio.timeout(min(CLOSE_SECONDS, seconds)):
                    opinion = await watch.close()
            except TimeoutError:
                opinion = broke("watch-timeout", "a watch took too long", retry=True)
            except Exception as error:
                opinion = broke("watch-broke", f"a watch broke: {type(error).__name__}", retry=True)
            self.heed(opinion)

    def heed(self, opinion: Decision | None) -> None:
        """Take an opinion into account.

        Raises:
            Failure: it is a denial or a stop.
        """
        if opinion is None or opinion.verdict <= Verdict.TRANSFORM:
            return
        self._decisions.append(opinion)
        if opinion.verdict >= Verdict.DENY:
            raise denial(opinion)
        self.doubt = opinion if self.doubt is None else self.doubt.safer(opinion)
