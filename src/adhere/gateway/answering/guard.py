"""The watch over one answer's text: what may be released now, and what broke.

Rules
- Every monitor reads every chunk before any of it is released.
- Under hold "met" text is released up to its end less what is unsettled, and only while every constraint would be met
  if the answer ended there. So what is held back follows from the monitors: nothing for "at most 50 words", a beginning
  of a forbidden phrase for its exclusion, everything up to the fiftieth word for "at least 50 words", everything for
  what can only be judged whole. Whatever comes of the rest, the client has no text that is known to be wrong.
- Under hold "doomed" text is released unless it is lost, less what is unsettled. What is only wanted in the end may
  turn out missing after everything else was delivered.
- Under hold "all" nothing is released: the answer is delivered whole.
- A break is found at the character that makes it certain. Nothing of the chunk from there on is released; `safe` is how
  much of the text was neither broken nor the beginning of what broke it.
- `leaked` counts: characters of a deciding stretch (a check's spans) that had been released before it was found.
- An answer longer than `LONGEST` characters is not watched further: it fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from adhere.constraints.constraint import BROKEN, HOLDS, OPEN, Check, Monitor
from adhere.gateway.exchange import Unreadable
from adhere.gateway.hooks import Checked, StatedConstraint

LONGEST = 4_000_000
"""Characters of one answer: ten times what any model of today writes, and little enough to keep a thousand of them."""


class Guard:
    """Watches one answer. Feed it with `feed` until `broken`, then or at the end `close` it, once.

    `text` is the answer so far; `released` how many of its characters were let go.
    """

    def __init__(self, asked: Sequence[StatedConstraint], hold: Literal["met", "doomed", "all"] = "met") -> None:
        self.asked = tuple(asked)
        self._hold = hold
        self._monitors: list[Monitor] = [one.constraint.monitor() for one in asked]
        self._open = [monitor for monitor in self._monitors if monitor.verdict is OPEN]
        self._pieces: list[str] = []
        self._held: list[str] = []
        self.length = 0
        self.released = 0
        self.most_held = 0
        self.broken = any(monitor.verdict is BROKEN for monitor in self._monitors)
        self._checks: tuple[Check, ...] | None = None

    @property
    def text(self) -> str:
        """The whole answer so far, released or not."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def feed(self, chunk: str) -> str:
        """The next piece of the answer was written; what may be released now, of it and of what was held back.

        Raises:
            Unreadable: the answer is longer than `LONGEST`.
        """
        if self.broken or not chunk:
            return ""
        self._pieces.append(chunk)
        self._held.append(chunk)
        self.length += len(chunk)
        if self.length > LONGEST:
            raise Unreadable(f"the answer is longer than {LONGEST:,} characters")
        for monitor in self._monitors:
            monitor.feed(chunk)
        decided = [monitor for monitor in self._open if monitor.verdict is not OPEN]
        if decided:
            self.broken = any(monitor.verdict is BROKEN for monitor in decided)
            self._open = [monitor for monitor in self._open if monitor.verdict is OPEN]
        if self._hold == "all":
            return ""
        return self._release() if not self.broken else self._keep()

    def skip(self, released: str) -> None:
        """The answer begins with text that was released already, as after a repair that goes on from there."""
        self.feed(released)
        if not self.broken:
            self.released = self.length
            self._held.clear()

    def _release(self) -> str:
        if self._hold == "met":
            for place, monitor in enumerate(self._open):
                if monitor.standing() is not HOLDS:
                    # most likely it is the same one after the next chunk: ask it first
                    self._open.insert(0, self._open.pop(place))
                    return self._keep()
        unsettled = max((monitor.unsettled() for monitor in self._open), default=0)
        end = self.length - unsettled
        if end <= self.released:
            return self._keep()
        held = "".join(self._held)
        cut = end - self.released
        self._held = [held[cut:]] if unsettled else []
        self.released = end
        self._keep()
        return held[:cut]

    def _keep(self) -> str:
        self.most_held = max(self.most_held, self.length - self.released)
        return ""

    def close(self, *, finished: bool = True) -> tuple[Checked, ...]:
        """The answer has ended, or broke: every constraint's check.

        Where it is not `finished` (it broke, or a tool is called and the answer goes on after it) a constraint that
        is neither met nor broken for certain has no check. What is forbidden and stands at the very end is broken
        there: no word of the answer follows it.
        """
        self._lost = [monitor for monitor in self._monitors if monitor.verdict is BROKEN]
        if finished:
            self._checks = tuple([monitor.close() for monitor in self._monitors])
            return tuple(map(Checked, self.asked, self._checks))
        before = [(monitor.verdict.decided, monitor.unsettled() > 0) for monitor in self._monitors]
        self._checks = tuple([monitor.close() for monitor in self._monitors])
        return tuple(
            Checked(asked, check if decided or (unsettled and check.verdict is BROKEN) else None)
            for asked, check, (decided, unsettled) in zip(self.asked, self._checks, before, strict=True)
        )

    def rest(self) -> str:
        """All that is held back; it counts as released from now on."""
        held = "".join(self._held)
        self._held.clear()
        self.released = self.length
        return held

    def safe(self) -> int:
        """How many characters of the text were neither broken nor the beginning of what broke it. Close first.

        The text as far as the first break, less the character that broke it, is read again by fresh monitors: once, and
        only where something broke before the end.
        """
        places = [monitor.at - 1 for monitor in self._lost if monitor.at is not None]
        if not places:
            return self.length
        end = max(min(places), 0)
        again = [one.constraint.monitor() for one in self.asked]
        for monitor in again:
            monitor.feed(self.text[:end])
        return end - max(monitor.unsettled() for monitor in again)

    def leaked(self) -> int:
        """How many characters of what broke a constraint had been released before it was found. Close first.

        They are counted from the last stretch that a broken constraint's check names (of several occurrences it is the
        last that was one too many), or from where the text was still safe.
        """
        if self._checks is None or not self._lost:
            return 0
        starts = [
            check.spans[-1].start
            for monitor, check in zip(self._monitors, self._checks, strict=True)
            if monitor in self._lost and check.spans
        ]
        return max(0, self.released - min([*starts, self.safe()]))
