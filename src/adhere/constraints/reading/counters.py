"""Shared counters: words, characters, lines and paragraphs of a text that arrives in chunks.

Rules, the same for every counter:

- `read(chunk)` returns how many units *began* in the chunk; a unit that began in an earlier chunk and goes on
  is not counted again. Counts never fall, and depend on the text alone, not on how it is cut.
- `where(k)` tells after how many characters of the last chunk its k-th new unit had begun (k from 1).
- A word is a run of letters, digits and marks, with single apostrophes and hyphens inside it ("don't",
  "well-known") and points and commas between digits ("3.14", "1,000"). Scripts written without spaces count a word
  for each Han or Hiragana character, as word processors do. Thai, Lao and Khmer runs count once: no rule without a
  dictionary can do better.
- A character is an extended grapheme cluster (UAX #29): what a reader would call one. CRLF is one.
- A line ends at LF, CRLF or CR; a line of white space alone is no line; a paragraph is a run of lines between blank
  ones. Inside a Markdown fence blank lines do not end a paragraph: code is one piece.
"""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from itertools import islice
from typing import Self

import regex


class Counter(ABC):
    """Counts units as they begin. `count` is the number begun so far."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    @abstractmethod
    def read(self, chunk: str) -> int:
        """Take in `chunk`; the number of units that began in it."""

    @abstractmethod
    def where(self, k: int) -> int:
        """Characters of the last chunk read after which its `k`-th new unit had begun, from 1."""

    def fork(self) -> Self:
        return copy.copy(self)


_ASCII_WORD = re.compile(r"\w++(?:(?:['-](?=\w)|(?<=\d)[.,](?=\d))\w++)*+", re.ASCII)
_WORD = regex.compile(
    r"(?V1)[\p{Han}\p{Hiragana}]\p{M}*+"
    r"|[\w--[\p{Han}\p{Hiragana}]][[\w\p{M}]--[\p{Han}\p{Hiragana}]]*+"
    r"(?:(?:['’‘\-‐‑](?=\w)|(?<=\d)[.,](?=\d))[[\w\p{M}]--[\p{Han}\p{Hiragana}]]++)*+"
)
JOINERS = frozenset("'-.,’‘‐‑")
"""Characters that may stand inside a word, between two others."""


_LONG = 256
_SPACED = bytes(c if chr(c).isalnum() or chr(c) == "_" else 32 for c in range(128)).ljust(256)
_SPACED_WORD = re.compile(r"\w++(?:(?:['’‘\-‐‑](?=\w)|(?<=\d)[.,](?=\d))\w++)*+")
_is_spaced = re.compile(
    "[\\x00-\xb1\xb4-\xb8\xba\xbb\xbf-\u02ff\u0370-\u0482\u048a-\u052f\u1e00-\u1fff\u2010-\u2027\u2030-\u203e\u20a0-\u20c0"
    "\u218a-\u245f\u2500-\u2775\u30a0-\u30ff\uac00-\ud7a3\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f900-\U0001f9ff]*"
).fullmatch
"""Whether a text has only characters on which `re` and `regex` agree, no marks of their own, and no Han or Hiragana."""
_JOINING = re.compile(r"['’‘\-‐‑]")
_BEFORE_WORD = re.compile(r"['’‘\-‐‑](?=\w)")
_BEFORE_DIGIT = re.compile(r"[.,](?=\d)")


def _joins(text: str) -> int:
    """How many runs of letters and digits of a text written with spaces are joined to the one before.

    What stands before a joiner is looked at here: a pattern that looks behind first is several times as slow.
    """
    joins = 0
    if _JOINING.search(text):
        joins = sum((c := text[m.start() - 1]).isalnum() or c == "_" for m in _BEFORE_WORD.finditer(text) if m.start())
    return joins + sum(text[m.start() - 1].isdigit() for m in _BEFORE_DIGIT.finditer(text) if m.start())


def word_pattern(text: str) -> re.Pattern[str]:
    """The pattern of a word: of several that say the same, the quickest that will do for `text`."""
    if text.isascii():
        return _ASCII_WORD
    return _SPACED_WORD if _is_spaced(text) else _WORD  # type: ignore[return-value]  # of the same methods


_RUN = re.compile(r"\w+")


def runs(text: str) -> int:
    """How many runs of letters, digits and underscores stand in `text`: `len(re.findall(r"\\w+", text))`."""
    if text.isascii():
        return len(text.encode("ascii").translate(_SPACED).split())
    return len(_RUN.findall(text))


_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}]")


class Words(Counter):
    """Words. What matters of the text before a chunk is a stand-in of at most two characters: the word that may go
    on (a letter or a digit) and the joiner that may join it to what comes."""

    __slots__ = ("_before", "_starts", "_text")

    def __init__(self) -> None:
        super().__init__()
        self._before = ""
        self._text = ""
        self._starts = ""

    def read(self, chunk: str) -> int:
        before = self._before
        text = before + chunk
        self._starts, self._text = before, text
        if len(text) > _LONG and (text.isascii() or _is_spaced(text)):
            # the same words, counted without making them: runs of letters and digits, less those that are joined
            new = runs(text) - _joins(text)
            text = text[max(text.rfind(" "), text.rfind("\n")) + 1 :]
            words = word_pattern(text).findall(text)
        else:
            words = word_pattern(text).findall(text)
            new = len(words)
        # the stand-in begins with a word that was counted before
        new -= 1 if before and new else 0
        self._before = self._stand_in(text, words[-1]) if words else ""
        self.count += new
        return new

    @staticmethod
    def _stand_in(text: str, last: str) -> str:
        joiner = ""
        if not text.endswith(last):
            joiner = text[-1]
            if joiner not in JOINERS or not text.endswith(last, 0, -1):
                return ""
        end = last[-1]
        if not end.isascii() and _UNSPACED.match(last):
            return "" if joiner else "一"  # a mark may still belong to it
        return ("0" if end.isdigit() else "a") + joiner

    def where(self, k: int) -> int:
        before, text = self._starts, self._text
        # the first match is the word that goes on from before, where there was one
        match = next(islice(word_pattern(text).finditer(text), k if before else k - 1, None))
        return match.start() + 1 - len(before)


_CLUSTER = regex.compile(r"\X")
_LONGEST_CLUSTER = 64
"""A longer cluster (hundreds of stacked accents) is remembered by its end alone, so that memory stays flat."""


class Characters(Counter):
    """Characters as a reader sees them. The last cluster is kept, since the next code point may still belong to it."""

    __slots__ = ("_chunk", "_last")

    def __init__(self) -> None:
        super().__init__()
        self._last = ""
        self._chunk = ("", "")

    def read(self, chunk: str) -> int:
        last = self._last
        self._chunk = (last, chunk)
        if chunk.isascii() and (last.isascii() or not last):
            text = last + chunk
            new = len(chunk) - text.count("\r\n")
            self._last = chunk[-1]
        else:
            clusters = _CLUSTER.findall(last + chunk)
            new = len(clusters) - (1 if last else 0)
            self._last = clusters[-1][-_LONGEST_CLUSTER:]
        self.count += new
        return new

    def where(self, k: int) -> int:
        last, chunk = self._chunk
        at = -len(last)
        skip = 1 if last else 0
        for cluster in _CLUSTER.findall(last + chunk):
            if skip:
                skip -= 1
            else:
                k -= 1
                if k == 0:
                    return at + 1
            at += len(cluster)
        raise IndexError("fewer units began in the last chunk")


_BREAK = re.compile(r"\r\n|\r|\n")
_FENCE = re.compile(r" {0,3}(?:```|~~~)")


class _Lines(Counter):
    """What lines and paragraphs share: whether the current line has ink yet, and where units began."""

    __slots__ = ("_after_return", "_began", "_inked")

    def __init__(self) -> None:
        super().__init__()
        self._inked = False
        self._after_return = False
        self._began: tuple[int, ...] = ()

    def read(self, chunk: str) -> int:
        began: list[int] = []
        at = 0
        if self._after_return and chunk[0] == "\n":
            at = 1
        self._after_return = chunk[-1] == "\r"
        while True:
            stop = _BREAK.search(chunk, at)
            end = stop.start() if stop else len(chunk)
            piece = chunk[at:end]
            ink = piece.lstrip()
            if ink and not self._inked:
                self._inked = True
                if self._begins(piece):
                    began.append(end - len(ink) + 1)
            elif piece:
                self._goes_on(piece)
            if not stop:
                break
            self._ends(self._inked)
            self._inked = False
            at = stop.end()
        self._began = tuple(began)
        self.count += len(began)
        return len(began)

    def where(self, k: int) -> int:
        return self._began[k - 1]

    def _begins(self, piece: str) -> bool:
        """Whether a unit begins with the first ink of this line, of which `piece` is here."""
        del piece
        return True

    def _goes_on(self, piece: str) -> None:
        """`piece` of a line that had ink, or has none yet, arrives."""
        del piece

    def _ends(self, inked: bool) -> None:
        """The line ends; `inked` tells whether anything stood on it."""


class Lines(_Lines):
    """Lines with something on them."""

    __slots__ = ()


class Paragraphs(_Lines):
    """Paragraphs: what stands between blank lines, a fenced block being one piece with its blank lines."""

    __slots__ = ("_fenced", "_open", "_start")

    def __init__(self) -> None:
        super().__init__()
        self._open = False
        self._fenced = False
        self._start = ""

    def _begins(self, piece: str) -> bool:
        self._start = (self._start + piece)[:8]
        new = not self._open
        self._open = True
        return new

    def _goes_on(self, piece: str) -> None:
        if len(self._start) < 8:
            self._start = (self._start + piece)[:8]

    def _ends(self, inked: bool) -> None:
        if inked and _FENCE.match(self._start):
            self._fenced = not self._fenced
        elif not inked and not self._fenced:
            self._open = False
        self._start = ""


class Occurrences(Counter):
    """How often one of some single characters stands in the text."""

    __slots__ = ("_characters", "_chunk")

    def __init__(self, characters: str) -> None:
        super().__init__()
        self._characters = characters
        self._chunk = ""

    def read(self, chunk: str) -> int:
        self._chunk = chunk
        new = sum(map(chunk.count, self._characters))
        self.count += new
        return new

    def where(self, k: int) -> int:
        pattern = re.compile(f"[{re.escape(self._characters)}]")
        return next(islice(pattern.finditer(self._chunk), k - 1, None)).end()
