"""Answers that are none, recognised and reported apart: a rate of instructions followed says nothing about them.

    empty      no character but white space
    loop       the end repeats itself: at least 4 times, over at least 200 characters
    refusal    it opens by declining
    truncated  it ends within its reasoning, within a fenced code block, or its maker says that its tokens ran out
    failed     the request failed, expired or was cancelled, or the response is null

("unread" and "absent" are said of rows, not of texts: see `unread`.)

Rules. Each is a plain, deterministic test of the text, and errs towards not calling an answer degenerate: a poem with
a refrain is no loop, an answer that only mentions what it cannot do is no refusal. An answer may be several at once.
"""

from __future__ import annotations

from adhere.constraints.degeneration import fence_open, is_loop, is_refusal
from adhere.measure.adherence.records import DEGENERATE

__all__ = ["fence_open", "is_loop", "is_refusal", "ways"]


def ways(text: str, *, truncated: bool = False) -> tuple[str, ...]:
    """Which of `DEGENERATE` the answer is. `truncated`: its reasoning was not closed, or its tokens ran out."""
    signs = {
        "empty": not text or text.isspace(),
        "loop": is_loop(text),
        "refusal": is_refusal(text),
        "truncated": truncated or fence_open(text),
    }
    return tuple(name for name in DEGENERATE if signs.get(name))
