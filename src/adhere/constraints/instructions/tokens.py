"""A sentence as tokens: stretches of text with a role in the grammar, by the word list of a language.

Rules:

- The longest phrase of the word list wins ("no more than" before "no"). What no list knows has the role `other`.
- A quotation is one token, its text is not looked into. Numbers are one token, in digits or words.
- Some words are two things: "about", "over", "under" are relations before a number and prepositions elsewhere.
- Behind "the words", "keywords:" or "the word", bare words are terms, as if they were quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from adhere.constraints.instructions.quantity import DIGITS, NumberWords, digits


@dataclass(frozen=True, slots=True)
class Token:
    """A stretch of an instruction, half-open in characters, with its role and what it stands for."""

    role: str
    text: str
    start: int
    end: int
    value: Any = None

    @property
    def capital(self) -> bool:
        return self.text[:1].isupper()


@dataclass(frozen=True)
class Entry:
    role: str
    value: Any = None


@dataclass(frozen=True)
class Lexicon:
    """What the grammar needs to know of a language.

    `phrases` maps words (lower case, split at spaces) to roles; `numbers` are its number words; `written` is
    `unspaced` where words are not separated (Chinese, Japanese), `elided` where an apostrophe ends a word (French).
    """

    code: str
    phrases: Mapping[tuple[str, ...], Entry]
    numbers: NumberWords
    written: str = ""
    longest: int = field(default=0)
    commonest: frozenset[str] = frozenset()
    """Words by which the language is recognised."""

    @property
    def unspaced(self) -> bool:
        return self.written == "unspaced"


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
    return _resolved(tokens)


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


def _resolved(tokens: list[Token]) -> list[Token]:
    """Settle what depends on the neighbours: hyphens, words that are relations only before a number."""
    resolved: list[Token] = []
    tokens = _parted(tokens)
    for at, token in enumerate(tokens):
        before = resolved[-1] if resolved else None
        after = tokens[at + 1] if at + 1 < len(tokens) else None
        if token.text in ("~", "～", "〜", "-") and before and after and before.role == after.role == "number":
            token = replace(token, role="to", value=None)
        elif token.role == "dash" and before and after and before.end == token.start and token.end == after.start:
            token = replace(token, role="hyphen")
        elif token.role == "either":
            relation, otherwise = token.value
            follows = after
            if follows and follows.role in ("article", "definite", "fill", "rel") and at + 2 < len(tokens):
                follows = tokens[at + 2]
            if follows and follows.role == "number" and not (after and after.role == "definite"):
                token = replace(token, role="rel", value=relation)
            else:
                token = replace(token, role=otherwise, value=None)
        elif token.role == "fill" and token.text.lower() in (
            "markdown",
            "in markdown",
            "using markdown",
            "the markdown",
        ):
            token = _markdown(token, resolved)
        elif token.role == "example" and token.text.lower() == "like" and after and after.role in ("prep", "rel"):
            token = replace(token, role="fill", value=None)
        elif token.role == "person" and token.text.lower() in ("my", "our") and _in_text(before, after):
            token = replace(token, role="definite")
        elif token.role == "no_need" and token.text.lower() in _PERMITTED and _is_bounded(resolved):
            token = replace(token, role="be")
        elif token.role == "speech" and not _reports(token, after):
            token = replace(token, role="other")
        elif (
            token.role == "topic" and token.text.lower() == "for" and after and after.role in ("rel", "number", "often")
        ):
            token = replace(token, role="prep")
        elif (
            token.role == "part"
            and token.value[1] in ("introduction", "conclusion", "title")
            and _is_kind_of_text(before, tokens[at + 1 : at + 3])
        ):
            token = replace(token, role="artifact", value=None)
        elif token.role == "letter" and not _names_letter(after):
            token = replace(token, role="artifact" if "lett" in token.text.lower() else "other")
        elif (token.role == "article" and token.text.lower() in ("a", "an") and _counts_one(before, after)) or (
            token.text.lower() == "single"
            and after
            and after.role == "unit"
            and (not before or before.role != "number")
        ):
            token = replace(token, role="number", value=1)
        elif token.role == "verb_or_noun":
            noun = before is not None and before.role in (
                "article",
                "definite",
                "adjective",
                "hyphen",
                "unit",
                "artifact",
                "prep",
                "quote",
                "other",
                "number",
                "person",
                "case",
                "format",
                "language",
            )
            token = replace(token, role="artifact" if noun else token.value, value=None)
        elif (token.role == "rel" and token.text == "+" and (not before or before.role != "number")) or (
            token.role == "rel" and token.text in ("<", ">") and (not after or after.role != "number")
        ):
            token = replace(token, role="other")
        resolved.append(token)
    return resolved


def _parted(tokens: list[Token]) -> list[Token]:
    """ "or fewer than 50" as a conjunction and a relation; "or fewer" alone is a relation of what stands before it."""
    parted: list[Token] = []
    for token in tokens:
        last = parted[-1] if parted else None
        if token.text.lower() == "than" and last and last.role == "rel" and last.text.lower().startswith("or "):
            word = last.text.split()[-1]
            parted[-1:] = [
                replace(last, role="or", text=last.text[:2], end=last.start + 2, value=None),
                Token("rel", f"{word} than", last.end - len(word), token.end, "gt" if last.value == "ge" else "lt"),
            ]
        else:
            parted.append(token)
    return parted


def _markdown(token: Token, before: Sequence[Token]) -> Token:
    """Markdown as something forbidden behind a negation ("don't use markdown"), a mere manner elsewhere."""
    for earlier in reversed(before[-4:]):
        if earlier.role in ("neg", "avoid"):
            return replace(token, role="mark", value="markdown")
        if earlier.role not in ("use", "include", "article", "adjective", "fill", "prep", "compose"):
            break
    return token


def _in_text(before: Token | None, after: Token | None) -> bool:
    """Whether "my" goes with the text that is asked for: "in my essay", "of our newsletter"."""
    return before is not None and before.role == "prep" and after is not None and after.role == "artifact"


def _counts_one(before: Token | None, after: Token | None) -> bool:
    """Whether an article is a number: "no more than a sentence"."""
    return before is not None and before.role == "rel" and after is not None and after.role == "unit"


def _names_letter(after: Token | None) -> bool:
    return after is not None and (after.role in ("quote", "case", "comma") or len(after.text) == 1)


_PERMITTED = frozenset(
    f"{verb} {word}"
    for verb in ("is", "are")
    for word in ("allowed", "permitted", "fine", "okay", "ok", "acceptable", "welcome")
)


def _is_bounded(before: Sequence[Token]) -> bool:
    """Whether nothing is permitted, or so much and no more: "no commas are allowed", "up to 50 words are fine"."""
    for token in reversed(before):
        if token.role in ("semicolon", "dash", "end", "colon"):
            return False
        if token.role in ("neg", "only") or (token.role == "rel" and token.value in ("le", "lt")):
            return True
    return False


_REPORTED = frozenset(
    (
        "colon",
        "comma",
        "quote",
        "that",
        "to",
        "person",
        "definite",
        "neg",
        "include",
        "avoid",
        "use",
        "end",
        "prep",
        "compose",
    )
)


def _reports(token: Token, after: Token | None) -> bool:
    """Whether a word of speech reports what somebody said, and is no name: "the United States"."""
    if token.capital and token.text.lower() in ("states", "reads", "orders"):
        return False
    if token.text.lower() == "goes":
        return after is not None and after.role in ("colon", "comma", "quote")
    return after is None or after.role in _REPORTED or after.text.lower() in ("us", "me", "you", "for")


def _is_kind_of_text(before: Token | None, after: Sequence[Token]) -> bool:
    """Whether "introduction" is what is to be written, and no part of it: "a 200-word introduction to ..."."""
    if before is not None and before.role in ("hyphen", "article", "unit", "adjective"):
        return True
    bounded = len(after) > 1 and after[1].role in ("number", "rel", "either")
    return bool(after) and after[0].text.lower() in ("to", "for", "of") and not bounded
