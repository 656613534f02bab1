"""Shares, their intervals and their differences as a page writes them; what is not known is a dash."""

from __future__ import annotations

UNKNOWN = "–"


def percent(share: float | None, digits: int = 1) -> str:
    """A share in per cent."""
    return UNKNOWN if share is None or share != share else f"{100 * share:.{digits}f} %"


def gain(difference: float | None) -> str:
    """A difference of shares in points, with its sign."""
    return UNKNOWN if difference is None or difference != difference else f"{100 * difference:+.1f}"


def between(interval: tuple[float, float] | None, digits: int = 1, *, sign: bool = False) -> str:
    """The ends of a share's interval in per cent, or of a difference's in points with their signs."""
    if interval is None:
        return UNKNOWN
    low, high = (f"{100 * end:{'+' if sign else ''}.{digits}f}" for end in interval)
    return f"{low} to {high}"
