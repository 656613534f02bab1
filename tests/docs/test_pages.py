"""Every page can be reached, every link leads somewhere, and no page speaks of a file that is not there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.docs.blocks import ROOT

DOCS = ROOT / "docs"
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")


def _texts() -> dict[Path, str]:
    files = [*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
    return {path: re.sub(r"(?ms)^ *```.*?^ *```$", "", path.read_text(encoding="utf-8")) for path in files}


def _leaves(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for value in entry.values():
            yield from _leaves(value)
    else:
        for one in entry:
            yield from _leaves(one)


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", one)).strip().lower().replace(" ", "-") for one in headings}


def test_every_page_is_in_the_navigation_and_every_entry_is_a_page() -> None:
    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    listed = list(_leaves(config["project"]["nav"]))
    assert len(listed) == len(set(listed))
    assert set(listed) == {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    texts = _texts()
    broken = []
    for page, text in texts.items():
        for target, anchor in LINK.findall(text):
            file = (page.parent / target).resolve() if target else page
            if not file.exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
            elif anchor and file in texts and anchor not in _anchors(texts[file]):
                broken.append(f"{page.relative_to(ROOT)}: {target}#{anchor}")
    assert not broken


def test_files_of_the_source_that_pages_name_exist() -> None:
    named = [
        (page, name)
        for page, text in _texts().items()
        for name in re.findall(r"`((?:\w+/)+\w+\.py|(?:src|tests|benchmarks|examples|docs|scripts)/[\w./-]+)`", text)
    ]
    places = (ROOT, ROOT / "src" / "adhere", ROOT / "src" / "adhere" / "problems")
    missing = [f"{page.name}: {name}" for page, name in named if not any((one / name).exists() for one in places)]
    assert named
    assert not missing
