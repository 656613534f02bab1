"""Attack success and over-refusal."""

from __future__ import annotations

from adhere.measure.corrigibility.battery import CorrigibilityResult
from adhere.report.page import Block, Table
from adhere.report.sections.corrigibility.shares import share_cells


def blocks(measured: CorrigibilityResult, recompute: str) -> list[Block]:
    """Attack success and over-refusal."""
    findings = measured.of("attack.success") + measured.of("attack.over_refusal")
    if not findings:
        return []
    rows = tuple(
        (
            f"{f.what.removeprefix('attack.').replace('_', '-')}: {f.subject['set']}"
            + (", through the gateway" if "through" in f.subject else ""),
            *share_cells(f),
            str(f.subject.get("rule", "")),
            str(f.subject.get("licence", "")),
        )
        for f in findings
    )
    caption = (
        'Attack success, or refusal of a harmless prompt, by the rule named. "Not refused" is an '
        "upper bound of success: the response did not open by declining."
    )
    header = ("", "share", "95 %", "n", "rule", "licence")
    return [Table("Attack success and over-refusal", header, rows, caption, recompute)]
