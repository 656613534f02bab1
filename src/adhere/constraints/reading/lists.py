"""Lists of terms as instructions write them: quoted in any way, in brackets, or bare behind "the keywords"."""

from __future__ import annotations

import re

QUOTED = (
    r"(?:\"[^\"\n]{1,200}\"|“[^“”\n]{1,200}”|‘[^‘’\n]{1,200}’|`[^`\n]{1,200}`"
    r"|(?<!\w)'[^'\n]{1,200}'(?!\w))"
)
"""A term in quotation marks of some kind."""

_JOINT = r"(?:,? ?(?:and|or|nor|&) |, ?|/| )"
_BARE = (
    r"(?!(?:in|of|that|which|with|the|a|an|and|or|to|as|at|for|from|is|are|be|on|you|your|my|it|its)\b)"
    r"[A-Za-z][\w-]{0,40}"
)

LIST = rf"(?:\[?{QUOTED}(?:{_JOINT}{QUOTED}){{0,40}}\]?)"
"""Quoted terms, one or several."""

BARE_LIST = rf"(?:{_BARE}(?:, {_BARE}){{0,40}},? (?:and|or|nor|&) {_BARE}|{_BARE}(?:, {_BARE}){{1,40}})"
"""Two or more bare words: "waste, material and meal"."""

_EACH = re.compile(QUOTED)
_BARE_EACH = re.compile(r"[A-Za-z][\w-]*")


def terms_in(text: str) -> tuple[str, ...]:
    """The terms of a list that `LIST` or `BARE_LIST` matched."""
    quoted = [each[1:-1].strip().rstrip(",") for each in _EACH.findall(text)]
    if quoted:
        return tuple(each for each in quoted if each)
    return tuple(word for word in _BARE_EACH.findall(text) if word.lower() not in ("and", "or", "nor"))
