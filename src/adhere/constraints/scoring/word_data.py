"""The word lists beside this file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def lists(name: str) -> Mapping[str, Any]:
    """The lists in `data/<name>.json`."""
    loaded: Mapping[str, Any] = json.loads((files(__package__) / "data" / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def words_of(name: str, key: str) -> tuple[str, ...]:
    """One list: the words of a string, or the phrases of an array."""
    value = lists(name)[key]
    return tuple(value.split()) if isinstance(value, str) else tuple(value)


def alternatives(words: Iterable[str]) -> str:
    """A pattern that matches any of them, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
