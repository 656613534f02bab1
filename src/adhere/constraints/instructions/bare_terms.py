"""Terms that stand without quotation marks, made quotations of: "the word deadline", "keywords: waste, meal and oil".

- Behind a plural with a colon everything up to the end of the sentence is a list; an item of more than `LONGEST_TERM`
  words makes it none.
- A single bare word counts behind "the word" or "the letter" alone; a name, written with a capital, also behind
  "mention".
"""

from __future__ import annotations

from collections.abc import Sequence

from adhere.constraints.instructions.layout import Sentence
from adhere.constraints.instructions.tokens import Token

LONGEST_TERM = 4
MOST_TERMS = 60

_NO_TERM = frozenset({
    "be", "modal", "may", "appear", "neg", "and", "or", "but", "comma", "that", "prep", "rel", "number", "often",
    "question", "past", "colon", "semicolon", "dash", "end", "topic", "quote", "include", "avoid", "use", "to", "vague",
    "open", "close", "times", "hyphen", "condition", "limit", "exceed", "per", "part", "wordnoun", "gauge", "unit",
    "no_need", "speech", "person", "subject",
})  # fmt: skip


def with_bare_terms(tokens: list[Token], text: str = "", offset: int = 0) -> list[Token]:
    """`tokens` with bare terms as quotations; `text` is what they were made of, beginning at `offset`."""
    tokens = _with_phrase(tokens, text, offset)
    result: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        listed = _after_noun(tokens, at) or _name(tokens, at)
        if listed is None:
            result.append(token)
            at += 1
            continue
        kept, at = listed
        result += kept
    return result


def _with_phrase(tokens: list[Token], text: str, offset: int) -> list[Token]:
    """ "End with this exact phrase: So it goes." with the rest of the sentence as a quotation."""
    edge = next((at for at, token in enumerate(tokens) if token.role in ("begin", "finish")), None)
    if edge is None or any(token.role == "quote" for token in tokens[edge:]):
        return tokens
    for at in range(edge + 1, min(edge + 8, len(tokens) - 1)):
        token = tokens[at]
        exact = token.role == "wordnoun" and token.text.lower().split()[-1] in (
            "phrase",
            "question",
            "sentence",
            "words",
            "line",
        )
        if token.role == "colon" or (exact and tokens[at + 1].role != "colon" and tokens[at + 1].capital):
            first, last = tokens[at + 1], tokens[-1]
            written = text[first.start - offset : last.end - offset]
            if not written or len(written) > 200:
                return tokens
            return [*tokens[: at + 1], Token("quote", written, first.start, last.end, written)]
        if token.role in ("other", "number", "comma"):
            return tokens
    return tokens


Terms = tuple[list[Token], int]
"""The tokens with terms made quotations, and where to go on."""


def _after_noun(tokens: Sequence[Token], at: int) -> Terms | None:
    """Bare terms behind a noun that names them: "the word X", "keywords: X, Y"."""
    if (listed := _announced(tokens, at)) is not None:
        return listed
    if at + 1 >= len(tokens) or not _is_noun_of_terms(tokens, at):
        return None
    colon = _colon_after(tokens, at + 1)
    if colon and colon > at + 1 and colon + 1 < len(tokens) and (items := _list(tokens, colon + 1)):
        return [*tokens[at : colon + 1], *items[0]], items[1]
    if tokens[at + 1].role == "colon" and at + 2 < len(tokens) and tokens[at + 2].role != "quote":
        items = _list(tokens, at + 2)
        return ([tokens[at], tokens[at + 1], *items[0]], items[1]) if items else None
    return _directly_after(tokens, at)


def _announced(tokens: Sequence[Token], at: int) -> Terms | None:
    """Single words behind "banned:" or "any of these:"."""
    if at + 1 >= len(tokens) or tokens[at + 1].role != "colon" or not _announces(tokens[at]):
        return None
    items = _list(tokens, at + 2)
    if items and all(len(one.text.split()) == 1 for one in items[0]) and _all_words(tokens[at + 2 : items[1]]):
        return [tokens[at], tokens[at + 1], *items[0]], items[1]
    return None


def _is_noun_of_terms(tokens: Sequence[Token], at: int) -> bool:
    token, before = tokens[at], tokens[at - 1] if at else None
    if before is not None and before.role == "quote":
        return False  # the term stands before its noun
    if token.role in ("wordnoun", "letter", "key"):
        return True
    words = token.role == "unit" and token.value == "length.words"
    return words and before is not None and before.role in ("definite", "neg")


def _directly_after(tokens: Sequence[Token], at: int) -> Terms | None:
    """ "The word X", "the words X, Y and Z", "the letter x"."""
    token, follows = tokens[at], tokens[at + 1]
    noun = token.text.lower().split()[-1]
    spoken_of = follows.role in ("unit", "wordnoun", "times", "sequence") and follows.text.islower()
    if follows.role in _NO_TERM and not (noun in ("word", "term", "keyword", "name") and spoken_of):
        return None
    if token.role == "letter":
        return ([token, _as_quote([follows])], at + 2) if len(follows.text) == 1 else None
    after = tokens[at + 2] if at + 2 < len(tokens) else None
    several = noun.endswith("s") or noun == "like" or token.text.lower() in _ALONE
    if several and after and after.role in ("comma", "and", "or") and (items := _list(tokens, at + 1, bare=True)):
        return [token, *items[0]], items[1]
    if follows.role not in _TERM or not follows.text[:1].isalnum():
        return None
    return [token, _as_quote([follows])], at + 2


