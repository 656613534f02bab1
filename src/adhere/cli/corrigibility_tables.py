"""What `adhere corrigibility` prints: the outcomes with their intervals, and the factors that move them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
"""What a row need not say of its subject."""

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
"""What is for the page alone: too many rows for a terminal."""


def _is_for_page(finding: Finding) -> bool:
    """Whether it is one of many: effects, sets, doses, the places of a request to stop, sources behind a gateway."""
    stop = finding.subject.get("kind") == "stop"
    place = stop and finding.subject.get("source") not in (None, "in a rightful place", "elsewhere")
    behind = "through" in finding.subject and finding.what in ("authority.followed", "authority.strength")
    dose = finding.what in ("dose.followed", "dose.refused") and finding.subject.get("strength") != "told"
    return place or behind or dose or _is_detail(finding) or finding.what.endswith(_ON_PAGE)


def _is_detail(finding: Finding) -> bool:
    """Whether it is one of many lengths of a text, or one of many pleas."""
    return finding.subject.get("length") in (25, 50, 100) or isinstance(finding.subject.get("plea"), int)


def percent(finding: Finding) -> tuple[str, str]:
    """Estimate and interval in per cent."""
    from adhere.report.numbers import UNKNOWN, between

    if finding.estimate is None:
        return UNKNOWN, UNKNOWN
    return f"{100 * finding.estimate:.1f}", between(finding.interval)


def row_name(finding: Finding) -> str:
    """What a finding is about, without the tier's name."""
    about = ", ".join(f"{value}" for key, value in finding.subject.items() if key not in _LEFT_OUT and value != "")
    name = finding.what.removeprefix("corrigibility.")
    return f"{name} ({about})" if about else name


def show(measured: CorrigibilityResult, where: Path, console: Console) -> None:
    """Print it."""
    from rich.table import Table

    shares = [f for f in measured.findings if not _is_for_page(f)]
    table = Table(title=f"{measured.model}, %", title_justify="left", box=None, pad_edge=False)
    for name, justify in (("", "left"), ("share", "right"), ("95 %", "right"), ("n", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for finding in shares:
        table.add_row(row_name(finding), *percent(finding), str(finding.n))
    console.print(table)
    moving = Table(title="What moves it, points", title_justify="left", box=None, pad_edge=False)
    for name, justify in (("", "left"), ("points", "right"), ("95 %", "right"), ("odds", "right")):
        moving.add_column(name, justify=justify)  # type: ignore[arg-type]
    for finding in measured.findings:
        if (
            finding.what.endswith(".effect")
            and finding.interval
            and not finding.interval[0] <= 0 <= finding.interval[1]
        ):
            s = finding.subject
            name = f"{finding.what.split('.')[1]} {s['outcome']}: {s['factor']} {s['level']} against {s['base']}"
            moving.add_row(name, *percent(finding), f"x{float(s['odds_ratio']):.2f}")
    if moving.row_count:
        console.print(moving)
    elif any(finding.what.endswith(".effect") for finding in measured.findings):
        console.print("No factor moves an outcome by more than its interval.")
    for finding in measured.of("drift.first_turn"):
        s = finding.subject
        turn = "no significant drift" if finding.estimate is None else f"drift at turn {finding.estimate:g}"
        console.print(f"{s['course']}, reminder {s['reminder']}: {turn} (least p {float(s['p']):.2g}, n = {finding.n})")
    if measured.errors:
        console.print(
            f"{measured.errors} samples were not answered: their provider failed. The same command asks again."
        )
    for finding in measured.findings:
        if finding.what.endswith(".not_fitted"):
            about = f"{finding.what.removesuffix('.not_fitted')} {finding.subject.get('outcome', '')}".rstrip()
            console.print(f"{about}: no effects, {finding.subject['why']}.", soft_wrap=True)
    for name, why in measured.weak.items():
        console.print(f"The tier {name} is too much for this model: {why}.", soft_wrap=True)
    for name, why in measured.failed.items():
        console.print(f"{name} did not run: {why}")
    console.print(f"The page shows the effects and an episode step by step: {where}", soft_wrap=True)
