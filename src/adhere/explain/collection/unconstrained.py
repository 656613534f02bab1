"""Free twins: the same prompts with one instruction taken out, answered anew and judged as if it stood there.

A probe that tells met from violated just as well on them reads a property of the text; one that does not reads
something that is there because the instruction is. An instruction is taken out with the whole sentence that states
it. Prompts in which its words are not found, or are still found afterwards, or of which nothing is left, have no twin.
"""

from __future__ import annotations

import re
from dataclasses import replace

from adhere.constraints.parse import find
from adhere.explain.cases.labels import Prompt, Turn

_STOP = re.compile(r"[.!?][\"')\]]*(?=\s|$)|\n+")


def without(prompt: Prompt, skill: str) -> Prompt | None:
    """The prompt without the instructions of `skill`; None if they cannot be taken out.

    Its constraints of the skill stay, so that answers are judged by them.
    """
    asked = set(prompt.asked(skill))
    seen = set()
    messages: list[Turn] = []
    for role, text in prompt.messages:
        spans = []
        for found in find(text):
            if found.constraint in asked:
                seen.add(found.constraint)
                spans.append(_sentence(text, found.span.start, found.span.end))
        left = text
        for start, end in sorted(set(spans), reverse=True):
            left = left[:start] + left[end:]
        if left.strip():
            messages.append((role, left.strip() if spans else text))
    if not asked or seen != asked or not any(role == "user" for role, _ in messages):
        return None
    if any(found.constraint.skill == skill for _, text in messages for found in find(text)):
        return None
    return replace(prompt, messages=tuple(messages))


def _sentence(text: str, start: int, end: int) -> tuple[int, int]:
    """The sentence around a stretch, with the space after it."""
    first = max((stop.end() for stop in _STOP.finditer(text, 0, start) if stop.end() <= start), default=0)
    last = next((stop.end() for stop in _STOP.finditer(text, max(start, end - 1))), len(text))
    while first < start and text[first].isspace():
        first += 1
    while last < len(text) and text[last].isspace():
        last += 1
    return first, last
