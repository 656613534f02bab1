"""Shares as facts and as cells of a table."""

from __future__ import annotations

from adhere.core.findings import Finding
from adhere.report import numbers
from adhere.report.numbers import UNKNOWN
from adhere.report.page import Fact


def share_cells(finding: Finding) -> tuple[str, str, str]:
    """Estimate, interval and n, as cells."""
    if finding.estimate is None:
        return UNKNOWN, UNKNOWN, str(finding.n)
    return numbers.percent(finding.estimate), numbers.between(finding.interval), f"{finding.n:,}"


def gain(finding: Finding) -> tuple[str, str]:
    """A change of a share and its interval in points, as cells."""
    return numbers.gain(finding.estimate), numbers.between(finding.interval, sign=True)


def p_value(p: float) -> str:
    """p, as a cell."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def fact(name: str, finding: Finding | None) -> Fact:
    """A share as a headline number; 0 and all are shown with their exact bound."""
    if finding is None or finding.estimate is None:
        return Fact(name, UNKNOWN, "nothing to count")
    low, high = finding.interval or (0.0, 1.0)
    if finding.estimate == 0:
        return Fact(name, f"0 of {finding.n:,}", f"at most {100 * high:.1f} % (95 %, exact)")
    if finding.estimate == 1:
        return Fact(name, f"{finding.n:,} of {finding.n:,}", f"at least {100 * low:.1f} % (95 %, exact)")
    return Fact(name, f"{100 * finding.estimate:.0f} %", f"{100 * low:.0f} to {100 * high:.0f} %, n = {finding.n:,}")
