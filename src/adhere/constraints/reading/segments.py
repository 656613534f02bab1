"""Pieces of a finished text: its sentences, words, paragraphs and lines, each with its place.

For families that compare pieces with each other ("each sentence longer than the one before") and so can only judge a
text whole. What a sentence and a word are is said in `sentences.py` and `counters.py`; the counts agree with theirs.
"""

from __future__ import annotations

import re
from functools import lru_cache

from adhere.constraints.constraint import Span
from adhere.constraints.reading.counters import word_pattern
from adhere.constraints.reading.marks import SURE_ENDS
from adhere.constraints.reading.sentences import spans_by_punkt

_SURE_END = re.compile(rf"[{SURE_ENDS}]+[\"”’')\]]*")
_INK = re.compile(r"[^\W_]")
_LINE = re.compile(r"[^\r\n]+")
_BREAK = re.compile(r"\r\n|\r|\n")


@lru_cache(maxsize=16)
def punkt(text: str) -> tuple[tuple[int, int], ...]:
    """Where NLTK's Punkt sees sentences. Remembered: an answer has several instructions, and looser variants."""
    return tuple(spans_by_punkt(text))


def sentences(text: str) -> list[Span]:
    """The sentences of `text`; a piece without a letter or digit belongs to the sentence before it."""
    spans: list[Span] = []
    for start, end in punkt(text):
        for cut in (*(match.end() for match in _SURE_END.finditer(text, start, end)), end):
            if _INK.search(text, start, cut):
                spans.append(Span(start, cut))
            elif spans and start < cut:
                spans[-1] = Span(spans[-1].start, cut)
            start = cut
    return spans


def words(text: str) -> list[str]:
    """The words of `text`."""
    return word_pattern(text).findall(text)


def lines(text: str) -> list[Span]:
    """The lines of `text` that have something on them."""
    return [Span(*match.span()) for match in _LINE.finditer(text) if not match[0].isspace()]


def paragraphs(text: str) -> list[Span]:
    """The paragraphs of `text`: runs of lines between blank ones."""
    spans: list[Span] = []
    at, joined = 0, False
    for match in (*_BREAK.finditer(text), None):
        end = match.start() if match else len(text)
        inked = end > at and not text[at:end].isspace()
        if inked:
            if joined:
                spans[-1] = Span(spans[-1].start, end)
            else:
                spans.append(Span(at, end))
        joined = inked
        at = match.end() if match else end
    return spans


def cut(text: str, spans: list[Span]) -> list[str]:
    """The text of each span, without white space at its ends."""
    return [text[span.start : span.end].strip() for span in spans]
