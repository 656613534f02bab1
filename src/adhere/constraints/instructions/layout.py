"""What of a text is instruction at all, cut into sentences.

Not read, because it is material to work on: Markdown fences, block quotes, text between tags or triple quotes, and what
stands behind "translate the following:" up to the end of the text (up to the end of the quotation, where it is one).

A line is a sentence of its own, a list item without its sign. A list below a line that ends in a colon knows that line
as its heading: conditions in it ("If the user is angry:") hold for the whole list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 100_000
"""Characters of a text that are read. Longer prompts carry documents, and documents are not instructions."""

LONGEST_SENTENCE = 2_000
"""A longer "sentence" is no sentence, and is not read."""

_MASKED = (
    re.compile(r"^ {0,3}(```|~~~).*?(?:^ {0,3}\1[^\n]*$|\Z)", re.M | re.S),
    re.compile(r"^ {0,3}>(?![= ]{0,2}\d)[^\n]*$", re.M),
    re.compile(r"\"\"\".*?(?:\"\"\"|\Z)", re.S),
    re.compile(r"<([A-Za-z][\w-]{0,30})>[^<]{40,}</\1>"),
    re.compile(r"https?://\S+"),
)
_TREATING = (
    r"translate|rewrite|rephrase|paraphrase|proofread|summari[sz]e|correct|fix|edit|improve|shorten|classify|"
    r"analy[sz]e|review|evaluate|judge|rate|grade|simplify|polish|check|parse|convert|continue|complete|extract|label|"
    r"tag|critique|reword|comment on|respond to|reply to|read|consider|look at|here is|here's|here are|given|"
    r"tell me (?:if|whether|what)|what is wrong with|what does"
)
_TREATED = (
    r"this|these|following|below|sentence|text|paragraph|passage|email|e-mail|message|instructions?|prompt|quote|essay|"
    r"draft|note|article|snippet|poem|review|letter|code|phrase|into [A-Z][a-z]+|to [A-Z][a-z]+"
)
_MATERIAL = re.compile(
    rf"\b(?:{_TREATING})\b[^.!?\n:]{{0,80}}\b(?:{_TREATED})\b[^.!?\n:]{{0,40}}:(?P<rest>[ \t]*\n?)", re.I
)
_LABELS = (
    r"text|article|passage|document|input|email|message|sentence|source|original|context|quote|transcript|draft|essay|"
    r"review|story so far|user|customer|content|note from .{1,30}|data|news|paragraph"
)
_LABELLED = re.compile(rf"^(?:{_LABELS})\s*:[ \t]*(?P<rest>)", re.I | re.M)
_QUOTED = re.compile(
    r"\"[^\"]{1,4000}\"|“[^”]{1,4000}”|«[^»]{1,4000}»|(?<![\w'])'[^'\n](?:[^'\n]|(?<=\w)'(?=\w)){0,1000}'(?!\w)|‘[^’]{1,2000}’(?!\w)"
)
_ITEM = re.compile(r"\s*(?:[-*•‣▪◦+–—]|\(?\d{1,2}[.)]|\(?[a-zA-Z][.)]|#{1,6})[ \t]+")
_STOP = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？]+[」』”\"]*")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|max|min|approx|ca|no|nr|dr|mr|mrs|ms|st|prof|fig|ex|p\.s|p\.p\.s|u\.s|a\.m|p\.m|bzw|z\.b|"
    r"mind|usw|máx|mín|aprox|env)|\b[a-z])\.$",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an instruction: where it stands, and the line above its list, if it is an item of one."""

    start: int
    end: int
    heading: tuple[int, int] | None = None


def readable(text: str) -> str:
    """`text` with everything that is material blanked out, character for character."""
    text = text[:LONGEST]
    for pattern in _MASKED:
        text = pattern.sub(lambda match: _blank(match[0]), text)
    for pattern in (_MATERIAL, _LABELLED):
        at = 0
        while (match := pattern.search(text, at)) is not None:
            start = match.end()
            quoted = _QUOTED.match(text, start)
            if quoted:
                end = quoted.end()
            elif pattern is _LABELLED or "\n" in match["rest"] or text[start : start + 1] == "\n":
                end = len(text)
            else:
                line = text.find("\n", start)
                end = len(text) if line < 0 else line
            text = text[:start] + _blank(text[start:end]) + text[end:]
            at = max(end, match.end())
    return text


def _blank(text: str) -> str:
    return "".join(c if c == "\n" else " " for c in text)


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a readable text."""
    heading: tuple[int, int] | None = None
    at = 0
    for line in text.split("\n"):
        start, end = at, at + len(line)
        at = end + 1
        if not line.strip():
            heading = heading if heading and _only_blank(text, heading[1], start) else None
            continue
        item = _ITEM.match(line)
        inside = heading if item else None
        if item:
            start += item.end()
        else:
            heading = None
        for first, last in _cut(text, start, end):
            yield Sentence(first, last, inside)
        if not item and line.rstrip().endswith((":", "：")):
            heading = (start, end)


def _only_blank(text: str, start: int, end: int) -> bool:
    return not text[start:end].strip()


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    spans = [match.span() for match in _QUOTED.finditer(text, start, end)]
    at = start
    quote = 0
    for stop in _STOP.finditer(text, start, end):
        while quote < len(spans) and spans[quote][1] <= stop.start():
            quote += 1
        inside = quote < len(spans) and spans[quote][0] <= stop.start() < spans[quote][1]
        if inside and stop.end() < spans[quote][1]:
            continue
        if inside and stop.end() < end and not text[stop.end() : stop.end() + 40].lstrip()[:1].isupper():
            continue
        goes_on = not text[stop.end() : stop.end() + 40].lstrip()[:1].isupper()
        if stop[0] == "." and goes_on and _ABBREVIATION.search(text, max(at, stop.start() - 8), stop.end()):
            continue
        if text[at : stop.end()].strip():
            yield at, stop.end()
        at = stop.end()
    if text[at:end].strip():
        yield at, end
