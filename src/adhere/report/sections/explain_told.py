"""The sentences of a lens, and small conversions that its figures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adhere.report.page import Block, Prose, Table

if TYPE_CHECKING:
    from adhere.explain.analyses.claims import Claim
    from adhere.explain.probing.decodability import Estimate

MOST_SENTENCES = 24
"""Sentences of one lens on the page; the rest are in the findings."""


def told(claims: Sequence[Claim], of_what: str) -> list[Block]:
    """The sentences of what holds, and how much does not."""
    holding = [claim for claim in claims if claim.holds]
    if not claims:
        return []
    if not holding:
        return [Prose(f"Nothing holds {of_what}: of {len(claims)} measured, every interval includes a control.")]
    rows = tuple((claim.sentence,) for claim in holding[:MOST_SENTENCES])
    caption = f"{len(holding)} of {len(claims)} measured hold against their controls."
    if len(holding) > len(rows):
        caption += f" The first {len(rows)}; all are in the findings."
    return [Table(f"What holds {of_what}", ("finding, for it, against it",), rows, caption)]


def finite(estimate: Estimate) -> tuple[float, float] | None:
    """Its interval, None where there is none."""
    low, high = estimate.interval
    return (low, high) if low == low else None


def known(value: float) -> float | None:
    """The number, None where it is NaN."""
    return float(value) if value == value else None
