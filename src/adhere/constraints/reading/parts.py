"""Parts of a text that arrives in chunks: its sentences, paragraphs, lines and list items, one after the other.

Rules, the same for every splitter:

- `read(chunk)` gives events: a piece of the part that is open, or its end. What it gives depends on the text alone, not
  on how it is cut; each event has the number of the chunk's characters after which it was certain.
- Sentences end where `sentences.py` says, paragraphs where `counters.Paragraphs` does; a part has a letter or a digit.
- An item is a line behind a bullet or a number ("- ", "1. "), without that sign; code in fences has none.
- What is held back is bounded: a word, or a line's beginning.
"""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

from adhere.constraints.reading import sentences
from adhere.constraints.reading.readers import LONGEST_LINE, Line, LineReader


@dataclass(slots=True)
class Piece:
    """A piece of the open part, or, with `ends`, the part's end. `start` is the piece's place in the chunk (it may be
    negative), `certain` the number of the chunk's characters after which the event was certain."""

    text: str
    start: int
    certain: int
    ends: bool = False


class Splitter(ABC):
    """Hands on the parts of a text. A splitter holds immutable state only, so a shallow copy is a fork."""

    def fork(self) -> Self:
        return copy.copy(self)

    @abstractmethod
    def read(self, chunk: str) -> list[Piece]:
        """What became certain with `chunk`."""

    @abstractmethod
    def finish(self) -> list[Piece]:
        """What was held back, and the end of the open part."""

    @abstractmethod
    def held(self) -> int:
        """How many characters are held back."""


class _ByLine(Splitter):
    """What works on whole lines: what a line is to the part is known when it has ended."""

    def __init__(self) -> None:
        self._lines = LineReader()
        self._length = 0

    def fork(self) -> Self:
        other = copy.copy(self)
        other._lines = self._lines.fork()
        return other

    def read(self, chunk: str) -> list[Piece]:
        return [piece for line in self._lines.read(chunk) for piece in self._take(line)]

    def finish(self) -> list[Piece]:
        return [*(piece for line in self._lines.finish() for piece in self._take(line)), *self._last()]

    def held(self) -> int:
        return len(self._lines._held)

    @abstractmethod
    def _take(self, line: Line) -> list[Piece]:
        """The events of a complete line."""

    def _last(self) -> list[Piece]:
        return []


_INK = re.compile(r"[^\W_]")


class Lines(_ByLine):
    """Lines with a letter or a digit."""

    def __init__(self) -> None:
        super().__init__()
        self._open = False

    def _take(self, line: Line) -> list[Piece]:
        pieces: list[Piece] = []
        if line.starts and self._open:
            pieces.append(Piece("", line.start, line.end, ends=True))
            self._open = False
        if _INK.search(line.text) or self._open:
            pieces.append(Piece(line.text, line.start, line.end))
            self._open = True
        if self._open and len(line.text) < LONGEST_LINE:
            pieces.append(Piece("", line.start + len(line.text), line.end, ends=True))
            self._open = False
        return pieces

    def _last(self) -> list[Piece]:
        return [Piece("", 0, 0, ends=True)] if self._open else []


_MARK = re.compile(r"\s*(?:[-*+•‣◦▪–][ \t]+|\(?\d{1,3}[.)][ \t]+)(?=\S)")
_RULE = re.compile(r"\s*(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,})$")


class Items(Lines):
    """Lines behind a bullet or a number, without it."""

    def _take(self, line: Line) -> list[Piece]:
        if line.starts:
            mark = None if line.fenced or _RULE.match(line.text) else _MARK.match(line.text)
            if mark is None:
                return self._closed(line)
            line = Line(line.text[mark.end() :], line.start + mark.end(), line.end, True, line.fenced)
        elif not self._open:
            return []
        return super()._take(line)

    def _closed(self, line: Line) -> list[Piece]:
        if not self._open:
            return []
        self._open = False
        return [Piece("", line.start, line.end, ends=True)]


class Paragraphs(_ByLine):
    """Runs of lines between blank ones; blank lines in a fence end nothing."""

    def __init__(self, *, body: bool = False) -> None:
        super().__init__()
        self._open = False
        self._inked = False
        self._body = body
        """Whether a first line that is a heading is no paragraph."""
        self._fenced = False

    def _take(self, line: Line) -> list[Piece]:
        blank = line.starts and not line.text.strip()
        if blank and self._open and not (line.fenced and self._fenced):
            self._open, inked, self._inked = False, self._inked, False
            return [Piece("", line.start, line.end, ends=True)] if inked else []
        self._fenced = line.fenced
        if blank or (self._body and not self._open and line.starts and is_heading(line.text)):
            return []
        joint = "\n" if self._open and line.starts else ""
        self._open = True
        self._inked = self._inked or bool(_INK.search(line.text))
        return [Piece(joint + line.text, line.start - len(joint), line.end)]

    def _last(self) -> list[Piece]:
        return [Piece("", 0, 0, ends=True)] if self._open and self._inked else []


