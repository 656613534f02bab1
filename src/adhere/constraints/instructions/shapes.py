"""Patterns over the roles of tokens: regular expressions whose letters are words of the grammar.

    shape("head* rel? n=number unit=unit tail*")

matches a whole clause whose tokens have these roles in this order. Names are roles or classes of roles (`CLASSES`);
`label=name` gives the tokens that matched a label; `( ) | ? * +` mean what they mean in `re`. White space separates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    from adhere.constraints.instructions.tokens import Token

ROLES = (
    # what constraints are made of
    "number", "vague", "rel", "unit", "gauge", "quote", "wordnoun", "letter", "times", "often", "case", "language",
    "mark", "anymark", "format", "part", "each",
    # verbs
    "compose", "answer_verb", "treat", "select", "use", "include", "avoid", "keep", "put", "limit", "begin", "finish",
    "appear", "capitalize", "exceed",
    # what stands around them
    "subject", "artifact", "you", "request", "modal", "may", "be", "prep", "by", "article", "definite", "adjective",
    "only", "fill", "neg", "no_need", "soft", "condition", "concession", "topic", "that", "question", "past", "speech",
    "person", "label", "sequence", "per", "key", "either", "verb_or_noun", "closing", "example",
    # signs
    "comma", "and", "or", "but", "to", "dash", "hyphen", "colon", "semicolon", "open", "close", "end", "mention",
    "other",
)  # fmt: skip
"""The roles a token can have."""

_CODE = {role: chr(0xE000 + number) for number, role in enumerate(ROLES)}

CLASSES: dict[str, tuple[str, ...]] = {
    "verb": ("compose", "answer_verb", "treat", "use", "include", "keep", "put", "limit"),
    "head": (
        "compose", "answer_verb", "treat", "use", "include", "keep", "put", "limit", "be", "modal", "may", "subject",
        "artifact", "you", "request", "prep", "article", "definite", "adjective", "only", "to", "comma", "sequence",
        "avoid", "closing",
    ),
    "tail": ("be", "adjective", "artifact", "only", "subject", "definite", "article", "prep", "modal", "closing"),
    "link": ("prep", "be", "modal", "article", "definite", "only", "by", "to", "colon", "subject"),
    "joint": ("comma", "and", "or"),
    "one": ("article", "number"),
}  # fmt: skip
"""Names for several roles at once."""

_NAME = re.compile(r"(?:(?P<label>[a-z]\w*)=)?(?P<name>[a-z_]+)")


class Shape:
    """A compiled pattern. `match` gives the labelled tokens of a clause that has this shape, or None."""

    def __init__(self, pattern: str) -> None:
        self._regex = regex.compile("".join(_NAME.sub(_coded, pattern).split()))

    def match(self, tokens: Sequence[Token]) -> dict[str, list[Token]] | None:
        """The tokens under each label, in order; an absent optional one has none."""
        match = self._regex.fullmatch("".join(_CODE[token.role] for token in tokens))
        if match is None:
            return None
        return {
            label: [token for start, end in match.spans(label) for token in tokens[start:end]]
            for label in self._regex.groupindex
        }


def shape(pattern: str) -> Shape:
    return Shape(pattern)


def _coded(name: re.Match[str]) -> str:
    codes = "".join(_CODE[role] for role in CLASSES.get(name["name"], (name["name"],)))
    body = f"[{codes}]"
    return f"(?P<{name['label']}>{body})" if name["label"] else body
