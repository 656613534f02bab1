"""Texts that are no answer, each recognised by a plain, deterministic test of the text.

Rules. Each errs towards not calling a text degenerate: a poem with a refrain is no loop, an answer that only mentions
what it cannot do is no refusal. `measure.degenerate` counts them apart, the gateway cuts a loop off while it
is written.
"""

from __future__ import annotations

import re

LOOP_TIMES = 4
LOOP_LENGTH = 200
_TAIL = 4_000
"""How much of the end is looked at for a loop: a loop that runs until the tokens are spent fills it."""
_PROBE = 20
_TRIES = 64
"""Places tried as periods: the stretch of a loop holds its own last 20 characters seldom more than once."""

_FENCE = re.compile(r"^ {0,3}```", re.M)

_CANNOT = r"(?:can['’]?t|cannot|can not|unable|not able|won['’]?t|will not|not comfortable|must decline)"
_DO = (
    r"(?:assist|help|provide|fulfill?|comply|create|write|do that|generate|answer|engage|participate|support|continue|"
    r"share|offer|discuss|with|to|in)"
)
_REFUSAL = re.compile(
    r"[\s\"“*#>-]*(?:"
    rf"(?:i['’]?m|i am) (?:really |very |so |truly )?(?:sorry|afraid)\b"
    rf"(?! to (?:inform|tell|say|hear|let)| for)[^.!?\n]{{0,60}}?\b{_CANNOT}\b"
    rf"|(?:i['’]?m|i am) (?:unable|not able) to {_DO}\b"
    rf"|(?:sorry|apologies|my apologies|i apologi[sz]e|unfortunately|regrettably)\b[^.!?\n]{{0,60}}?\bi\b"
    rf"[^.!?\n]{{0,20}}?\b{_CANNOT} {_DO}\b"
    rf"|i (?:can['’]?t|cannot|can not|won['’]?t|will not|(?:must|have to|need to)(?: respectfully)? decline|refuse)"
    rf" {_DO}\b"
    rf"|as an? (?:ai|artificial|language|large)\b[^.!?\n]{{0,60}}?\bi (?:am )?{_CANNOT}\b[^.!?\n]{{0,20}}?\b{_DO}\b"
    r")",
    re.I,
)
"""How refusals open (after the lists of Zou et al., arXiv 2307.15043, and JailbreakBench, arXiv 2404.01318)."""


def is_refusal(text: str) -> bool:
    """Whether the answer opens by declining."""
    return _REFUSAL.match(text[:400]) is not None


def fence_open(text: str) -> bool:
    """Whether the text ends within a fenced code block.

    Both the fences that begin a line and all of them must be odd: answers wrap a whole block in quotation marks.
    """
    return text.count("```") % 2 == 1 and len(_FENCE.findall(text)) % 2 == 1


def is_loop(text: str) -> bool:
    """Whether the end of the text is one stretch repeated `LOOP_TIMES` times or more, over `LOOP_LENGTH` characters.

    The last repetition may be cut short. Rulers do not count: the stretch must hold a letter or a digit. In a loop of
    period p the last few characters stand p earlier too, so the places where they stand are the periods to try; a text
    whose last few characters stand nowhere else, nearly every text, is dismissed at once.
    """
    tail = text[-_TAIL:].rstrip()
    if len(tail) < LOOP_LENGTH:
        return False
    end = tail[-_PROBE:]
    place = len(tail) - _PROBE
    for _ in range(_TRIES):
        place = tail.rfind(end, 0, place + _PROBE - 1)
        period = len(tail) - _PROBE - place
        length = max(LOOP_LENGTH, LOOP_TIMES * period)
        if place < 0 or length > len(tail):
            return False
        if tail[-length:-period] == tail[period - length :] and any(c.isalnum() for c in tail[-period:]):
            return True
    return False
