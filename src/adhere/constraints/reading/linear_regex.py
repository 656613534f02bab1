r"""Regular expressions in linear time, over a text that is still being written.

The syntax and meaning are RE2's: what needs backtracking (look-around, back references, atomic groups, possessive
repeats) is refused; `\d`, `\w`, `\s` and `\b` are ASCII, `\p{..}` is Unicode; `$` is the end of the text; a repeat is
at most 1,000. Python's own parser reads the pattern; what it yields becomes a Thompson automaton (K. Thompson, CACM
1968), run as a deterministic one that is built as the text needs it, a bounded part of it at a time.

    expression = compiled(r"[a-z]+\d{2}")
    state = expression.start(whole=True)
    for c in text: state = expression.step(state, c)

(google-re2 has no way to feed a text in pieces; the `regex` library backtracks, and its time limit is no verdict.)

Rules.

- A step costs at most the size of the pattern, which is bounded; so a text costs time linear in its length.
- A state is an immutable value: to fork is to keep it.
- `state.alive` is False where no continuation matches any more; `state.matched` is True where a match has ended that
  nothing written later can undo (only when searching).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MOST_STATES = 1_200
MOST_REPEATS = 1_000
LONGEST_PATTERN = 4_000
_REMEMBERED = 200_000
"""Places in the states of the deterministic automaton that are kept at a time."""
_TRANSITIONS = 512
"""Characters remembered for each of them."""

_START, _LINE_END, _WORD, _OTHER, _END, _UNKNOWN = range(6)
"""What stands before or behind a place: nothing, a line end, a word character, another; nothing; not known yet."""

_WORD_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_SPACES = frozenset("\t\n\f\r ")
_PROPERTY = 0xF0000
"""Private characters from here on stand for `\\p{..}` in the pattern that Python's parser is given."""

Test = Callable[[str], bool]


class State:
    """A state of the deterministic automaton."""

    __slots__ = ("alive", "matched", "pending", "previous", "to")

    def __init__(self, pending: frozenset[int], previous: int, alive: bool, matched: bool) -> None:
        self.pending, self.previous = pending, previous
        self.alive, self.matched = alive, matched
        self.to: dict[str, State] = {}


