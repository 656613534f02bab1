"""Combinations in braces, as their `describe` writes them: "Do at least one of the following: {...} {...}".

Each pair of braces holds one combination or one sentence that states exactly one constraint; anything else makes the
whole unreadable. Braces are matched in one pass, and every character is read once, however deep they nest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from adhere.constraints.combine import DEEPEST
from adhere.constraints.constraint import Constraint
from adhere.constraints.registry import families

_OPENING = re.compile(
    r"(?P<all>Do all of the following)|(?P<any>Do at least one of the following)|(?P<not>Do the opposite of)"
    r"|In each (?P<each>sentence|paragraph|line|list item)|In the (?P<in>[a-z]+(?: [a-z]+){0,2})",
    re.I,
)
_START = re.compile(rf"(?:{_OPENING.pattern}): ?(?=\{{)", re.I)

Leaf = Callable[[str], tuple[Constraint, ...]]
"""Reads the sentence in a pair of braces."""


@dataclass(frozen=True, slots=True)
class Braced:
    """A combination and where it stands; None where it cannot be read."""

    start: int
    end: int
    constraint: Constraint | None
    why: str = "a part of it is not understood"


def combinations(text: str, leaf: Leaf) -> list[Braced]:
    """The outermost combinations in `text`."""
    if "{" not in text:
        return []
    closing = _pairs(text)
    found: list[Braced] = []
    at = 0
    while (match := _START.search(text, at)) is not None:
        end, groups = _groups(text, match.end(), closing)
        if not groups:
            at = match.end()
            continue
        found.append(Braced(match.start(), end, _combination(text, match, groups, closing, leaf, 1)))
        at = end
    return found


def _pairs(text: str) -> dict[int, int]:
    """Where the brace that opens at a place closes."""
    closing: dict[int, int] = {}
    opened: list[int] = []
    for match in re.finditer(r"[{}]", text):
        if match[0] == "{":
            opened.append(match.start())
        elif opened:
            closing[opened.pop()] = match.start()
    return closing


def _groups(text: str, at: int, closing: dict[int, int]) -> tuple[int, list[tuple[int, int]]]:
    """The pairs of braces from `at` on, one after the other, and where the last ends."""
    groups: list[tuple[int, int]] = []
    end = at
    while at < len(text) and text[at] == "{" and at in closing:
        groups.append((at + 1, closing[at]))
        end = closing[at] + 1
        at = end + (text[end : end + 1] == " ")
    return end, groups


def _combination(
    text: str, match: re.Match[str], groups: list[tuple[int, int]], closing: dict[int, int], leaf: Leaf, depth: int
) -> Constraint | None:
    if depth > DEEPEST:
        return None
    stated: list[Constraint] = []
    for start, end in groups:
        inner = _START.match(text, start, end)
        if inner is not None:
            stop, parts = _groups(text, inner.end(), closing)
            one = _combination(text, inner, parts, closing, leaf, depth + 1) if parts and stop == end else None
            if one is None:
                return None
            stated.append(one)
            continue
        read = leaf(text[start:end])
        if len(read) != 1:
            return None
        stated.append(read[0])
    try:
        return _of(match, stated)
    except (ValidationError, ValueError):
        return None


def _of(match: re.Match[str], stated: list[Constraint]) -> Constraint | None:
    known = families()
    if match["all"] or match["any"]:
        return known["all_of" if match["all"] else "any_of"].model_validate({"of": stated})
    if len(stated) != 1:
        return None
    if match["not"]:
        return known["not"].model_validate({"of": stated[0]})
    if match["each"]:
        part = match["each"].lower().removeprefix("list ")
        return known["each"].model_validate({"part": part, "of": stated[0]})
    part = match["in"].lower().replace("list item", "item").replace(" ", "_")
    return known["in"].model_validate({"part": part, "of": stated[0]})
