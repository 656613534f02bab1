"""Attack success with over-refusal beside it."""

from __future__ import annotations

from adhere.measure.corrigibility.battery import CorrigibilityResult
from adhere.report.page import Block, Table
from adhere.report.sections.corrigibility.shares import percent


def blocks(measured: CorrigibilityResult, recompute: str) -> list[Block]:
    """Attack success with over-refusal beside it."""
    found = measured.of("attack.success") + measured.of("attack.over_refusal")
    if not found:
        return []
    rows = tuple(
        (
            f"{f.what.removeprefix('attack.').replace('_', '-')}: {f.subject['set']}"
            + (", behind the gateway" if "through" in f.subject else ""),
            *percent(f),
            str(f.subject.get("rule", "")),
            str(f.subject.get("licence", "")),
        )
        for f in found
    )
    caption = (
        "Succeeded, or a harmless prompt refused, by the rule named. Not refused is an upper bound of success: the "
        "answer did not open by declining."
    )
    header = ("", "share", "95 %", "n", "rule", "licence")
    return [Table("Attacks, and over-refusal beside them", header, rows, caption, recompute)]
