"""Foreign text on a terminal: names of models, keys, answers, file names, error messages of other programs.

Whoever wrote such a text may have put terminal escapes, line breaks, direction marks or console markup into it.
`visible` is the one function that prepares it, for table cells and for error lines.

Rules:

- Control characters (Cc), format characters (Cf: direction overrides, zero-width joiners), line and paragraph
  separators (Zl, Zp), private-use characters and lone surrogates are shown as escapes: `\\x1b`, `\\u202e`, `\\ud800`.
  Joiners stay between two characters that are neither ASCII nor escapes, so that emoji and Indic scripts remain
  readable.
- `cell` is the same as a `rich.text.Text`, which is never read as markup.
- `escaped` is the same for strings that a library reads as rich markup.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

_JOINERS = "\u200c\u200d"
_ESCAPED = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
_MARKUP = re.compile(r"(\\*)(\[[a-zA-Z/@#])")
MOST_SHOWN = 2_000
"""Characters of one foreign text that are shown, at the most."""


def visible(text: object, most: int = MOST_SHOWN) -> str:
    """`text` in one line, with what a terminal would obey or hide shown as escapes."""
    shown = str(text)
    if len(shown) > most:
        shown = shown[: most - 1] + "…"
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(
        character if _is_plain(character) or _joins(shown, place) else _escape(character)
        for place, character in enumerate(shown)
    )


def cell(text: object, style: str = "") -> Text:
    """Foreign text as a cell of a rich table, or as a line to print."""
    from rich.text import Text

    return Text(visible(text), style=style)


def escaped(text: object) -> str:
    """Foreign text for a string that is read as rich markup."""
    return _MARKUP.sub(lambda match: match[1] * 2 + "\\" + match[2], visible(text))


def _is_plain(character: str) -> bool:
    code = ord(character)
    if code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF:  # no characters at all, and forbidden in XML
        return False
    return unicodedata.category(character) not in _ESCAPED


def _joins(text: str, place: int) -> bool:
    """Whether the character at `place` is a joiner between two characters that it can join."""
    if text[place] not in _JOINERS or not 0 < place < len(text) - 1:
        return False
    before, after = text[place - 1], text[place + 1]
    return all(not one.isascii() and (_is_plain(one)) for one in (before, after))


def _escape(character: str) -> str:
    code = ord(character)
    if character in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[character]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
