"""Readers: lines and words of a text that arrives in chunks, handed on when they are complete.

Rules, the same for every reader:

- `read(chunk)` returns what became complete in the chunk, each with the number of the chunk's characters after which
  it was complete; `finish()` returns what was still held back when the text ended. What is handed on depends on the
  text alone, not on how it is cut.
- What is held back is bounded: a line is cut every `LONGEST_LINE` characters, a token or word every
  `LONGEST_TOKEN`. Only the first piece of a line has `starts`, so a cut never makes a second bullet of one.
- A line ends at LF, CRLF or CR. Lines between Markdown fences, and the fences themselves, are `fenced`: code is not
  prose, and a dash in it is no bullet point. A fence that names no language, or Markdown or plain text, holds prose:
  many models put their whole answer in one.
- A token is what stands between white space. A word is what `counters.Words` counts as one.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Self

from adhere.constraints.reading.counters import JOINERS, word_pattern

LONGEST_LINE = 4_000
LONGEST_TOKEN = 200
_LONG = 256
"""Longer chunks are worth the few microseconds that it takes to set about them in bulk."""

_FENCE = re.compile(r" {0,3}(```+|~~~+)[ \t]*([\w+#.-]*)")
_PROSE = frozenset(("", "markdown", "md", "text", "txt", "plain", "plaintext"))
_LINE = re.compile(rf"([^\r\n]{{0,{LONGEST_LINE}}})(\r\n|\r|\n)?")
_TOKEN = re.compile(rf"\S{{1,{LONGEST_TOKEN}}}")


@dataclass(slots=True)
class Line:
    """A line without its break. `start` is where it begins, `end` after how many characters it is complete, both
    relative to the chunk (a start may be negative)."""

    text: str
    start: int
    end: int
    starts: bool
    fenced: bool


class LineReader:
    """Hands on complete lines."""

    def __init__(self) -> None:
        self._held = ""
        self._starts = True
        self._fence = ""
        """The fence that is open, empty outside."""
        self._code = False
        """Whether the open fence holds code."""

    def fork(self) -> Self:
        return copy.copy(self)

    def read(self, chunk: str) -> list[Line]:
        if len(chunk) > _LONG and "\r" not in chunk and "\r" not in self._held:
            return self._split(chunk)
        return self._advance(chunk, last=False)

    def finish(self) -> list[Line]:
        return self._advance("", last=True)

    def _advance(self, chunk: str, *, last: bool) -> list[Line]:
        held = len(self._held)
        text = self._held + chunk
        if not last and len(text) <= LONGEST_LINE and "\n" not in chunk and "\r" not in text:
            self._held = text
            return []
        lines: list[Line] = []
        at, length = 0, len(text)
        while at < length:
            match = _LINE.match(text, at)
            assert match is not None
            body, stop = match.groups()
            end = match.end()
            if end == length and not last and (stop is None or stop == "\r"):
                break
            complete = end if stop in ("\n", "\r\n") else min(end + 1, length)
            lines.append(self._line(body, at - held, complete - held))
            self._starts = stop is not None
            at = end
        self._held = text[at:]
        return lines

    def _split(self, chunk: str) -> list[Line]:
        """What `_advance` does, three times as fast, where lines end at LF alone."""
        *bodies, rest = (self._held + chunk).split("\n")
        if max(map(len, bodies), default=LONGEST_LINE) >= LONGEST_LINE or len(rest) >= LONGEST_LINE:
            return self._advance(chunk, last=False)
        lines: list[Line] = []
        at = -len(self._held)
        for body in bodies:
            end = at + len(body) + 1
            lines.append(self._line(body, at, end))
            self._starts = True
            at = end
        self._held = rest
        return lines

    def _line(self, body: str, start: int, end: int) -> Line:
        fenced = self._code
        if self._starts and ("`" in body or "~" in body) and (match := _FENCE.match(body)):
            if not self._fence:
                self._fence, self._code = match[1], match[2].lower() not in _PROSE
                fenced = True
            elif match[1].startswith(self._fence) and not body[match.end(1) :].strip():
                self._fence, self._code, fenced = "", False, True
        return Line(body, start, end, self._starts, fenced)


class TokenReader:
    """Hands on what stands between white space, as (token, start, end, starts); `starts` is False for the further
    pieces of a token that was cut."""

    def __init__(self) -> None:
        self._held = ""
        self._starts = True

    def fork(self) -> Self:
        return copy.copy(self)

    def read(self, chunk: str) -> list[tuple[str, int, int, bool]]:
        return self._advance(chunk, last=False)

    def finish(self) -> list[tuple[str, int, int, bool]]:
        return self._advance("", last=True)

    @property
    def starts(self) -> bool:
        """Whether what is held is the start of its token."""
        return self._starts

    def held(self) -> str:
        """The token that is not complete yet, as far as it is there."""
        return self._held

    def hold(self, start: str) -> None:
        """Go on as if all had been read but `start` of a token: for a caller that has read the rest for itself."""
        self._held, self._starts = start, True

    def _advance(self, chunk: str, *, last: bool) -> list[tuple[str, int, int, bool]]:
        held = len(self._held)
        text = self._held + chunk
        tokens: list[tuple[str, int, int, bool]] = []
        rest, at = len(text), 0
        for match in _TOKEN.finditer(text):
            start, end = match.span()
            whole = end - start < LONGEST_TOKEN
            if whole and end == len(text) and not last:
                rest = start
                break
            starts = start > at or (self._starts and start == 0)
            tokens.append((match[0], start - held, min(end + whole, len(text)) - held, starts))
            at = end
        self._held = text[rest:]
        if rest > at:
            self._starts = True
        elif tokens:
            self._starts = False
        return tokens


class WordReader:
    """Hands on whole words, as (word, start, end): a word is complete when what follows cannot belong to it."""

    def __init__(self) -> None:
        self._held = ""

    def fork(self) -> Self:
        return copy.copy(self)

    def read(self, chunk: str, wanted: Callable[[str], bool] | None = None) -> list[tuple[str, int, int]]:
        """The words that became complete; those that are `wanted`, where it is given."""
        return self._advance(chunk, wanted, last=False)

    def finish(self, wanted: Callable[[str], bool] | None = None) -> list[tuple[str, int, int]]:
        return self._advance("", wanted, last=True)

    def _advance(self, chunk: str, wanted: Callable[[str], bool] | None, *, last: bool) -> list[tuple[str, int, int]]:
        held = len(self._held)
        text = self._held + chunk
        length = len(text)
        words: list[tuple[str, int, int]] = []
        rest = length
        pattern = word_pattern(text)
        matches: Iterator[re.Match[str]] = pattern.finditer(text)
        stop = 0  # where the long word ends that is being cut
        while (match := next(matches, None)) is not None:
            start, end = match.span()
            if end - start > LONGEST_TOKEN:
                stop = max(stop, end)
                end = start + LONGEST_TOKEN
                if not wanted or wanted(text[start:end]):
                    words.append((text[start:end], start - held, end + 1 - held))
                # through a window: a match of all that is left, for each cut, would cost its square
                window = pattern.finditer(text, end, min(stop, end + LONGEST_TOKEN + 3))
                matches = chain(window, pattern.finditer(text, stop))
                continue
            if not last and (end == length or (end == length - 1 and _may_join(text, end))):
                rest = start
                break
            if wanted and not wanted(match[0]):
                continue
            # what follows tells: one character, or two where the first may join
            certain = end if end == length else end + 1 + (end + 1 < length and _may_join(text, end))
            words.append((text[start:end], start - held, certain - held))
        self._held = text[rest:]
        return words


def _may_join(text: str, at: int) -> bool:
    """Whether the character at `at`, after a word, may join it to what follows: a point or comma only joins digits."""
    return text[at] in JOINERS and (text[at] not in ".," or text[at - 1].isdigit())
