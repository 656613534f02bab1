"""Text of tokens as they come.

A token is not always whole characters, and what it adds depends on the one before it (a space, a character of several
bytes). So the text of a few tokens is decoded with and without the new one, and the difference is given; a character
whose bytes have not all come is held back until they have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

UNFINISHED = "\N{REPLACEMENT CHARACTER}"
MOST_BYTES = 4
"""Bytes of a character in UTF-8, at the most: tokens that show nothing for longer are not an unfinished character."""


class Detokenizer:
    """Turns tokens into pieces of text, one by one. Special tokens have no text."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._shown = 0
        """Tokens whose text was given; those from `_start` on are decoded again, for what comes depends on them."""
        self._start = 0
        self._context = ""
        self._unfinished = False

    @property
    def held(self) -> list[int]:
        """The tokens of a character that is unfinished."""
        return self._tokens[self._shown :] if self._unfinished else []

    def push(self, token: int) -> str:
        """The text that `token` adds; empty while a character is unfinished."""
        piece = self.peek(token)
        self._tokens.append(token)
        self._unfinished = not piece and self._decode(self._tokens[self._start :]).endswith(UNFINISHED)
        if piece:
            self._start, self._shown = self._shown, len(self._tokens)
            self._context = self._decode(self._tokens[self._start :])
        return piece

    def peek(self, token: int) -> str:
        """The text that `push(token)` would give."""
        text = self._decode([*self._tokens[self._start :], token])
        held = len(self._tokens) - self._shown
        if text.endswith(UNFINISHED) and held < MOST_BYTES - 1:
            return ""
        return text[len(self._context) :]

    def flush(self) -> str:
        """What was held back, when no token follows."""
        text = self._decode(self._tokens[self._start :])
        piece = text[len(self._context) :]
        self._start = self._shown = len(self._tokens)
        self._context = ""
        self._unfinished = False
        return piece

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False))
