"""The reference puts a user's keyword into a regular expression as it is. This file does the same without its dangers.

Rules:

- A keyword of letters, digits and spaces, which nearly all are, is looked for as the string it is.
- Any other is a regular expression, as in the reference, so "a.b" finds "axb". One that is not valid ("C++"), which the
  reference crashes on, is taken literally.
- No search takes longer than `PATIENCE` seconds: a keyword like "(a+)+b" finds nothing rather than never ending.
"""

from __future__ import annotations

import re
from functools import lru_cache

import regex

PATIENCE = 2.0

_PLAIN = re.compile(r"[A-Za-z0-9 ]*")


@lru_cache(maxsize=4096)
def _compiled(pattern: str, case: bool) -> regex.Pattern[str]:
    flags = regex.V0 if case else regex.V0 | regex.IGNORECASE
    try:
        re.compile(pattern)
        return regex.compile(pattern, flags)
    except (re.error, regex.error):
        return regex.compile(regex.escape(pattern), flags)


def count(pattern: str, text: str, *, case: bool = False) -> int:
    """How many matches of `pattern` stand in `text`, one after the other; without `case`, in either case."""
    if not case and _PLAIN.fullmatch(pattern) and text.isascii():
        return text.lower().count(pattern.lower()) if pattern else len(text) + 1
    try:
        return sum(1 for _ in _compiled(pattern, case).finditer(text, timeout=PATIENCE))
    except TimeoutError:
        return 0


def found(pattern: str, text: str) -> bool:
    """Whether a match of `pattern` stands in `text`, in either case."""
    if _PLAIN.fullmatch(pattern) and text.isascii():
        return pattern.lower() in text.lower()
    try:
        return _compiled(pattern, False).search(text, timeout=PATIENCE) is not None
    except TimeoutError:
        return False


def found_as_word(pattern: str, text: str) -> bool:
    """Whether a match of `pattern` stands in `text` between two word borders, in either case."""
    if _PLAIN.fullmatch(pattern) and text.isascii() and pattern.lower() not in text.lower():
        return False
    return found(rf"\b{pattern}\b", text)
