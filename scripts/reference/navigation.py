"""The navigation's entries for generated pages: the blocks "Command line" and "Python API" of zensical.toml."""

from __future__ import annotations

import re
from collections.abc import Iterable

BLOCKS = {"Command line": ("cli", "adhere {}"), "Python API": ("api", "{}")}


def updated(config: str, pages: Iterable[str]) -> str:
    """`config` with the two blocks listing `pages`, names relative to docs/reference."""
    listed = sorted(pages)
    for title, (folder, label) in BLOCKS.items():
        names = [
            name.removeprefix(f"{folder}/").removesuffix(".md") for name in listed if name.startswith(f"{folder}/")
        ]
        lines = [f'      "reference/{folder}/index.md",']
        lines += [
            f'      {{ "{label.format(name)}" = "reference/{folder}/{name}.md" }},' for name in names if name != "index"
        ]
        block = re.compile(rf'(?ms)(^    \{{ "{title}" = \[\n).*?(^    \] \}},$)')
        config = block.sub(lambda found, lines=lines: found[1] + "\n".join(lines) + "\n" + found[2], config, count=1)
    return config