_HEADING = re.compile(
    r"\s*(?:#{1,6}\s+\S|<<[^<>]+>>\s*$|(?:\*\*|__)[^*_]+(?:\*\*|__):?\s*$|(?:title|subject)\s*:)", re.I
)


def is_heading(line: str) -> bool:
    """Whether a line is written as a heading: by `#`, in `<<>>`, in bold as a whole, or behind "Title:"."""
    return bool(_HEADING.match(line))


_TITLE_SIGNS = re.compile(r"\s*(?:#{1,6}\s+)?(?:\*\*|__|<<)?(?:title\s*:\s*)?(?:\*\*|__|<<)?\s*", re.I)


class Titles(Lines):
    """The first line with a letter or digit, without the signs that make a title of it, is the only part."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = False

    def _take(self, line: Line) -> list[Piece]:
        if self._seen and not self._open:
            return []
        if line.starts:
            signs = _TITLE_SIGNS.match(line.text)
            assert signs is not None
            kept = line.text[signs.end() :].rstrip()
            for closing in ("**", "__", ">>"):
                kept = kept.removesuffix(closing)
            line = Line(kept, line.start + signs.end(), line.end, True, line.fenced)
        pieces = super()._take(line)
        self._seen = self._seen or bool(pieces)
        return pieces


_SUBJECT = re.compile(r"\s*(?:\*\*)?subject(?: line)?\s*:(?:\*\*)?\s*", re.I)


class SubjectLines(Lines):
    """What stands behind "Subject:" on its line."""

    def _take(self, line: Line) -> list[Piece]:
        if line.starts:
            match = _SUBJECT.match(line.text)
            if match is None:
                return []
            line = Line(line.text[match.end() :], line.start + match.end(), line.end, True, line.fenced)
        elif not self._open:
            return []
        return super()._take(line)


_WORD = re.compile(rf"\S{{1,{sentences.LONGEST_WORD}}}")
_CLOSING = "\"')]}’”»*_」』）"


class Sentences(Splitter):
    """Sentences. A word is handed on when the next one is complete: only then is it certain whether it ends one."""

    def __init__(self) -> None:
        self._held = ""
        """The text from the last complete word on."""
        self._next = 0
        """Where in it that word ends; 0 while there is none."""
        self._inked = False
        self._any = False

    def held(self) -> int:
        return len(self._held)

    def read(self, chunk: str) -> list[Piece]:
        return self._advance(chunk, last=False)

    def finish(self) -> list[Piece]:
        pieces = self._advance("", last=True)
        if self._inked:
            pieces.append(Piece("", 0, 0, ends=True))
        return pieces

    def _advance(self, chunk: str, *, last: bool) -> list[Piece]:
        before = len(self._held)
        text = self._held + chunk
        pieces: list[Piece] = []
        start, at = 0, self._next
        word = text[:at]
        for match in _WORD.finditer(text, at):
            following = match[0]
            certain = match.end() + (len(following) < sentences.LONGEST_WORD)
            if certain > len(text) and not last:
                break
            if word:
                space = text[at : match.start()]
                pieces += self._resolve(word, space, following, start - before, min(certain, len(text)) - before)
            word, start, at = following, match.start(), match.end()
        if last and word:
            pieces += self._resolve(word, "", "", start - before, len(text) - before)
            start = at = len(text)
        self._held, self._next = text[start:], at - start
        return pieces

    def _resolve(self, word: str, space: str, following: str, start: int, certain: int) -> list[Piece]:
        pieces: list[Piece] = []
        at = 0
        for cut in sentences.cuts(word, " " if space else "", following):
            while cut < len(word) and word[cut] in _CLOSING:
                cut += 1
            if cut <= at:
                continue
            pieces.append(Piece(word[at:cut], start + at, certain))
            self._inked = self._inked or bool(_INK.search(word, at, cut))
            at = cut
            if self._inked:
                pieces.append(Piece("", start + at, certain, ends=True))
                self._inked = False
        rest = word[at:] + space
        if rest:
            self._inked = self._inked or bool(_INK.search(rest))
            pieces.append(Piece(rest, start + at, certain))
        return pieces
