"""Whether what follows a clause may qualify it in a way that is not understood.

What follows must be a sign, another clause or the topic ("about the sea"): "3 lines of code" is no clause.
"""

from __future__ import annotations

from collections.abc import Sequence

from adhere.constraints.instructions.segments import SEPARATORS, Segment
from adhere.constraints.instructions.tokens import Token

_SAFE_PREPOSITIONS = frozenset(("at", "with", "by", "as", "to", "into", "from"))


_ABOUT_PART = "is about a part that is not understood"
_GOES_ON = "goes on in a way that is not understood"

_SAFE_PREPOSITIONS = frozenset(("at", "with", "by", "as", "to", "into", "from"))
_MANNERS = (("the", "style", "of"), ("the", "voice", "of"), ("a", "tone"))
_SIGNS = frozenset({"comma", "semicolon", "dash", "end", "close", "but", "colon", "and"})
_HARMLESS = frozenset({"open", "request", "fill", "example"})


def right_refusal(tokens: Sequence[Token], segments: Sequence[Segment], index: int) -> str:
    """Why a clause orders nothing because of what follows it; empty where it may."""
    segment = segments[index]
    if segment.end >= len(tokens):
        return ""
    follows = tokens[segment.end]
    rest = segments[index + 1] if index + 1 < len(segments) else None
    if _is_one_of_several(tokens, segment):
        return "may be about one text of several"
    if follows.role in _SIGNS:
        bound = rest is not None and rest.statements is None and _qualifies(tokens[rest.start : rest.end])
        return _GOES_ON if bound else ""
    if rest is None or follows.role in _HARMLESS:
        return ""
    if _is_compound(tokens, segment) or _begins_anew(tokens, segment, follows):
        return ""
    if rest.statements is not None:
        return "" if rest.statements or rest.why != "" else _GOES_ON
    tail = _until_sign(tokens, segment.end)
    if any(token.role == "part" for token in tail[:4]) or any(token.role == "per" for token in tail):
        return _ABOUT_PART
    return "" if follows.role in ("topic", "concession") or _is_manner(follows, tail) else _GOES_ON


def _is_one_of_several(tokens: Sequence[Token], segment: Segment) -> bool:
    """Whether a text of so many words is asked for and another beside it: "a 50-word summary and a title of 5"."""
    if any(statement.scope for statement in segment.statements or ()):
        return False
    if not any(token.role == "artifact" for token in tokens[segment.start : segment.end]):
        return False
    counted = any(token.role == "number" for token in tokens[segment.start : segment.end])
    rest = [token for token in tokens[segment.end : segment.end + 6] if token.role not in ("adjective", "fill")]
    if not counted or len(rest) < 2 or rest[0].role not in ("and", "comma", "but"):
        return False
    rest = [token for token in rest if token.role not in ("and", "comma", "but")]
    if rest[:1] and rest[0].role == "part":
        return rest[0].text.lower().startswith(("a ", "an "))
    return len(rest) > 1 and rest[0].role in ("article", "number") and rest[1].role in ("artifact", "part")


def _is_compound(tokens: Sequence[Token], segment: Segment) -> bool:
    """Whether the clause is the attribute of an unknown text: "I need a two-line status for Slack"."""
    own = tokens[segment.start : segment.end]
    hyphened = len(own) > 2 and own[-1].role == "unit" and own[-2].role == "hyphen"
    ordered = own[0].role in ("request", "compose") and not any(token.role in ("topic", "that") for token in own)
    rest = tokens[segment.end : segment.end + 2]
    noun = rest[0].role == "other" and (len(rest) < 2 or rest[1].role in ("topic", "prep", "end", "comma", "dash"))
    return hyphened and ordered and noun


def _begins_anew(tokens: Sequence[Token], segment: Segment, follows: Token) -> bool:
    """Whether what follows is the task itself: "in 50 words explain ...", or belongs to the text asked for."""
    if follows.role in ("prep", "to") and tokens[segment.end - 1].role == "artifact":
        return True
    before = tokens[segment.start - 1].role if segment.start else "end"
    return follows.role in ("treat", "compose") and (before in SEPARATORS or before == "request")


def _is_manner(follows: Token, tail: Sequence[Token]) -> bool:
    """Whether a preposition says how or of what, and bounds nothing: "at a party", "in the style of Poe"."""
    if follows.role != "prep":
        return False
    words = tuple(token.text.lower() for token in tail[1:4])
    return follows.text.lower().split()[0] in _SAFE_PREPOSITIONS or any(words[: len(one)] == one for one in _MANNERS)


def _qualifies(tokens: Sequence[Token]) -> bool:
    """Whether an unread stretch behind a sign still binds what stands before it: ", each", ", per section"."""
    return bool(tokens) and (tokens[0].role in ("per", "condition") or (tokens[0].role == "part" and len(tokens) == 1))


def _until_sign(tokens: Sequence[Token], at: int) -> Sequence[Token]:
    end = next(
        (k for k in range(at, len(tokens)) if tokens[k].role in ("comma", "semicolon", "dash", "end", "colon", "open")),
        len(tokens),
    )
    return tokens[at:end]
