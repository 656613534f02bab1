"""What a sentence is, by its first words: a task, a question, a statement, a preference, a condition or a fragment.

Where the verb comes last (German, Japanese), a closing verb makes a task of the sentence.
"""

from __future__ import annotations

from collections.abc import Sequence

from adhere.constraints.instructions.segments import IMPERATIVE
from adhere.constraints.instructions.tokens import Token

_SKIPPED = frozenset({
    "fill", "comma", "and", "but", "dash", "open", "sequence", "colon", "neg", "only", "adjective", "end", "close",
})  # fmt: skip
"""Roles in front of the word that decides."""

_OF_FRAGMENTS = frozenset({
    "article", "number", "rel", "prep", "case", "part", "gauge", "format", "language", "mark", "wordnoun", "label",
    "quote", "limit", "subject", "per", "often", "letter", "unit", "anymark", "artifact",
})  # fmt: skip
_BEHIND_DEFINITE = frozenset({
    "artifact", "subject", "part", "gauge", "wordnoun", "letter", "unit", "adjective", "language", "format", "case",
    "mark", "quote",
})  # fmt: skip
"""Roles behind "the" or "your" that make a fragment: "your answer in French"."""

_STANDING = {
    **dict.fromkeys((*IMPERATIVE, "request", "exceed"), "task"),
    **dict.fromkeys(_OF_FRAGMENTS, "fragment"),
    **dict.fromkeys(("soft", "no_need"), "preference"),
    "condition": "condition",
}


def standing_of(tokens: Sequence[Token]) -> str:
    """What a sentence is: task, question, yes_no, statement, preference, condition or fragment."""
    if any(token.role == "closing" for token in tokens):
        return "task"
    at = next((at for at, token in enumerate(tokens) if token.role not in _SKIPPED), None)
    if at is None:
        return "fragment"
    token, after = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else None
    if token.role == "question":
        return "yes_no" if token.text.lower() in ("does", "did", "didn't") else "question"
    if token.role in ("be", "may", "modal"):
        if token.text.lower() == "be":
            return "task"
        return "yes_no" if at == 0 else "statement"
    if token.role == "definite":
        return "fragment" if after and after.role in _BEHIND_DEFINITE else "statement"
    if token.role == "other":
        return "task" if at == 0 and after and _takes_object(after) else "statement"
    return _STANDING.get(token.role, "statement")


def _takes_object(after: Token) -> bool:
    """Whether an unknown first word is a verb, by what follows it: "debug my ...", "tell me"."""
    return after.role in ("article", "definite", "question") or after.text.lower() in ("me", "my", "us", "up", "out")


def begins_anew(tokens: Sequence[Token], at: int) -> bool:
    """Whether behind a statement and a sign an order begins: "I'm in a rush, so give me ...", "..., please keep it"."""
    if tokens[at - 1].role not in ("comma", "semicolon", "dash", "but") and tokens[at].text.lower() not in _SO:
        return False
    led = tokens[at].text.lower() in _SO or tokens[at].role == "request"
    return led and standing_of(tokens[at:]) in ("task", "fragment")


_SO = frozenset(("so", "so please", "therefore", "hence", "so just"))
