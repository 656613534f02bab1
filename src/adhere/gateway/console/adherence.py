"""Adherence over time, from the ledger: how many answers met what was asked of them, with intervals and n.

Rules
- Counted are answers with at least one constraint that was decided, delivered or refused for it: met, flagged, refused.
  What was denied, stopped, failed or left by the client says nothing about adherence and is counted beside it.
- *At the first asking* is what the model did without repair: met, and asked once.
- A share has Wilson's interval, and stands in a slot of time with its n; slots without answers are not drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from adhere.core.intervals import wilson
from adhere.warden.ledger.ledger import Entry

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


def adherence(entries: Sequence[Entry]) -> Adherence:
    """What `entries` (of kind `answer`) say."""
    bodies = [(entry.time, entry.body) for entry in entries]
    counted = [(at, body) for at, body in bodies if body["ending"] in COUNTED and _decided(body)]
    kinds: dict[str, list[int]] = {}
    for _, body in counted:
        for checked in body["checked"]:
            if checked["verdict"] in DECIDED:
                tally = kinds.setdefault(checked["kind"], [0, 0])
                tally[0] += checked["verdict"] == "holds"
                tally[1] += 1
    ranked = sorted(kinds.items(), key=lambda item: (item[1][0] / item[1][1], item[0]))
    return Adherence(
        _share("all", counted, _met),
        _share("at the first asking", counted, _first),
        tuple(_slots(counted, _met)),
        tuple(_slots(counted, _first)),
        tuple(Share(kind, met, n) for kind, (met, n) in ranked),
        tuple(Counter(body["ending"] for _, body in bodies).most_common()),
        sum(body["attempts"] for _, body in counted),
        len(counted),
    )


def _decided(body: dict[str, Any]) -> bool:
    return any(checked["verdict"] in DECIDED for checked in body["checked"])


def _met(body: dict[str, Any]) -> bool:
    return bool(body["ending"] == "met")


def _first(body: dict[str, Any]) -> bool:
    return _met(body) and body["attempts"] <= 1


def _share(name: str, counted: Sequence[tuple[float, dict[str, Any]]], met: Any) -> Share:
    return Share(name, sum(met(body) for _, body in counted), len(counted))


def _slots(counted: Sequence[tuple[float, dict[str, Any]]], met: Any) -> list[Share]:
    if not counted:
        return []
    first, last = counted[0][0], counted[-1][0]
    width = max((last - first) / SLOTS, 1.0)
    held: dict[int, list[bool]] = {}
    for at, body in counted:
        held.setdefault(min(int((at - first) / width), SLOTS - 1), []).append(met(body))
    return [
        Share("", sum(each), len(each), first + slot * width, first + (slot + 1) * width)
        for slot, each in sorted(held.items())
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
