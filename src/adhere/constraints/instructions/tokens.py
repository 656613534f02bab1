"""A token, and what the grammar knows of a language; `tokenizer` makes tokens of a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adhere.constraints.instructions.quantity import NumberWords


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
