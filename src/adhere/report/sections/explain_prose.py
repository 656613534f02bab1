"""Sentences of an analysis, and small conversions that its charts share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adhere.report.page import Block, Prose, Table

if TYPE_CHECKING:
    from adhere.explain.analyses.claims import Claim
    from adhere.explain.probing.decodability import Estimate

MOST_SENTENCES = 24
"""Sentences of one analysis on the page; the rest are in the findings."""


def statements(claims: Sequence[Claim], of_what: str) -> list[Block]:
    """The sentences for what holds, and how many figures do not."""
    holding = [claim for claim in claims if claim.holds]
    if not claims:
        return []
    if not holding:
        return [Prose(f"No figure holds {of_what}: of {len(claims)} measured, every interval includes a control.")]
    rows = tuple((claim.sentence,) for claim in holding[:MOST_SENTENCES])
    caption = f"{len(holding)} of {len(claims)} figures hold against their controls."
    if len(holding) > len(rows):
        caption += f" Showing {len(rows)}; all are in the findings."
    return [Table(f"Figures that hold {of_what}", ("finding, with evidence for and against",), rows, caption)]


def finite(estimate: Estimate) -> tuple[float, float] | None:
    """The interval, or None."""
    low, high = estimate.interval
    return (low, high) if low == low else None


def known(value: float) -> float | None:
    """The number, or None if it is NaN."""
    return float(value) if value == value else None
