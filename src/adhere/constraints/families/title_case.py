"""Title case: every major word begins with a capital letter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Self

from adhere.constraints.bases.per_word import EveryWord
from adhere.constraints.bases.reference_profile import tokens
from adhere.constraints.registry import register

MINOR = frozenset(
    "a an the and but for nor or so yet as if at by from in into like of off on onto over per to up upon via with vs "
    "than that till when".split()
)
"""Articles, conjunctions and short prepositions: they may stand in lower case within a title (Chicago, APA)."""


@register
class TitleCase(EveryWord):
    """Every word but the minor ones begins with a capital; what has no case, or a capital within ("iPhone"), passes.

    The reference wants capitals of the minor words too, and passes what has a capital anywhere but at its head
    ("hELLO" fails, "heLLo" passes).
    """

    kind: ClassVar[str] = "case.title"
    wanted: ClassVar[str] = "title case"
    decides_early: ClassVar[bool] = False  # the first letter tells, but for the minor words

    def describe(self) -> str:
        return "Write the entire response in title case (capitalize the first letter of every major word)."

    def fault(self, word: str, _before: str, index: int) -> str | None:
        first = word[0]
        if not first.islower() or (index and word in MINOR):
            return None
        parts = re.split("[-'’‐‑]", word)[0]
        return None if parts != parts.lower() else f'"{word}"'

    def followed(self, text: str) -> bool:
        for word in tokens(text):
            if word[0].islower() and (len(word) == 1 or word[1:].isupper() or word[1:].islower()):
                return False
        return True

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        if len(text) > 20 and len(text.split()) > 2 and not text.isupper() and cls().check(text).met:
            yield cls()
