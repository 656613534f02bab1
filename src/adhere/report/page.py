"""The page: sections of prose, charts, tables and examples in one HTML file that fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from adhere.core.errors import UserError
from adhere.core.files import write_bytes
from adhere.core.version import VERSION
from adhere.report.charts import Chart

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

LARGEST = 3_000_000
"""Bytes that a page may have. A report that a mail program refuses is no report."""


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Fact:
    """A headline number at the top of a section."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Facts:
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Table:
    """A table; numeric cells are right-aligned. `failing` rows, from 0, do not hold against their controls: they are
    grey, and a column says so."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    recompute: str = ""
    failing: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Excerpt:
    """Text with highlighted spans, as (text, marked) in order."""

    pieces: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Example:
    """One case: prompt, response, verdict.

    `beside` is shown to the left of `excerpt` to compare two texts; `heads` are their headings. `family` and `outcome`
    are what a reader can filter by.
    """

    title: str
    asked: str
    excerpt: Excerpt
    verdict: str
    note: str = ""
    beside: Excerpt | None = None
    heads: tuple[str, str] = ("", "")
    family: str = ""
    outcome: str = ""


@dataclass(frozen=True)
class Examples:
    title: str
    examples: tuple[Example, ...]
    caption: str = ""


@dataclass(frozen=True)
class Step:
    """One step of an episode: who spoke, what was said, and the state afterwards."""

    who: str
    text: str
    state: tuple[tuple[str, str], ...]
    """Facts, as (name, value)."""
    changed: frozenset[str] = frozenset()
    """Names of the facts that this step changed."""


@dataclass(frozen=True)
class Episode:
    title: str
    verdict: str
    steps: tuple[Step, ...]
    note: str = ""


@dataclass(frozen=True)
class Replay:
    """Episodes to follow step by step, with the state beside the text."""

    title: str
    episodes: tuple[Episode, ...]
    caption: str = ""
    recompute: str = ""


@dataclass(frozen=True)
class Charts:
    """Charts, side by side on wide screens."""

    charts: tuple[Chart, ...]


@dataclass(frozen=True)
class Stage:
    """One stage of a walkthrough: name, text, note."""

    name: str
    excerpt: Excerpt
    note: str = ""


@dataclass(frozen=True)
class Walk:
    """One case from start to end, stage by stage."""

    title: str
    stages: tuple[Stage, ...]
    caption: str = ""


Block = Prose | Facts | Table | Charts | Examples | Walk | Replay


@dataclass(frozen=True)
class Section:
    """A section of the page with its own anchor."""

    anchor: str
    title: str
    lead: str
    blocks: tuple[Block, ...]
    headline: str = ""
    """The section's result in one sentence, with its interval and n."""


@cache
def environment() -> Environment:
    """The templates of pages."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("adhere.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.tests["numeric"] = _numeric
    templates.filters["slug"] = _slug
    return templates


@cache
def _script() -> Markup:
    from markupsafe import Markup

    templates = environment()
    assert templates.loader is not None
    source, _, _ = templates.loader.get_source(templates, "page.js")
    return Markup(source)


def _data(text: str) -> Markup:
    """JSON inside an element of the page: nothing in it ends the element."""
    from markupsafe import Markup

    return Markup(text.replace("<", "\\u003c"))


def _policy() -> str:
    """What a browser lets the page do: its own script and styles, and nothing of the network."""
    digest = base64.b64encode(hashlib.sha256(str(_script()).encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _numeric(cell: str) -> bool:
    return bool(cell) and (cell[0].isdigit() or cell[0] in "+-−–±.<>≤≥")


def _slug(title: str) -> str:
    """An anchor made of a title: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def headline_of(sections: Sequence[Section]) -> str:
    """The page's result in one sentence: that of the first section that has one."""
    return next((section.headline for section in sections if section.headline), "")


def charts_of(sections: Sequence[Section]) -> list[Chart]:
    """Every chart of the page, in order."""
    blocks = (block for section in sections for block in section.blocks)
    return [chart for block in blocks if isinstance(block, Charts) for chart in block.charts]


def render(
    title: str, lead: str, sections: Sequence[Section], *, command: str = "", card: str = "", findings: str = ""
) -> str:
    """The whole page as HTML.

    Args:
        title: of the page.
        lead: a sentence or two below it.
        sections: in order.
        command: the command that makes the page again.
        card: the name of the PNG beside the page, for link previews.
        findings: the findings as JSON, embedded for download; left out where the page would become too large.
    """
    embedded = findings if len(findings.encode("utf-8", "replace")) <= LARGEST // 3 else ""
    blocks = [(section, [(type(block).__name__.lower(), block) for block in section.blocks]) for section in sections]
    return (
        environment()
        .get_template("page.html")
        .render(
            title=title,
            lead=lead,
            headline=headline_of(sections),
            card=card,
            findings=_data(embedded),
            sections=blocks,
            command=command,
            script=_script(),
            policy=_policy(),
            version=VERSION,
        )
    )


def write(path: str | os.PathLike[str], html: str) -> None:
    """Write the page; `-` is standard output.

    Raises:
        UserError: it cannot be written, or is larger than `LARGEST`.
    """
    data = html.encode("utf-8", "replace")
    if len(data) > LARGEST:
        raise UserError(f"the report would have {len(data) / 1e6:.1f} MB; score fewer models at once")
    write_bytes(path, data)
