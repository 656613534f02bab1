"""Why a sentence, or a part of it, orders nothing: conditions, questions, reported speech, preferences, permissions.

A condition or a question binds the whole sentence; a preference or permission the part of it between strong signs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from adhere.constraints.instructions.segments import SEPARATORS, STRONG, Segment
from adhere.constraints.instructions.tokens import Token


def sentence_refusal(tokens: Sequence[Token], segments: Sequence[Segment], standing: str) -> str:
    """Why nothing in a sentence orders anything; empty where something may."""
    if any(is_condition(tokens, at) for at, token in enumerate(tokens) if token.role == "condition"):
        return "holds only under a condition"
    if _is_question(tokens, segments, standing):
        return "is a question"
    if any(token.role == "speech" for token in tokens):
        return "reports what somebody said"
    if any(_is_wish_of_another(token) for token in tokens) and any(token.role == "but" for token in tokens):
        return "may be what somebody else wants"
    return ""


def _is_wish_of_another(token: Token) -> bool:
    """ "My teacher wants": an order, unless the writer goes on to say otherwise."""
    return token.role == "request" and token.text.lower().startswith(("my ", "the "))


def _is_question(tokens: Sequence[Token], segments: Sequence[Segment], standing: str) -> bool:
    if _asks_in_the_end(tokens, standing):
        return True
    if not tokens or tokens[-1].text not in ("?", "？"):
        return False
    if standing == "fragment" and any(token.role == "question" for token in tokens):
        return not _asks_something_else(tokens, segments)
    return tokens[-1].text == "?" and not _asks(tokens, segments, standing)


_REFERRING = frozenset(("that", "this", "it", "those", "these", "enough", "limit", "okay", "ok"))


def _asks_something_else(tokens: Sequence[Token], segments: Sequence[Segment]) -> bool:
    """Whether an order stands before a sign and a question of its own: "one sentence, please: what is a prime?"."""
    at = next(at for at, token in enumerate(tokens) if token.role == "question")
    if not at or tokens[at - 1].role not in ("comma", "colon", "dash", "semicolon", "end", "close"):
        return False
    if any(token.text.lower() in _REFERRING for token in tokens[at:]):
        return False
    return any(one.statements and one.end <= at for one in segments) and not any(
        one.statements for one in segments if one.start >= at
    )


_UNSPACED = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def _asks_in_the_end(tokens: Sequence[Token], standing: str) -> bool:
    """Whether a sentence is a question by its last word (Japanese, Chinese), or by any where nothing is ordered."""
    words = [token for token in tokens if token.role not in ("end", "fill")]
    if not words or not _UNSPACED.search(words[-1].text):
        return False
    asked = next((at for at, token in enumerate(words) if token.role == "question"), None)
    if asked is None:
        return False
    explained = any(token.role == "treat" for token in words[:asked])
    return asked == len(words) - 1 or (standing == "fragment" and not explained)


def is_condition(tokens: Sequence[Token], at: int) -> bool:
    """Whether a word of condition opens a clause, and is no part of what is to be explained ("explain when ...")."""
    before = tokens[at - 1] if at else None
    if tokens[at].value == "first":
        return at == 0
    if before is None or before.role in SEPARATORS:
        return True
    if tokens[at].text.lower() in ("when", "whether", "if", "once", "where the", "until", "else"):
        return not any(token.role in ("treat", "question", "other") for token in tokens[max(0, at - 3) : at]) or any(
            token.role in ("unit", "case", "format", "language", "quote", "mark") for token in tokens[:at]
        )
    return True


def _asks(tokens: Sequence[Token], segments: Sequence[Segment], standing: str) -> bool:
    """Whether a sentence with a question mark still gives an order: a request, or a real question with an adjunct."""
    if standing == "task":
        return True
    unread = [segment for segment in segments if segment.statements is None]
    if standing in ("question", "yes_no"):
        return bool(unread)
    return any(
        token.role in ("question", "be", "may", "modal", "other")
        for segment in unread
        for token in tokens[segment.start : segment.start + 3]
    )


def part_refusal(tokens: Sequence[Token], segment: Segment) -> str:
    """A preference or permission in the same part of the sentence, between strong signs."""
    strong = [at for at in range(len(tokens)) if tokens[at].role in STRONG or _turns_to_wishes(tokens, at)]
    start = max((at + 1 for at in strong if at < segment.start), default=0)
    end = next((at for at in strong if at >= segment.end), len(tokens))
    for token in tokens[start:end]:
        if token.role == "soft":
            return "is a preference"
        if token.role == "no_need":
            return "is left free"
    return ""


def _turns_to_wishes(tokens: Sequence[Token], at: int) -> bool:
    """Whether a preference begins here, behind a conjunction: what stands before it is none ("..., and if you can")."""
    return tokens[at].role == "and" and at + 1 < len(tokens) and tokens[at + 1].role in ("soft", "no_need")
