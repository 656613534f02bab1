"""Writes a page and the card beside it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from adhere.core.files import is_special, is_standard_output, write_bytes
from adhere.report import page
from adhere.report.card import card
from adhere.report.page import Section


def publish(
    path: str | os.PathLike[str],
    title: str,
    lead: str,
    sections: Sequence[Section],
    *,
    command: str = "",
    findings: str = "",
) -> None:
    """Write the page to `path`, and its card beside it: `report.card.png` beside `report.html`. Standard output and
    pipes get the page alone.

    Args:
        path: of the page; `-` is standard output.
        title: of the page.
        lead: a sentence or two below it.
        sections: in order.
        command: the command that makes the page again.
        findings: the findings as JSON, embedded for download.

    Raises:
        UserError: a file cannot be written, or the page is too large.
    """
    target = Path(path)
    alone = is_standard_output(target) or is_special(target)
    beside = target.with_suffix(".card.png")
    name = "" if alone else beside.name
    page.write(path, page.render(title, lead, sections, command=command, card=name, findings=findings))
    if not alone:
        write_bytes(beside, card(title, page.headline_of(sections), page.charts_of(sections)))
