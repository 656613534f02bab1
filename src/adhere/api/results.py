"""What every measuring use case returns: findings, a page, a table, a notebook representation.

A result is a small frozen object. It keeps the measured data that its page is drawn from, and nothing that could
change.
"""

from __future__ import annotations

import html
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adhere.core import findings as records
from adhere.core.extras import naming_extras
from adhere.core.findings import Finding

if TYPE_CHECKING:
    import pandas as pd

    from adhere.report.page import Section

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how much of it was finished since the last call, and how much there is in all, if
known."""
Notice = Callable[[str], None]
"""Called with one line that a user should read: a part that was left out, and why."""

MOST_ROWS = 40
"""Findings that the notebook representation shows."""


@dataclass(frozen=True)
class Page:
    """What a result's page says: a title, a lead, sections."""

    title: str
    lead: str
    sections: tuple[Section, ...]


class Result(ABC):
    """A measurement: what was found, and how to show it."""

    if TYPE_CHECKING:  # fields of some results, properties of others

        @property
        def findings(self) -> tuple[Finding, ...]:
            """Every estimate with its interval, its n and the command that recomputes it."""

        @property
        def recompute(self) -> str:
            """The command that makes this result again."""

    @abstractmethod
    def page(self) -> Page:
        """What the result's page says."""

    def about(self) -> dict[str, Any]:
        """What a findings file says beside the findings."""
        return {}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the findings to `path` as JSON; `-` is standard output.

        Raises:
            UserError: it cannot be written.
        """
        records.write(path, self.findings, **self.about())

    def document(self) -> str:
        """What `save` writes: the findings as JSON."""
        return records.dumps(self.findings, **self.about())

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, one HTML file that fetches nothing, and beside it a card with its headline and picture:
        `report.card.png` beside `report.html`. Standard output gets the page alone.

        Returns:
            `path`.

        Raises:
            MissingExtra: the page's libraries are not installed.
            UserError: it cannot be written.
        """
        with naming_extras():
            from adhere.report.publishing import publish

            content = self.page()
            publish(
                path,
                content.title,
                content.lead,
                content.sections,
                command=self.recompute,
                findings=self.document(),
            )
        return Path(path)

    def to_pandas(self) -> pd.DataFrame:
        """One row for each finding: `what`, its subject's values, `estimate`, `low`, `high`, `n`, `unit`.

        Raises:
            MissingExtra: pandas is not installed.
        """
        with naming_extras():
            import pandas as pd
        return pd.DataFrame([row(finding) for finding in self.findings])

    def _repr_html_(self) -> str:
        shown = self.findings[:MOST_ROWS]
        cells = (
            (one.what, ", ".join(map(str, one.subject.values())), number(one.estimate), interval(one), str(one.n))
            for one in shown
        )
        rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>" for line in cells)
        heads = "".join(f"<th>{name}</th>" for name in ("finding", "subject", "estimate", "interval", "n"))
        more = len(self.findings) - len(shown)
        note = f"<p>{more} more in <code>.findings</code></p>" if more else ""
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{note}"


def row(finding: Finding) -> dict[str, Any]:
    """A finding as one flat row."""
    low, high = finding.interval or (None, None)
    return {
        "what": finding.what,
        **finding.subject,
        "estimate": finding.estimate,
        "low": low,
        "high": high,
        "confidence": finding.confidence,
        "n": finding.n,
        "unit": finding.unit,
    }


def number(value: float | None) -> str:
    """An estimate in words; a dash where there is none."""
    return "–" if value is None else f"{value:.3g}"


def interval(finding: Finding) -> str:
    """A finding's interval in words; a dash where there is none."""
    return "–" if finding.interval is None else f"{finding.interval[0]:.3g} to {finding.interval[1]:.3g}"
