"""A sentence as tokens: stretches of text with a role in the grammar, by the word list of a language.

Rules:

- The longest phrase of the word list wins ("no more than" before "no"). What no list knows has the role `other`.
- A quotation is one token, its text is not looked into. Numbers are one token, in digits or words.
- What a word is may depend on its neighbours: see `neighbours`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adhere.constraints.instructions.neighbours import settled
from adhere.constraints.instructions.quantity import DIGITS, digits
from adhere.constraints.instructions.tokens import Entry, Lexicon, Token

_QUOTES = (
    r"\"[^\"\n]{1,300}\"|“[^“”\n]{1,300}[”\"]|„[^„“”\n]{1,300}[“”]|«[^«»\n]{1,300}»|「[^「」\n]{1,300}」|『[^『』\n]{1,300}』"
    r"|`[^`\n]{1,300}`|(?<!\w)‘[^‘\n]{1,300}?’(?!\w)|(?<![\w'])'[^'\n](?:[^'\n]|(?<=\w)'(?=\w)){0,299}'(?!\w)"
    r"|\*\*[^*\n]{1,100}\*\*"
)
_TOKEN = re.compile(
    rf"(?P<quote>{_QUOTES})|(?P<number>{DIGITS})|(?P<word>[^\W\d_]+(?:['’][^\W\d_]+)*)|(?P<sign><=|>=|\S)"
)
_ELIDED_TOKEN = re.compile(
    rf"(?P<quote>{_QUOTES})|(?P<number>{DIGITS})|(?P<word>[^\W\d_]+['’]?(?!\w*['’]\w)|[^\W\d_]+['’]?)|(?P<sign><=|>=|\S)"
)
"""Where an article or negation is elided, it is a word of its own: "d'au plus", "n'utilise"."""
_UNSPACED_TOKEN = re.compile(
    rf"(?P<quote>{_QUOTES})|(?P<number>\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d{{1,9}})|(?P<word>[A-Za-z]+)|(?P<sign>\S)"
)

_SIGNS = {
    ",": "comma", "，": "comma", "、": "comma", ";": "semicolon", "；": "semicolon", ":": "colon", "：": "colon",
    "(": "open", "（": "open", "[": "fill", ")": "close", "）": "close", "]": "fill", "—": "dash", "–": "dash",
    "-": "dash", "&": "and", "~": "rel", "≈": "rel", "≤": "rel", "≥": "rel", "<": "rel", ">": "rel", "<=": "rel",
    ">=": "rel", "±": "rel", "+": "rel", ".": "end", "!": "end", "?": "end", "。": "end", "！": "end", "？": "end",
    "…": "end", "/": "or", "*": "fill", "#": "fill",
}  # fmt: skip
_SIGN_RELATION = {
    "~": "about", "≈": "about", "≤": "le", "≥": "ge", "<": "lt", ">": "gt", "<=": "le", ">=": "ge", "±": "about",
    "+": "ge",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Raw:
    kind: str
    text: str
    start: int
    end: int


def tokenize(text: str, lexicon: Lexicon, offset: int = 0) -> list[Token]:
    """The tokens of `text`; `offset` is added to their places."""
    pattern = {"unspaced": _UNSPACED_TOKEN, "elided": _ELIDED_TOKEN}.get(lexicon.written, _TOKEN)
    raw = [
        _Raw(str(match.lastgroup), match[0], match.start() + offset, match.end() + offset)
        for match in pattern.finditer(text)
    ]
    tokens = list(_with_roles(raw, lexicon))
    return settled(tokens)


def _with_roles(raw: Sequence[_Raw], lexicon: Lexicon) -> Iterator[Token]:
    lowered = [piece.text.lower().replace("’", "'") for piece in raw]
    at = 0
    while at < len(raw):
        piece = raw[at]
        if piece.kind == "quote":
            yield Token("quote", piece.text, piece.start, piece.end, _unquoted(piece.text))
            at += 1
            continue
        if piece.kind == "number":
            value = digits(piece.text)
            thousands = lowered[at + 1 : at + 2] == ["k"] and raw[at + 1].start == piece.end and value is not None
            end = raw[at + thousands].end
            if value is None or _is_decimal(raw, at):
                yield Token("other", piece.text, piece.start, end)
            else:
                yield Token("number", piece.text, piece.start, end, value * (1000 if thousands else 1))
            at += 1 + thousands
            continue
        entry, length = _longest(lowered, at, lexicon)
        spelled = lexicon.numbers.longest(lowered[at : at + 12])
        if spelled and spelled[1] >= length:
            value, length = spelled
            last = raw[at + length - 1]
            yield Token("number", " ".join(lowered[at : at + length]), piece.start, last.end, value)
            at += length
            continue
        if entry:
            last = raw[at + length - 1]
            written = " ".join(one.text for one in raw[at : at + length])
            yield Token(entry.role, written, piece.start, last.end, entry.value)
            at += length
            continue
        role = _SIGNS.get(piece.text, "other") if piece.kind == "sign" else "other"
        yield Token(role, piece.text, piece.start, piece.end, _SIGN_RELATION.get(piece.text))
        at += 1


def _longest(lowered: Sequence[str], at: int, lexicon: Lexicon) -> tuple[Entry | None, int]:
    for length in range(min(lexicon.longest, len(lowered) - at), 0, -1):
        entry = lexicon.phrases.get(tuple(lowered[at : at + length]))
        if entry is not None:
            return entry, length
    return None, 0


def _is_decimal(raw: Sequence[_Raw], at: int) -> bool:
    """Whether a number goes on as a decimal or a fraction, a date or a time: "2.5", "1/2", "10:30", "50%"."""
    after = raw[at + 1 : at + 3]
    joined = len(after) == 2 and after[0].start == raw[at].end and after[0].text in (".", ",", "/", ":")
    if joined and after[1].kind == "number" and after[1].start == after[0].end:
        return True
    if after and after[0].text in ("%", "$", "€", "°") and after[0].start == raw[at].end:
        return True
    before = raw[at - 2 : at] if at >= 2 else []
    if len(before) == 2 and before[1].text in (".", "/", ":") and before[1].end == raw[at].start:
        return before[0].kind == "number" and before[0].end == before[1].start
    return at > 0 and raw[at - 1].text in ("$", "€", "£", "#", "№") and raw[at - 1].end == raw[at].start


def _unquoted(text: str) -> str:
    if text.startswith("**"):
        return text[2:-2].strip()
    return text[1:-1].strip()
