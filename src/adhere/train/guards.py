"""Guards: answers that earn nothing whatever constraints they meet.

A constraint on length, or on what to leave out, is met for nothing by a text that says nothing, and a policy under
training finds such texts. Each guard is a plain, deterministic test of the text:

    empty      no text, or the answer was cut off within its reasoning
    vacuous    no letter or digit outside code fences (`***`, `{}`)
    loop       the text ends in one stretch repeated without end (`constraints.degeneration`)
    copied     the answer repeats the prompt: it holds all of it, or `COPIED_SHARE` of its word 4-grams stand there
    after_end  something is written after a token that ends the turn, or the answer opens a turn of its own
    length     fewer or more words than the band that the caller gives

The order above is the order in which they are tried; the first that applies is reported.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, Literal, get_args

from adhere.constraints.degeneration import is_loop
from adhere.constraints.reasoning import END_TOKENS, answer

Guard = Literal["empty", "vacuous", "loop", "copied", "after_end", "length"]
GUARDS: Final[tuple[Guard, ...]] = get_args(Guard)

COPIED_SHARE: Final = 0.8
"""Share of an answer's word 4-grams that stand in the prompt from which on it counts as copied. A retelling of one
sentence of the prompt stays below it as soon as it adds as much again."""
COPIED_WORDS: Final = 8
"""Answers with fewer words are never copied: a short answer out of the prompt's words is what many problems ask for."""
GRAM: Final = 4

_FENCE = re.compile(r"^[ ]{0,3}(?:`{3,}|~{3,})[^\n]*$", re.MULTILINE)
_SUBSTANCE = re.compile(r"[^\W_]")
"""A letter or a digit of any script."""
_WORD = re.compile(r"[^\W_]+")
_END = re.compile("|".join(re.escape(token) for token in sorted(END_TOKENS, key=len, reverse=True)))
_TURN = re.compile(
    r"^[ ]{0,3}(?:<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>|(?:#{1,4} ?|\*\*)?(?:User|Human|Assistant)"
    r"(?:\*\*)?:(?:\*\*)?)(?=\s|$|\w)",
    re.MULTILINE,
)
"""How a model opens the next turn by itself: a chat template's mark, or a speaker's name at the beginning of a line."""


def guarded(
    completion: str,
    prompt: str = "",
    *,
    words: tuple[int | None, int | None] = (None, None),
    without: Collection[Guard] = (),
) -> Guard | None:
    """Why `completion` earns nothing whatever was asked for; None where it is an answer.

    Args:
        completion: as it was written, reasoning included.
        prompt: what was asked; empty where it is not known, and then nothing counts as copied.
        words: the fewest and the most words of the answer; None for no limit.
        without: guards that do not apply: `copied` where a text is to be repeated, for instance.
    """
    text = answer(completion).text
    tests = {
        "empty": lambda: not text.strip(),
        "vacuous": lambda: not _SUBSTANCE.search(_FENCE.sub("", text)),
        "loop": lambda: is_loop(text),
        "copied": lambda: is_copied(text, prompt),
        "after_end": lambda: goes_on(text),
        "length": lambda: not _within(len(_WORD.findall(text)), words),
    }
    return next((guard for guard in GUARDS if guard not in without and tests[guard]()), None)


def is_copied(text: str, prompt: str) -> bool:
    """Whether `text` repeats `prompt`; see the module's rules. Linear in both."""
    written = [word.casefold() for word in _WORD.findall(text)]
    source = [word.casefold() for word in _WORD.findall(prompt)]
    if len(written) < COPIED_WORDS or len(source) < GRAM:
        return False
    if len(source) >= COPIED_WORDS and f" {' '.join(source)} " in f" {' '.join(written)} ":
        return True
    known = set(zip(*(source[at:] for at in range(GRAM)), strict=False))
    grams = list(zip(*(written[at:] for at in range(GRAM)), strict=False))
    return sum(gram in known for gram in grams) >= COPIED_SHARE * len(grams)


def goes_on(text: str) -> bool:
    """Whether `text`, without the tokens at its very end, goes on after a turn's end or opens a turn of its own."""
    end = _END.search(text)
    return (end is not None and bool(_END.sub("", text[end.end() :]).strip())) or _TURN.search(text) is not None


def _within(count: int, limits: tuple[int | None, int | None]) -> bool:
    low, high = limits
    return (low is None or count >= low) and (high is None or count <= high)
