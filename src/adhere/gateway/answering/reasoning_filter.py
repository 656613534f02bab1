"""A model's reasoning at the beginning of its text is taken out while it comes, and never judged or delivered as the
answer.

Rules
- The tags are those of `constraints.reasoning`. Only a block that begins the answer is reasoning here: what a client
  was shown cannot become reasoning afterwards, so a tag further on is text like any other, judged and delivered.
- A block that is never closed was cut off: there is no answer.
- White space between the block and the answer goes too: it parted the two.
- However the text is cut into chunks, what comes out is the same.
"""

from __future__ import annotations

from adhere.constraints.reasoning import TAGS

_LONGEST = max(len(opening) for opening, _ in TAGS)


class ReasoningFilter:
    """Feed it the text of one answer; `inside` tells whether it is still within the block."""

    def __init__(self) -> None:
        self.inside = False
        self._closing = ""
        self._begun = False
        self._rest = ""

    def feed(self, chunk: str) -> str:
        """What of the text so far, and not given before, belongs to the answer."""
        if self._begun:
            return chunk
        text = self._rest + chunk
        if self.inside:
            return self._leave(text)
        start = text.lstrip()
        for opening, closing in TAGS:
            if start.startswith(opening):
                self.inside, self._closing, self._rest = True, closing, ""
                return self._leave(start[len(opening) :])
        if not start or (len(start) < _LONGEST and any(opening.startswith(start) for opening, _ in TAGS)):
            self._rest = text
            return ""
        self._begun, self._rest = True, ""
        return text

    def _leave(self, text: str) -> str:
        end = text.find(self._closing) if self._closing else 0
        if end < 0:
            self._rest = text[-(len(self._closing) - 1) :]
            return ""
        text = text[end + len(self._closing) :].lstrip()
        self._closing = ""
        if not text:
            self._rest = ""
            return ""
        self.inside, self._begun, self._rest = False, True, ""
        return text

    def close(self) -> str:
        """The answer has ended: what looked like the beginning of a tag, and was none."""
        rest = "" if self.inside else self._rest
        if not self._closing:
            self.inside = False
        self._rest, self._begun = "", True
        return rest
