"""Adherence over time, from the ledger: how many answers met what was asked of them, with intervals and n.

Rules
- Counted are answers with at least one constraint that was decided, delivered or refused for it: met, flagged, refused.
  What was denied, stopped, failed or left by the client says nothing about adherence and is counted beside it.
- *At the first asking* is what the model did without repair: met, and asked once.
- A share has Wilson's interval, and stands in a slot of time with its n; slots without answers are not drawn.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from adhere.core.intervals import wilson
from adhere.warden.ledger.ledger import Entry, Ledger

SLOTS = 24
LOOKED_AT = 20_000
COUNTED = ("met", "flagged", "refused")
DECIDED = ("holds", "broken")


@dataclass(frozen=True, slots=True)
class Share:
    """`met` of `n`, over the time from `start` to `end` (seconds since 1970) or under a name."""

    name: str
    met: int
    n: int
    start: float = 0.0
    end: float = 0.0

    @property
    def estimate(self) -> float:
        return self.met / self.n if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.met, self.n)


@dataclass(frozen=True, slots=True)
class Adherence:
    """All that the page shows."""

    whole: Share
    first: Share
    slots: tuple[Share, ...]
    first_slots: tuple[Share, ...]
    kinds: tuple[Share, ...]
    endings: tuple[tuple[str, int], ...]
    attempts: int
    answers: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What is kept of an answer's entry.

    Attributes:
        time: seconds since 1970.
        ending: how the exchange ended.
        attempts: answers asked for.
        verdicts: kind and whether it holds, of every constraint that was decided.
    """

    time: float
    ending: str
    attempts: int
    verdicts: tuple[tuple[str, bool], ...]

    @classmethod
    def of(cls, entry: Entry) -> Answer:
        decided = (one for one in entry.body["checked"] if one["verdict"] in DECIDED)
        verdicts = tuple((sys.intern(one["kind"]), one["verdict"] == "holds") for one in decided)
        return cls(entry.time, sys.intern(entry.body["ending"]), entry.body["attempts"], verdicts)

    @property
    def met(self) -> bool:
        return self.ending == "met"

    @property
    def met_at_first(self) -> bool:
        return self.met and self.attempts <= 1


class RecentAnswers:
    """The last answers of a ledger. Every entry is parsed once: a page that is opened again reads only what is new."""

    def __init__(self, most: int = LOOKED_AT) -> None:
        self._answers: deque[Answer] = deque(maxlen=most)
        self._most = most
        self._next: int | None = None
        self._lock = threading.Lock()

    def read(self, ledger: Ledger) -> list[Answer]:
        """The answers, the oldest first, with those that came since the last call."""
        with self._lock:
            size = ledger.peaks().size
            if self._next is None or size < self._next:
                self._answers.clear()
                self._next = max(0, size - _LOOKED_BACK * self._most - _AT_ONCE)
            while self._next < size:
                entries = ledger.entries(self._next, min(_AT_ONCE, size - self._next))
                if not entries:
                    break
                self._answers.extend(Answer.of(entry) for entry in entries if entry.kind == "answer")
                self._next += len(entries)
            return list(self._answers)


_AT_ONCE = 1_000
_LOOKED_BACK = 4
"""Entries that are gone through for each answer wanted, at most: other kinds stand between them."""


def adherence(answers: Sequence[Answer]) -> Adherence:
    """What the answers say."""
    counted = [one for one in answers if one.ending in COUNTED and one.verdicts]
    kinds: dict[str, list[int]] = {}
    for one in counted:
        for kind, holds in one.verdicts:
            tally = kinds.setdefault(kind, [0, 0])
            tally[0] += holds
            tally[1] += 1
    ranked = sorted(kinds.items(), key=lambda item: (item[1][0] / item[1][1], item[0]))
    return Adherence(
        Share("all", sum(one.met for one in counted), len(counted)),
        Share("at the first asking", sum(one.met_at_first for one in counted), len(counted)),
        tuple(_slots([(one.time, one.met) for one in counted])),
        tuple(_slots([(one.time, one.met_at_first) for one in counted])),
        tuple(Share(kind, met, n) for kind, (met, n) in ranked),
        tuple(Counter(one.ending for one in answers).most_common()),
        sum(one.attempts for one in counted),
        len(counted),
    )


def _slots(counted: Sequence[tuple[float, bool]]) -> list[Share]:
    if not counted:
        return []
    first, last = counted[0][0], counted[-1][0]
    width = max((last - first) / SLOTS, 1.0)
    by_slot: dict[int, list[bool]] = {}
    for at, met in counted:
        by_slot.setdefault(min(int((at - first) / width), SLOTS - 1), []).append(met)
    return [
        Share("", sum(each), len(each), first + slot * width, first + (slot + 1) * width)
        for slot, each in sorted(by_slot.items())
    ]


WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 353, 190, 34, 24, 8


def drawing(found: Adherence) -> Markup:
    """The two series with their intervals as SVG in the page's colours; the table below it says the same in numbers."""
    if not found.slots:
        return Markup("")
    start, end = found.slots[0].start, max(found.slots[-1].end, found.slots[0].start + 1)

    def x(at: float) -> float:
        return LEFT + (at - start) / (end - start) * (WIDTH - LEFT - 6)

    def y(share: float) -> float:
        return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="over-time">']
    parts += [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 6}" y1="{y(share):.1f}" y2="{y(share):.1f}"/>'
        f'<text class="tick" x="{LEFT - 5}" y="{y(share) + 3.5:.1f}" text-anchor="end">{share:.0%}</text>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    for at, anchor in ((start, "start"), (end, "end")):
        moment = datetime.fromtimestamp(at, UTC).strftime("%d %b %H:%M")
        parts.append(f'<text class="tick" x="{x(at):.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{moment}</text>')
    for name, slots, aside in (("first", found.first_slots, 2.5), ("met", found.slots, -2.5)):
        places = [f"{x((s.start + s.end) / 2) + aside:.1f}" for s in slots]
        heights = [f"{y(s.estimate):.1f}" for s in slots]
        for place, slot in zip(places, slots, strict=True):
            low, high = (f"{y(bound):.1f}" for bound in slot.interval)
            parts.append(f'<line class="bar {name}" x1="{place}" x2="{place}" y1="{low}" y2="{high}"/>')
        points = " ".join(f"{place},{height}" for place, height in zip(places, heights, strict=True))
        parts.append(f'<polyline class="line {name}" points="{points}"/>')
        for place, height in zip(places, heights, strict=True):
            parts.append(f'<circle class="dot {name}" cx="{place}" cy="{height}" r="2.6"/>')
    return Markup("".join([*parts, "</svg>"]))