class LinearRegex:
    """A compiled pattern.

    Raises:
        ValueError: it is not valid, not regular, or too large; the line says which.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        if len(pattern) > LONGEST_PATTERN:
            raise ValueError(f"the regular expression has {len(pattern):,} characters; the most is {LONGEST_PATTERN:,}")
        self._properties: list[Test] = []
        # per place: a test of a character, "split" with several ways on, an assertion, or the end of a match
        self._nodes: list[tuple[str, Any, tuple[int, ...]]] = []
        try:
            tree = parser.parse(self._rewritten(pattern))
        except RecursionError:
            raise ValueError("the regular expression is nested too deep") from None
        except (re.error, OverflowError) as error:
            raise ValueError(f"not a regular expression: {error}") from None
        try:
            end = self._add("match", None, ())
            self._entry = self._sequence(tree, tree.state.flags, end)
        except RecursionError:
            raise ValueError("the regular expression is nested too deep") from None
        self._states: dict[tuple[frozenset[int], int, bool], State] = {}
        self._remembered = 0

    # building

    def _rewritten(self, pattern: str) -> str:
        """The pattern as Python's parser takes it: properties as private characters, named groups in its spelling."""
        out: list[str] = []
        at = 0
        while at < len(pattern):
            c = pattern[at]
            if c >= "\U000f0000":
                raise ValueError("the regular expression holds a private-use character")
            if c == "\\" and pattern[at + 1 : at + 2] in ("p", "P"):
                match = re.compile(r"\\([pP])(?:\{(\^?)(\w{1,40})\}|(\w))").match(pattern, at)
                if match is None:
                    raise ValueError(f"not a regular expression: bad property at position {at}")
                negated = (match[1] == "P") != bool(match[2])
                out.append(chr(_PROPERTY + len(self._properties)))
                self._properties.append(_property(match[3] or match[4], negated))
                at = match.end()
            elif c == "\\":
                following = pattern[at + 1 : at + 2]
                out.append("\\Z" if following == "z" else pattern[at : at + 2])
                at += 2
            elif pattern.startswith("(?<", at) and pattern[at + 3 : at + 4] not in ("=", "!"):
                out.append("(?P<")
                at += 3
            else:
                out.append(c)
                at += 1
        return "".join(out)

    def _add(self, kind: str, value: Any, to: tuple[int, ...]) -> int:
        if len(self._nodes) >= MOST_STATES:
            raise ValueError(f"the regular expression is too large: more than {MOST_STATES:,} states")
        self._nodes.append((kind, value, to))
        return len(self._nodes) - 1

    def _sequence(self, items: Iterable[tuple[Any, Any]], flags: int, end: int) -> int:
        for op, value in reversed(list(items)):
            end = self._item(op, value, flags, end)
        return end

    def _item(self, op: Any, value: Any, flags: int, end: int) -> int:
        if op in (ops.LITERAL, ops.NOT_LITERAL, ops.ANY, ops.IN):
            return self._add("test", self._test(op, value, flags), (end,))
        if op is ops.BRANCH:
            return self._add("split", None, tuple(self._sequence(branch, flags, end) for branch in value[1]))
        if op is ops.SUBPATTERN:
            _, added, removed, inner = value
            return self._sequence(inner, (flags | added) & ~removed, end)
        if op in (ops.MAX_REPEAT, ops.MIN_REPEAT):
            least, most, inner = value
            return self._repeat(least, most, inner, flags, end)
        if op is ops.AT:
            return self._add("at", self._assertion(value, flags), (end,))
        what = {ops.GROUPREF: "a back reference", ops.ASSERT: "look-around", ops.ASSERT_NOT: "look-around"}
        raise ValueError(f"the regular expression uses {what.get(op, str(op).lower())}, which takes no linear time")

    def _repeat(self, least: int, most: Any, inner: Any, flags: int, end: int) -> int:
        bounded = most is not ops.MAXREPEAT
        if least > MOST_REPEATS or (bounded and most > MOST_REPEATS):
            raise ValueError(f"the regular expression repeats more than {MOST_REPEATS:,} times")
        if not bounded:
            loop = self._add("split", None, ())
            self._nodes[loop] = ("split", None, (self._sequence(inner, flags, loop), end))
            end = loop
        else:
            last = end
            for _ in range(most - least):
                end = self._add("split", None, (self._sequence(inner, flags, end), last))
        for _ in range(least):
            end = self._sequence(inner, flags, end)
        return end

    def _test(self, op: Any, value: Any, flags: int) -> Test:
        if op is ops.ANY:
            return (lambda _: True) if flags & re.DOTALL else (lambda c: c != "\n")
        plain = self._plain_test(op, value)
        if not flags & re.IGNORECASE:
            return plain
        negated = op is ops.NOT_LITERAL or (op is ops.IN and value[0][0] is ops.NEGATE)
        if negated:
            return lambda c: plain(c) and plain(c.lower()) and plain(c.upper())
        return lambda c: plain(c) or plain(c.lower()) or plain(c.upper())

    def _plain_test(self, op: Any, value: Any) -> Test:
        if op is ops.LITERAL or op is ops.NOT_LITERAL:
            if value >= _PROPERTY:
                has = self._properties[value - _PROPERTY]
                return has if op is ops.LITERAL else lambda c: not has(c)
            wanted = chr(value)
            return (lambda c: c == wanted) if op is ops.LITERAL else (lambda c: c != wanted)
        negated = bool(value) and value[0][0] is ops.NEGATE
        singles: set[str] = set()
        ranges: list[tuple[str, str]] = []
        tests: list[Test] = []
        for kind, entry in value[1:] if negated else value:
            if kind is ops.LITERAL and entry < _PROPERTY:
                singles.add(chr(entry))
            elif kind is ops.RANGE:
                ranges.append((chr(entry[0]), chr(entry[1])))
            elif kind is ops.CATEGORY:
                tests.append(_CATEGORIES[str(entry)])
            else:
                tests.append(self._plain_test(kind, entry))

        def among(c: str) -> bool:
            return c in singles or any(a <= c <= b for a, b in ranges) or any(test(c) for test in tests)

        return (lambda c: not among(c)) if negated else among

    @staticmethod
    def _assertion(value: Any, flags: int) -> str:
        name = str(value)
        if name in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
            return "line start" if flags & re.MULTILINE and name == "AT_BEGINNING" else "start"
        if name in ("AT_END", "AT_END_STRING"):
            return "line end" if flags & re.MULTILINE and name == "AT_END" else "end"
        return "border" if name == "AT_BOUNDARY" else "no border"

    # running

    def start(self, *, whole: bool) -> State:
        """The state before the first character; `whole` where the text must match as a whole."""
        return self._state(frozenset((self._entry,)), _START, whole)

    def step(self, state: State, c: str, *, whole: bool) -> State:
        """The state after `c`."""
        following = state.to.get(c)
        if following is not None:
            return following
        kind = _LINE_END if c == "\n" else _WORD if c in _WORD_CHARACTERS else _OTHER
        reached, ended = self._closure(state.pending, state.previous, kind)
        if not whole and (ended or state.matched):
            following = _FOUND
        else:
            pending = {self._nodes[at][2][0] for at in reached if self._nodes[at][1](c)}
            if not whole:
                pending.add(self._entry)
            following = self._state(frozenset(pending), kind, whole)
        if len(state.to) >= _TRANSITIONS:
            state.to.clear()
        state.to[c] = following
        return following

    def ends(self, state: State) -> bool:
        """Whether a text that ends here matches."""
        return state.matched or self._closure(state.pending, state.previous, _END)[1]

    def _state(self, pending: frozenset[int], previous: int, whole: bool) -> State:
        key = pending, previous, whole
        state = self._states.get(key)
        if state is None:
            matched = not whole and self._closure(pending, previous, _UNKNOWN)[1]
            self._remembered += len(pending) + 1
            if self._remembered > _REMEMBERED:
                for old in self._states.values():
                    old.to = {}  # states that refer to each other would be freed late
                self._states.clear()
                self._remembered = 0
            state = self._states[key] = State(pending, previous, bool(pending), matched)
        return state

    def _closure(self, pending: frozenset[int], previous: int, following: int) -> tuple[list[int], bool]:
        """The tests that can be reached without a character, and whether the end of a match can."""
        nodes = self._nodes
        seen = set(pending)
        stack = list(pending)
        reached: list[int] = []
        ended = False
        while stack:
            at = stack.pop()
            kind, value, to = nodes[at]
            if kind == "test":
                reached.append(at)
            elif kind == "match":
                ended = True
            elif kind == "split" or _met(value, previous, following):
                for way in to:
                    if way not in seen:
                        seen.add(way)
                        stack.append(way)
        return reached, ended

    def search(self, text: str) -> bool:
        """Whether a match stands anywhere in `text`."""
        state = self.start(whole=False)
        for c in text:
            if state.matched:
                return True
            state = self.step(state, c, whole=False)
        return self.ends(state)

    def fullmatch(self, text: str) -> bool:
        """Whether `text` matches as a whole."""
        state = self.start(whole=True)
        for c in text:
            state = self.step(state, c, whole=True)
            if not state.alive:
                return False
        return self.ends(state)


