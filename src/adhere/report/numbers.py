"""Formatting of shares, intervals and differences; unknown values are a dash."""

from __future__ import annotations

UNKNOWN = "–"


def in_percent(share: float | None, digits: int = 1) -> str:
    """A share in percent, without the sign: for columns whose header has it."""
    return UNKNOWN if share is None or share != share else f"{100 * share:.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share in percent, with the sign."""
    text = in_percent(share, digits)
    return text if text == UNKNOWN else f"{text} %"


def gain(difference: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return UNKNOWN if difference is None or difference != difference else f"{100 * difference:+.1f}"


def between(interval: tuple[float, float] | None, digits: int = 1, *, sign: bool = False) -> str:
    """The ends of an interval: a share's in percent, or a difference's in points with signs."""
    if interval is None:
        return UNKNOWN
    low, high = (f"{100 * end:{'+' if sign else ''}.{digits}f}" for end in interval)
    return f"{low} to {high}"
