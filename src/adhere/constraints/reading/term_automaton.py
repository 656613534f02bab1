"""An Aho-Corasick automaton over the atoms of a text (Aho and Corasick, CACM 1975), and what an atom is.

Rules:

- A text is a sequence of atoms: a run of word characters (letters, digits, marks, "_"), a run of white space, or any
  other single character. Han, Hiragana and Katakana characters are atoms of their own: their words have no spaces.
- A term is found where its atoms stand in a row. Whole words follow from that: "cat" is no atom of "concatenate".
- Atoms are compared folded (`FOLDED`), or by what a reader sees (`SEEN`): `text_forms` decides what is the same.
- White space in a term matches up to `LONGEST_SPACE` characters of white space.
- Building takes time and memory in proportion to the characters of the terms; no term is compiled into a pattern.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import lru_cache

import regex

from adhere.constraints.reading import text_forms

LONGEST_SPACE = 32
"""Characters of white space between the words of a term, at the most: without a bound what is held back could grow
without end."""
SPACE = " "
"""The folded form of white space."""

WORD, WHITE, OTHER = 1, 2, 3
"""Kinds of atoms: the groups of the patterns below."""

_EDGE = r"[\w\p{M}]--[\p{Han}\p{Hiragana}\p{Katakana}]"
_ASCII = re.compile(r"(\w+)|(\s+)|(.)", re.S)
_PLAIN = regex.compile(rf"([{_EDGE}]++)|(\s++)|(.)", regex.S | regex.V1)
_VISIBLE = regex.compile(rf"([[{_EDGE}]||[\p{{DI}}]]++)|(\s++)|(.)", regex.S | regex.V1)
_FAITHFUL = re.compile(r"[\x00-\x7f\u00a1-\u00a9\u00ab\u00ac\u2010-\u2025\u2030\u2039-\u203a]*")
"""Text on which `SEEN` does no more than case folding, as typographic quotes and dashes."""


class Folding:
    """How atoms are cut and compared."""

    def __init__(self, fold: Callable[[str], str], atoms: regex.Pattern[str], *, seen: bool) -> None:
        self.fold, self._atoms, self._seen = fold, atoms, seen

    def pattern(self, text: str) -> re.Pattern[str]:
        """The pattern that cuts `text` into atoms; the group that matched is the kind."""
        return _ASCII if text.isascii() else self._atoms  # type: ignore[return-value]  # of the same methods

    def aligned(self, text: str) -> str | None:
        """`text` folded, where every character folds to one; None where that is not so."""
        if text.isascii():
            return text.lower()
        if self._seen and not _FAITHFUL.fullmatch(text):
            return None
        folded = text.casefold()
        return folded if len(folded) == len(text) else None

    def is_word(self, character: str) -> bool:
        """Whether it belongs to a run of word characters."""
        if character.isascii():
            return character.isalnum() or character == "_"
        match = self._atoms.match(character)
        return match is not None and match.lastindex == WORD


FOLDED = Folding(text_forms.folded, _PLAIN, seen=False)
SEEN = Folding(text_forms.seen, _VISIBLE, seen=True)

MOST_JUMPED = 8
"""Different first atoms up to which a text is searched for them as strings before it is cut into atoms."""


class Automaton:
    """Terms made ready to be found. Immutable once built; any number of searches share it.

    State 0 is the root. `children[s]` leads on by an atom, `fail[s]` is the state of the longest proper suffix,
    `depth[s]` the number of atoms on the way to s, `ends[s]` the terms that end there, `next_end[s]` the next state on
    the chain of suffixes at which a term ends (0: none), `live[s]` the first on that chain from which a way leads on.
    """

    def __init__(self, terms: Sequence[str], folding: Folding = FOLDED) -> None:
        self.terms = tuple(terms)
        self.folding = folding
        self.children: list[dict[str, int]] = [{}]
        self.depth: list[int] = [0]
        self.ends: list[tuple[int, ...]] = [()]
        for number, term in enumerate(self.terms):
            self._add(number, term)
        self.fail: list[int] = [0] * len(self.children)
        self.next_end: list[int] = [0] * len(self.children)
        self.live: list[int] = [0] * len(self.children)
        self._link()
        self.longest = max(self.depth)
        first = tuple(self.children[0])
        self.first = first if len(first) <= MOST_JUMPED else ()
        """The atoms with which terms begin, where they are few."""
        self._sorted: dict[int, list[str]] = {}

    def _add(self, number: int, term: str) -> None:
        fold, children = self.folding.fold, self.children
        state = 0
        for match in self.folding.pattern(term).finditer(term.strip()):
            atom = SPACE if match.lastindex == WHITE else fold(match[0])
            if not atom:
                continue
            following = children[state].get(atom)
            if following is None:
                following = children[state][atom] = len(children)
                children.append({})
                self.depth.append(self.depth[state] + 1)
                self.ends.append(())
            state = following
        if state:
            self.ends[state] += (number,)

    def _link(self) -> None:
        level = list(self.children[0].values())
        for state in level:
            self.live[state] = state if self.children[state] else 0
        while level:
            following = []
            for parent in level:
                for atom, state in self.children[parent].items():
                    suffix = self.fail[state] = self.follow(self.fail[parent], atom)
                    self.next_end[state] = suffix if self.ends[suffix] else self.next_end[suffix]
                    self.live[state] = state if self.children[state] else self.live[suffix]
                    following.append(state)
            level = following

    def follow(self, state: int, atom: str) -> int:
        """The state after `atom`."""
        children, fail = self.children, self.fail
        while True:
            following = children[state].get(atom)
            if following is not None:
                return following
            if not state:
                return 0
            state = fail[state]

    def beginning(self, state: int, part: str) -> int:
        """The first state on the chain of suffixes from which an atom that begins with `part` leads on; -1: none."""
        while not self._leads_on(state, part):
            if not state:
                return -1
            state = self.fail[state]
        return state

    def _leads_on(self, state: int, part: str) -> bool:
        children = self.children[state]
        if part in children:
            return True
        if len(children) < 4:
            return any(atom.startswith(part) for atom in children)
        atoms = self._sorted.get(state)
        if atoms is None:
            atoms = self._sorted[state] = sorted(children)
        place = bisect_left(atoms, part)
        return place < len(atoms) and atoms[place].startswith(part)

    def most_at_once(self) -> int:
        """How many terms may end at one place, at the most: "a", "b a", "c b a" are three."""
        ending = [0] * len(self.children)
        for state in sorted(range(1, len(self.children)), key=self.depth.__getitem__):
            ending[state] = len(self.ends[state]) + ending[self.fail[state]]
        return max(ending)


LONGEST_KEPT = 1_000
"""Characters of the terms of an automaton that is kept for the next who asks for the same: with `MOST_KEPT` of them no
more than some 16 MB, whatever strangers ask for. Larger ones live as long as their constraint."""
MOST_KEPT = 256

_kept = lru_cache(maxsize=MOST_KEPT)(Automaton)


def automaton(terms: tuple[str, ...], folding: Folding = FOLDED) -> Automaton:
    """The automaton of `terms`."""
    return _kept(terms, folding) if sum(map(len, terms)) <= LONGEST_KEPT else Automaton(terms, folding)
