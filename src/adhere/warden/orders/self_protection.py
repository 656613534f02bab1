"""Order 2 in code: which acts would weaken a principal's means of control.

Rules
- Whatever names the charter's folder or anything below it (ledger, latch, keys, sockets), or a path that the charter
  protects, in any argument at any depth: relative, through `..`, `~` or a symbolic link.
- Tools that the charter lists (schedulers, spawning of unsupervised agents, disabling of things).
- For tools that run commands: words that start what would outlive supervision, reach into it, or speak to the warden.

This looks at what an act declares. A program can compute a path it never names, so the guarantee that supervised
processes do not reach the charter is the operating system's (`supervisor`: another user, or the folder hidden); this is
what stops an agent that asks openly, and it is what turns such an attempt into evidence.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from adhere.warden.acts.acts import Act, matches
from adhere.warden.charter.terms import Protect

_TOKEN = re.compile(r"[^\s'\"`;|&<>()=,:\[\]{}]+")


def strings(value: Any) -> Iterator[str]:
    """Every text in a value, at any depth, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, os.PathLike):
        yield os.fspath(value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from strings(key)
            yield from strings(inner)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            yield from strings(inner)


def weakens(act: Act, protect: Protect, folder: Path) -> str:
    """Why `act` would weaken control; empty where it would not. `folder` is the charter's."""
    for pattern in protect.tools:
        if matches(pattern, act.tool.lower()):
            return f"the tool {act.tool} is protected ({pattern})"
    roots = tuple(os.path.realpath(os.path.expanduser(path)) for path in (str(folder), *protect.paths))
    runs = any(matches(pattern, act.tool.lower()) for pattern in protect.commands)
    for text in strings(dict(act.arguments)):
        named = _names(text, roots)
        if named:
            return f"it names {named}"
        if runs:
            low = " ".join(text.lower().split())
            for word in protect.words:
                if word.lower() in low:
                    return f"the command has {word.strip()!r} in it"
    return ""


def _names(text: str, roots: tuple[str, ...]) -> str:
    if len(text) < 2 or ("\x00" in text):
        return ""
    for root in roots:
        if root in text:
            return root
    candidates = [text] if len(text) < 4096 else []
    if "/" in text or text.startswith((".", "~")) or len(text) < 256:
        candidates += _TOKEN.findall(text)[:512]
    for candidate in dict.fromkeys(candidates):
        path = candidate.removeprefix("file://")
        if not _worth(path, roots):
            continue
        try:
            real = os.path.realpath(os.path.expanduser(path))
        except (OSError, ValueError):
            continue
        for root in roots:
            if real == root or real.startswith(root + os.sep):
                return root
    return ""


def _worth(path: str, roots: tuple[str, ...]) -> bool:
    """Whether a word can be a path into one of `roots` at all: plain words exist as files only where they do."""
    if "/" in path or path.startswith(("~", ".")):
        return True
    return any(os.path.basename(root) == path for root in roots) or os.path.islink(path)
