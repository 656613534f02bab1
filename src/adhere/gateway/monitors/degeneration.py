"""Answers going wrong as they are written: loops, and answers to something else. Watches (`points.Watch`) of a stream.

Rules
- *Loop*: the end repeats itself at least 4 times over at least 200 characters (`constraints.degeneration`). Looked at
  every `EVERY` characters and at the end; a loop denies, so the upstream is left at once.
- *Off task*: of the first so many content words of the answer none stands in what was asked. A content word has four
  letters or more, is compared by its first five, and is not one of `COMMON`. One shared word settles it for good.
  It is a doubt, not a verdict: translations, code and answers in another language share no words either. So it asks
  (a tool call of such an answer waits for a person) and never cuts off.
- What was asked is every user and system text; where that has fewer than three content words nothing is judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from adhere.constraints.degeneration import is_loop
from adhere.warden.acts.acts import Decision, Verdict

EVERY = 256
_TAIL = 4_000
_WORD = re.compile(r"[^\W\d_]{4,}")
_STEM = 5
COMMON = frozenset(
    word[:_STEM]
    for word in (
        "about above after again also answer another because been before being below between both could does "
        "doing during each else every exactly from further give given have having here highlight https "
        "include including into itself just least less letter letters like make mention more most must need "
        "only other over paragraph paragraphs please provide response same section sections sentence "
        "sentences should some sure such than that their them then there these they this those through times "
        "title under until upon very want were what when where which while with within without word words "
        "would write your yours "
    ).split()
)
"""Function words, and words that ask for a form: they are shared by any two requests."""


class Loops:
    """Cuts off an answer that repeats itself."""

    def __init__(self) -> None:
        self._tail = ""
        self._new = 0

    def feed(self, chunk: str) -> Decision | None:
        self._tail = (self._tail + chunk)[-_TAIL:]
        self._new += len(chunk)
        if self._new < EVERY:
            return None
        self._new = 0
        return self._look()

    async def close(self) -> Decision | None:
        return self._look() if self._new else None

    def _look(self) -> Decision | None:
        if not is_loop(self._tail):
            return None
        return Decision(Verdict.DENY, "loop", "the answer repeats itself without end", evidence={"monitor": "loops"})


class OffTask:
    """Doubts an answer that shares nothing with `asked` in its first `words` content words."""

    def __init__(self, asked: Iterable[str], words: int = 60) -> None:
        self._asked = {stem for text in asked for stem in stems(text)}
        self._left = words
        self._held = ""
        self._settled = len(self._asked) < 3

    def feed(self, chunk: str) -> Decision | None:
        if self._settled:
            return None
        text = self._held + chunk
        cut = len(text)
        while cut and text[cut - 1].isalpha():
            cut -= 1
        self._held = text[cut:][-64:]
        return self._read(text[:cut])

    async def close(self) -> Decision | None:
        return None if self._settled else self._read(self._held)

    def _read(self, text: str) -> Decision | None:
        for stem in stems(text):
            if stem in self._asked:
                self._settled = True
                return None
            self._left -= 1
            if self._left == 0:
                self._settled = True
                line = "no content word of the answer stands in what was asked"
                return Decision(Verdict.ASK, "off-task", line, evidence={"monitor": "off-task"})
        return None


def stems(text: str) -> Iterable[str]:
    """The beginnings of the content words of `text`, in their order."""
    for word in _WORD.findall(text):
        stem = word[:_STEM].casefold()
        if stem not in COMMON:
            yield stem