class _Found(State):
    """Where a search ends: there is a match, whatever follows."""

    __slots__ = ()


_FOUND = _Found(frozenset(), _OTHER, True, True)


def _met(assertion: str, previous: int, following: int) -> bool:
    if assertion == "start":
        return previous == _START
    if assertion == "line start":
        return previous in (_START, _LINE_END)
    if following == _UNKNOWN:
        return False
    if assertion == "end":
        return following == _END
    if assertion == "line end":
        return following in (_END, _LINE_END)
    return ((previous == _WORD) != (following == _WORD)) == (assertion == "border")


_CATEGORIES: dict[str, Test] = {
    "CATEGORY_DIGIT": lambda c: "0" <= c <= "9",
    "CATEGORY_NOT_DIGIT": lambda c: not "0" <= c <= "9",
    "CATEGORY_SPACE": _SPACES.__contains__,
    "CATEGORY_NOT_SPACE": lambda c: c not in _SPACES,
    "CATEGORY_WORD": _WORD_CHARACTERS.__contains__,
    "CATEGORY_NOT_WORD": lambda c: c not in _WORD_CHARACTERS,
}


def _property(name: str, negated: bool) -> Test:
    import regex

    try:
        pattern = regex.compile(rf"\{'P' if negated else 'p'}{{{name}}}", regex.V1)
    except regex.error:
        raise ValueError(f"not a regular expression: no property is called {name!r}") from None
    return lambda c: pattern.match(c) is not None


@lru_cache(maxsize=256)
def compiled(pattern: str) -> LinearRegex:
    """The compiled pattern; the last few are kept."""
    return LinearRegex(sys.intern(pattern))
