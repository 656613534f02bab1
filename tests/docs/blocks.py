"""Code blocks of the documentation, and how each is run.

A fenced block may carry a `title`: it is written to a file of that name before later blocks run. A comment on the line
before a block, `<!-- not run: REASON -->`, says why it is not run; `<!-- slow -->` leaves it to the slow tests.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w+)(?: +title=\"(?P<title>[^\"]+)\")?[^\n]*$")
NOTE = re.compile(r"^ *<!-- (?:not run: (?P<reason>[^>]+)|(?P<slow>slow)) -->$")


@dataclass(frozen=True)
class Block:
    """One fenced block. `line` is that of its first line of code."""

    page: Path
    line: int
    language: str
    title: str | None
    reason: str | None
    slow: bool
    text: str


def pages() -> list[Path]:
    """Every written page: README, CONTRIBUTING and docs/, without the generated reference."""
    written = [path for path in (ROOT / "docs").rglob("*.md") if "reference" not in path.parts]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(written)]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        opening = FENCE.match(lines[at])
        if opening is None:
            at += 1
            continue
        note = NOTE.match(lines[at - 1]) if at else None
        indent = len(opening["indent"])
        body = []
        start = at = at + 1
        while at < len(lines) and lines[at].strip() != "```":
            body.append(lines[at][indent:])
            at += 1
        found.append(
            Block(
                page,
                start + 1,
                opening["language"],
                opening["title"],
                note["reason"] if note else None,
                bool(note and note["slow"]),
                "\n".join(body) + "\n",
            )
        )
        at += 1
    return found


def commands(block: Block) -> list[str]:
    """The commands of a shell block: lines are joined where a quote or a backslash carries on; comments go."""
    whole: list[str] = []
    pending = ""
    for line in re.sub(r"\\\n\s*", "", block.text).splitlines():
        pending = f"{pending}\n{line}" if pending else line
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # an open quote
            continue
        if words:
            whole.append(pending if "\n" in pending else _uncommented(pending))
        pending = ""
    assert not pending, f"{block.page}:{block.line}: a command does not end: {pending}"
    return whole


def _uncommented(line: str) -> str:
    return re.sub(r"\s+#\s.*$", "", line).strip()
