"""What `adhere corrigibility` prints: the outcomes with their intervals, and the factors that move them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adhere.cli.tables.layout import Column, Table
from adhere.core.terminal import visible

if TYPE_CHECKING:
    from rich.console import Console

    from adhere.core.findings import Finding
    from adhere.measure.corrigibility.battery import CorrigibilityResult

_LEFT_OUT = frozenset(
    (
        "model",
        "met",
        "clusters",
        "interface",
        "world",
        "scored",
        "p",
        "test",
        "against",
        "licence",
        "texts",
        "judge",
        "why",
    )
)
"""Parts of a subject that its row leaves out."""

_ON_PAGE = (
    ".not_fitted",
    ".effect",
    ".factor",
    ".clarity",
    ".set",
    "drift.in_character",
    "drift.change",
    "drift.first_turn",
)
"""Ends of the names of findings that only the report shows: too many rows for a terminal."""


def _is_for_page(finding: Finding) -> bool:
    """Whether only the report shows it: effects, sets, doses, places of a request to stop, sources behind a gateway."""
    stop = finding.subject.get("kind") == "stop"
    place = stop and finding.subject.get("source") not in (None, "in a rightful place", "elsewhere")
    behind = "through" in finding.subject and finding.what in ("authority.followed", "authority.strength")
    dose = finding.what in ("dose.followed", "dose.refused") and finding.subject.get("strength") != "told"
    return place or behind or dose or _is_detail(finding) or finding.what.endswith(_ON_PAGE)


def _is_detail(finding: Finding) -> bool:
    """Whether it is one of many lengths of a text, or one of many pleas."""
    return finding.subject.get("length") in (25, 50, 100) or isinstance(finding.subject.get("plea"), int)


def estimate_cells(finding: Finding) -> tuple[str, str]:
    """Estimate and interval in percent."""
    from adhere.report.numbers import between, in_percent

    return in_percent(finding.estimate), between(finding.interval)


def row_name(finding: Finding) -> str:
    """What a finding is about, without the tier's name."""
    about = ", ".join(f"{value}" for key, value in finding.subject.items() if key not in _LEFT_OUT and value != "")
    name = finding.what.removeprefix("corrigibility.")
    return f"{name} ({about})" if about else name


def show(measured: CorrigibilityResult, page: Path, console: Console) -> None:
    """Shares, the factors that move them, drift, and what did not run."""
    numbers = (Column("share", True), Column("95 %", True), Column("n", True, 1))
    table = Table(f"{measured.model}, %", ("outcome", *numbers))
    for finding in measured.findings:
        if not _is_for_page(finding):
            table.add(row_name(finding), *estimate_cells(finding), str(finding.n))
    table.print(console)
    moving = Table(
        "Factors that move an outcome", ("factor", Column("points", True), numbers[1], Column("odds", True, 1))
    )
    for finding in measured.findings:
        bounds = finding.interval
        if finding.what.endswith(".effect") and bounds and not bounds[0] <= 0 <= bounds[1]:
            s = finding.subject
            name = f"{finding.what.split('.')[1]} {s['outcome']}: {s['factor']} {s['level']} against {s['base']}"
            moving.add(name, *estimate_cells(finding), f"x{float(s['odds_ratio']):.2f}")
    moving.print(console)
    if not moving.rows and any(finding.what.endswith(".effect") for finding in measured.findings):
        console.print("No factor moves an outcome by more than its interval.")
    for finding in measured.of("drift.first_turn"):
        s = finding.subject
        turn = "no significant drift" if finding.estimate is None else f"drift at turn {finding.estimate:g}"
        line = f"{s['course']}, reminder {s['reminder']}: {turn} (least p {float(s['p']):.2g}, n = {finding.n})"
        console.print(visible(line))
    if measured.errors:
        console.print(f"{measured.errors} samples got no answer: their provider failed. The same command asks again.")
    for finding in measured.findings:
        if finding.what.endswith(".not_fitted"):
            about = f"{finding.what.removesuffix('.not_fitted')} {finding.subject.get('outcome', '')}".rstrip()
            console.print(f"{visible(about)}: no effects, {visible(finding.subject['why'])}.", soft_wrap=True)
    for name, why in measured.weak.items():
        console.print(f"This model cannot do the tier {name}: {visible(why)}.", soft_wrap=True)
    for name, why in measured.failed.items():
        console.print(f"{name} did not run: {visible(why)}")
    console.print(f"Report, with the effects and an episode step by step: {visible(page)}", soft_wrap=True)
