"""Free twins: the same prompts without one instruction, answered again and judged as if it were there.

A probe that separates met from violated equally well on them reads a property of the text; a probe that does not reads
something that the instruction causes. The whole sentence that states an instruction is removed. A prompt has no twin if
its instruction cannot be located, is still present afterwards, or was all that the prompt said.
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
    constraints = set(prompt.asked(skill))
    located = set()
    messages: list[Turn] = []
    for role, text in prompt.messages:
        spans = []
        for stated in find(text):
            if stated.constraint in constraints:
                located.add(stated.constraint)
                spans.append(_sentence(text, stated.span.start, stated.span.end))
        left = text
        for start, end in sorted(set(spans), reverse=True):
            left = left[:start] + left[end:]
        if left.strip():
            messages.append((role, left.strip() if spans else text))
    if not constraints or located != constraints or not any(role == "user" for role, _ in messages):
        return None
    if any(stated.constraint.skill == skill for _, text in messages for stated in find(text)):
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