_ALONE = frozenset(("the word", "word", "the name", "the keyword"))
"""Nouns in the singular behind which a list may stand, too: "the word X or Y"."""

_TERM = frozenset({
    "unit", "wordnoun", "times", "sequence", "other", "adjective", "fill", "compose", "artifact", "treat", "select",
    "keep", "put", "begin", "finish", "language", "case", "mark", "soft", "concession", "request", "label", "format",
    "answer_verb",
})  # fmt: skip
"""What a single bare word may be elsewhere in the grammar."""


def listed_terms(tokens: Sequence[Token], text: str, sentences: Sequence[Sentence], at: int) -> list[Token]:
    """The items of a list below a line like "Do not use these words:", each as a quotation; none where it is no list of
    terms."""
    if not tokens or tokens[-1].role != "colon" or not any(_names_terms(token) for token in tokens):
        return []
    items: list[Token] = []
    for sentence in sentences[at + 1 : at + 1 + MOST_TERMS]:
        if (
            sentence.heading is None
            or sentence.heading[1] < sentences[at].end
            or sentence.heading[0] > sentences[at].start
        ):
            break
        written = text[sentence.start : sentence.end].strip().strip("\"'“”‘’*`.,;")
        if not written or len(written.split()) > LONGEST_TERM:
            return []
        items.append(Token("quote", written, sentence.start, sentence.end, written))
    return items


def with_commas(items: Sequence[Token]) -> list[Token]:
    """Items of a list with a comma before each but the first."""
    return [
        token
        for number, item in enumerate(items)
        for token in ([Token("comma", ",", item.start, item.start)] if number else []) + [item]
    ]


def _names_terms(token: Token) -> bool:
    return token.role == "wordnoun" or (token.role == "unit" and token.value == "length.words")


def _announces(token: Token) -> bool:
    """Whether single words behind this and a colon are terms: "banned: ...", "any of the following: ..."."""
    text = token.text.lower()
    if token.role == "neg":
        return text in ("banned", "forbidden", "prohibited")
    return token.role == "definite" and text.endswith(("following", "these"))


def _all_words(tokens: Sequence[Token]) -> bool:
    return all(token.role in ("other", "comma", "and", "or", "adjective", "fill") for token in tokens)


def _colon_after(tokens: Sequence[Token], at: int) -> int | None:
    """Where the colon stands that ends "the following words must not be used:"."""
    while at < len(tokens) and tokens[at].role in (
        "modal",
        "be",
        "neg",
        "use",
        "include",
        "avoid",
        "appear",
        "subject",
        "prep",
        "fill",
        "only",
        "may",
        "definite",
        "artifact",
    ):
        at += 1
    return at if at < len(tokens) and tokens[at].role == "colon" else None


def _list(tokens: Sequence[Token], at: int, *, bare: bool = False) -> tuple[list[Token], int] | None:
    """A list of bare items from `at` to the end of the sentence; with `bare`, of single words up to the first thing
    that is none."""
    items: list[Token] = []
    current: list[Token] = []
    while at < len(tokens) and len(items) < MOST_TERMS * 2:
        token = tokens[at]
        if token.role in ("comma", "and", "or"):
            if current:
                items.append(_as_quote(current))
                current = []
            items.append(token)
        elif token.role in ("end", "semicolon", "dash", "open", "close"):
            break
        elif token.role == "quote":
            if current:
                return None
            items.append(token)
        elif bare and (current or token.role in _NO_TERM):
            break
        else:
            current.append(token)
            if len(current) > LONGEST_TERM:
                return None
        at += 1
    if current:
        items.append(_as_quote(current))
    while items and items[-1].role != "quote":
        items.pop()
        at -= 1
    return (items, at) if items else None


def _name(tokens: Sequence[Token], at: int) -> tuple[list[Token], int] | None:
    """ "mention our competitor Zentiva": the name, with a noun that says what it is."""
    token = tokens[at]
    if token.role not in ("include", "avoid") or not _mentions(token.text):
        return None
    start = at + 1
    while (
        start < len(tokens)
        and start - at <= 3
        and tokens[start].role in ("other", "definite", "person", "article")
        and not tokens[start].capital
    ):
        start += 1
    end = start
    while end < len(tokens) and tokens[end].role == "other" and tokens[end].capital:
        end += 1
    if end == start:
        return None
    between = [Token("fill", t.text, t.start, t.end) for t in tokens[at + 1 : start]]
    names = [_as_quote(tokens[start:end])]
    while end + 1 < len(tokens) and tokens[end].role in ("comma", "and", "or"):
        first = next((k for k in range(end, len(tokens)) if tokens[k].role not in ("comma", "and", "or")), end)
        last = first
        while last < len(tokens) and tokens[last].role == "other" and tokens[last].capital:
            last += 1
        if last == first:
            break
        names += [*tokens[end:first], _as_quote(tokens[first:last])]
        end = last
    return [token, *between, *names], end


def _mentions(text: str) -> bool:
    return text.lower().split()[0] in (
        "mention",
        "mentioning",
        "mentions",
        "name",
        "reference",
        "refer",
        "say",
        "include",
    )


def _as_quote(tokens: Sequence[Token]) -> Token:
    first, last = tokens[0], tokens[-1]
    written = " ".join(token.text for token in tokens)
    return Token("quote", written, first.start, last.end, written.strip("'\"‘’“”"))
