"""Reading JSON that is still being written: RFC 8259 as a pushdown automaton, one character at a time.

Rules:

- The text is one JSON object or array, with white space around it, or the same inside one Markdown fence (three
  backticks, the word json or nothing, a line break). A fence that is not closed at the end runs to the end, as in
  Markdown.
- A state that is not broken can still become valid JSON: the first character that no continuation can mend is
  where the text broke. Nothing is read twice, and nesting is bounded by memory alone.
- Top-level keys that are wanted are ticked off; an object that closes without one, or an array, is broken there.
- State is held in immutable values, so a copy is a fork. (ijson's push interface reports an error for a whole chunk
  and its parser cannot be copied; the monitors need the character and the copy.)
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable
from typing import Self

_SPACE = " \t\n\r"
_DIGITS = "0123456789"
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_GAP = re.compile(r"[ \t\n\r]*")
_FENCE = "```"


def _table(**rows: dict[str, str]) -> dict[str, dict[str, str]]:
    return {state: {c: to for symbols, to in row.items() for c in symbols} for state, row in rows.items()}


_NUMBER = _table(
    minus={"0": "zero", "123456789": "integer"},
    zero={".": "point", "eE": "exponent"},
    integer={_DIGITS: "integer", ".": "point", "eE": "exponent"},
    point={_DIGITS: "fraction"},
    fraction={_DIGITS: "fraction", "eE": "exponent"},
    exponent={_DIGITS: "power", "+-": "sign"},
    sign={_DIGITS: "power"},
    power={_DIGITS: "power"},
)
_WHOLE_NUMBER = frozenset(("zero", "integer", "fraction", "power"))
_LITERALS = {"t": "rue", "f": "alse", "n": "ull"}

_EXPECTED = {
    "start": "an object or array",
    "fence": "an object or array",
    "info": "the word json after the fence",
    "root": "an object or array",
    "value": "a value",
    "first": "a value or ]",
    "member": 'a key or "}"',
    "key": "a key in double quotes",
    "colon": "a colon",
    "after": "a comma or a closing bracket",
    "string": "no control character in a string",
    "escape": "an escape JSON knows",
    "hex": "four hexadecimal digits",
    "literal": "true, false or null",
    "done": "nothing after the JSON",
    "close": "nothing after the JSON",
    "closed": "nothing after the JSON",
}

Stack = tuple["Stack", str] | None


class JsonReader:
    """The automaton. `missing` are the wanted top-level keys not seen yet."""

    def __init__(self, wanted: Iterable[str] = ()) -> None:
        self.state = "start"
        self.missing = frozenset(wanted)
        self._longest = 6 * max((len(json.dumps(key)) for key in self.missing), default=0)
        """Characters of a key's raw text beyond which it is none that is wanted, however it is escaped."""
        self.lacks = False
        """Whether the text broke because the object closed without a key that is wanted."""
        self._fenced = False
        self._stack: Stack = None
        self._rest = ""
        """What must still come of a literal, an info string or a fence; the hexadecimal digits still wanted."""
        self._name: str | None = None
        """The raw text of the top-level key being read; None outside one."""
        self._is_key = False

    def fork(self) -> Self:
        return copy.copy(self)

    @property
    def complete(self) -> bool:
        """Whether the text may end here."""
        return self.state in ("done", "closed")

    @property
    def expected(self) -> str:
        """What may come next, in words."""
        return _EXPECTED.get(self.state, "a digit")

    def read(self, chunk: str) -> int | None:
        """Read on; the number of characters after which the text broke, or None while it is sound."""
        at, length = 0, len(chunk)
        while at < length:
            state = self.state
            if state == "string":
                end = _PLAIN.match(chunk, at).end()  # type: ignore[union-attr]  # it matches the empty string
                self._collect(chunk[at:end])
                at = end
                if at == length:
                    break
            elif state not in _NUMBER and state not in ("escape", "hex", "literal", "info", "close", "fence"):
                at = _GAP.match(chunk, at).end()  # type: ignore[union-attr]
                if at == length:
                    break
            if not self._step(chunk[at]):
                return at + 1
            at += 1
        return None

    def _collect(self, piece: str) -> None:
        if self._name is not None:
            self._name = None if len(self._name) + len(piece) > self._longest else self._name + piece

    def _step(self, c: str) -> bool:
        """Take in one character; False, leaving the state as it was, where none of the continuations has it."""
        state = self.state
        if state in _NUMBER:
            to = _NUMBER[state].get(c)
            if to is not None:
                self.state = to
                return True
            if state not in _WHOLE_NUMBER:
                return False
            self._ended()
            return c in _SPACE or self._step(c)
        step = getattr(self, "_" + state, None)
        return bool(step and step(c))

    # one method per state

    def _start(self, c: str) -> bool:
        if c == "`":
            self.state, self._rest, self._fenced = "fence", _FENCE[1:], True
            return True
        return self._root(c)

    def _fence(self, c: str) -> bool:
        if c != "`":
            return False
        self._rest = self._rest[1:]
        if not self._rest:
            self.state, self._rest = "info", "json"
        return True

    def _info(self, c: str) -> bool:
        if c in "\r\n" and self._rest in ("json", ""):
            self.state = "root"
            return True
        if c in " \t" and self._rest in ("json", ""):
            return True
        if self._rest and c.lower() == self._rest[0]:
            self._rest = self._rest[1:]
            return True
        return False

    def _root(self, c: str) -> bool:
        return (c == "{" or (c == "[" and not self.missing)) and self._value(c)

    def _value(self, c: str) -> bool:
        if c == "{":
            self._stack = (self._stack, c)
            self.state = "member"
        elif c == "[":
            self._stack = (self._stack, c)
            self.state = "first"
        elif c == '"':
            self.state, self._is_key = "string", False
        elif c in _LITERALS:
            self.state, self._rest = "literal", _LITERALS[c]
        elif c == "-":
            self.state = "minus"
        elif c == "0":
            self.state = "zero"
        elif c in _DIGITS:
            self.state = "integer"
        else:
            return False
        return True

    def _first(self, c: str) -> bool:
        return self._closes() if c == "]" else self._value(c)

    def _member(self, c: str) -> bool:
        return self._closes() if c == "}" else self._key(c)

    def _key(self, c: str) -> bool:
        if c != '"':
            return False
        self.state, self._is_key = "string", True
        if self.missing and self._stack is not None and self._stack[0] is None:
            self._name = ""
        return True

    def _string(self, c: str) -> bool:
        if c == "\\":
            self.state = "escape"
            self._collect(c)
        elif c == '"':
            if not self._is_key:
                self._ended()
                return True
            if self._name is not None:
                self.missing -= {json.loads(f'"{self._name}"')}
                self._name = None
            self.state = "colon"
        else:
            return False
        return True

    def _escape(self, c: str) -> bool:
        if c == "u":
            self.state, self._rest = "hex", "hhhh"
        elif c in '"\\/bfnrt':
            self.state = "string"
        else:
            return False
        self._collect(c)
        return True

    def _hex(self, c: str) -> bool:
        if c not in "0123456789abcdefABCDEF":
            return False
        self._rest = self._rest[1:]
        if not self._rest:
            self.state = "string"
        self._collect(c)
        return True

    def _literal(self, c: str) -> bool:
        if c != self._rest[0]:
            return False
        self._rest = self._rest[1:]
        if not self._rest:
            self._ended()
        return True

    def _colon(self, c: str) -> bool:
        if c != ":":
            return False
        self.state = "value"
        return True

    def _after(self, c: str) -> bool:
        opener = self._stack[1] if self._stack else ""
        if c == ",":
            self.state = "key" if opener == "{" else "value"
            return True
        return c == {"{": "}", "[": "]"}.get(opener) and self._closes()

    def _done(self, c: str) -> bool:
        if c != "`" or not self._fenced:
            return False
        self.state, self._rest = "close", _FENCE[1:]
        return True

    def _close(self, c: str) -> bool:
        if c != "`":
            return False
        self._rest = self._rest[1:]
        if not self._rest:
            self.state = "closed"
        return True

    def _ended(self) -> None:
        """A value that is not the root ended."""
        self.state = "after"

    def _closes(self) -> bool:
        assert self._stack is not None
        outer = self._stack[0]
        if outer is None and self.missing:
            self.lacks = True
            return False
        self._stack = outer
        self.state = "after" if outer else "done"
        return True
