"""Finding terms in a text that arrives in chunks.

Rules:

- A term is found where it stands as a whole: no letter, digit or mark directly before it or after it, unless the
  term itself begins or ends with something else ("cat" is not in "concatenate"; "C++" is in "C++."). Han, Hiragana
  and Katakana have no spaces between words: there a term is found wherever it stands. `term_automaton` says how.
- An occurrence is certain once the character after it is known, or the text has ended: "cat" at the end of a
  prefix may still become "catalogue"; "C++" is certain at once. Occurrences of one term do not overlap.
- Reading costs amortised O(1) per character, however many terms there are and however long; so does `unsettled`. What
  is kept between chunks is one state, the unfinished word, and where the last words began.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Self

from adhere.constraints.reading.term_automaton import (
    FOLDED,
    LONGEST_SPACE,
    SPACE,
    WHITE,
    WORD,
    Automaton,
    automaton,
)


class Occurrence(NamedTuple):
    """One certain occurrence; positions are relative to the chunk that was read, so a start may be negative."""

    term: int
    start: int
    end: int
    certain: int
    """The number of characters of the chunk after which it was certain."""
    number: int = 1
    """The first, second, ... of its term."""


class Terms:
    """Counts whole occurrences of each of several terms.

    `counts` maps the number of a term to its certain occurrences so far; terms that did not occur are not in it.
    """

    def __init__(self, terms: Sequence[str] | Automaton) -> None:
        self._automaton = terms if isinstance(terms, Automaton) else automaton(tuple(terms), FOLDED)
        self.counts: dict[int, int] = {}
        self._last_end: dict[int, int] = {}
        """Where the last occurrence of a term ended: the next one begins no earlier."""
        self._shared = False
        """Whether a fork has the same two mappings: they are copied before they change."""
        self._length = 0
        self._state = 0
        """After the last whole atom."""
        self._starts: deque[int] = deque(maxlen=self._automaton.longest)
        """Where the last atoms began; as many as the longest term has."""
        self._kind = 0
        """Of the unfinished run at the end of the text; 0: there is none."""
        self._run = ""
        """That run, folded; of white space and of a run that no term goes on with it is not kept."""
        self._run_start = 0
        self._from = 0
        """The state that goes on with something that begins like the run; -1: none."""

    @property
    def terms(self) -> tuple[str, ...]:
        return self._automaton.terms

    def fork(self) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._starts = self._starts.copy()
        self._shared = other._shared = True
        return other

    def unsettled(self) -> int:
        """How many of the last characters may be the beginning of an occurrence that is not certain yet."""
        if self._kind:
            if self._from < 0:
                return 0
            depth = self._automaton.depth[self._from]
            return self._length - (self._starts[-depth] if depth else self._run_start)
        depth = self._automaton.depth[self._automaton.live[self._state]]
        return self._length - self._starts[-depth] if depth else 0

    def occurring(self) -> list[int]:
        """The numbers of the terms that would occur once more if the text ended here."""
        if self._kind != WORD or self._from < 0 or not self._run:
            return []
        machine = self._automaton
        state = machine.follow(self._from, self._whole_run())
        numbers: list[int] = []
        while state:
            depth = machine.depth[state]
            begin = self._starts[1 - depth] if depth > 1 else self._run_start
            numbers += [term for term in machine.ends[state] if begin >= self._last_end.get(term, 0)]
            state = machine.next_end[state]
        return numbers

    def _whole_run(self) -> str:
        """The unfinished run, folded as a whole: the order of its marks may have changed."""
        return self._run if self._run.isascii() else self._automaton.folding.fold(self._run)

    def read(self, chunk: str, *, last: bool = False) -> list[Occurrence]:
        """New certain occurrences, in the order of certainty.

        With `last`, the text ends with this chunk, and what stands at its very end is certain too.
        """
        found: list[Occurrence] = []
        if chunk:
            self._cut(chunk, found)
            self._length += len(chunk)
        if last and self._kind:
            self._end_run(self._length, self._length, found)
        before = self._length - len(chunk)
        return [Occurrence(term, start - before, end - before, sure - before, n) for term, start, end, sure, n in found]

    def _cut(self, chunk: str, found: list[Occurrence]) -> None:
        """Read the atoms of `chunk`; the run at its end stays unfinished. `found` is given absolute positions."""
        cut, first = self._automaton.folding, self._automaton.children[0]
        base, length = self._length, len(chunk)
        pattern = cut.pattern(chunk)
        at = 0
        if self._kind:
            match = pattern.match(chunk)
            assert match is not None
            if match.lastindex == self._kind:
                self._go_on(match[0], base + match.end())
                at = match.end()
                if at == length:
                    return
            self._end_run(base + at, base + at + 1, found)
        jump = _Jump(self._automaton, chunk) if self._automaton.first and length >= SHORTEST_JUMP else None
        while at < length:
            if jump is not None and not self._state:
                at = jump.to(at)
            for match in pattern.finditer(chunk, at):
                start, at = match.span()
                kind = match.lastindex
                if at == length and kind in (WORD, WHITE):
                    self._begin_run(kind or 0, match[0], base + start)
                    return
                if kind == WHITE:
                    atom = SPACE if at - start <= LONGEST_SPACE else "  "
                else:
                    atom = cut.fold(match[0])
                    if not atom:
                        continue
                if not self._state and atom not in first:
                    continue
                self._atom(atom, base + start, base + at, base + at + (kind == WORD), found)
                if jump is not None and not self._state:
                    break

    def _begin_run(self, kind: int, run: str, start: int) -> None:
        self._kind, self._run, self._run_start = kind, "", start
        self._from = self._state
        self._go_on(run, start + len(run))

    def _go_on(self, more: str, end: int) -> None:
        """The unfinished run goes on with `more`, up to `end`."""
        if self._from < 0:
            return
        if self._kind == WHITE:
            fits = end - self._run_start <= LONGEST_SPACE
            self._from = self._automaton.beginning(self._from, SPACE) if fits else -1
            return
        self._run += self._automaton.folding.fold(more)
        self._from = self._automaton.beginning(self._from, self._run)
        if self._from < 0:
            self._run = ""

    def _end_run(self, end: int, certain: int, found: list[Occurrence]) -> None:
        """The unfinished run has ended."""
        atom = SPACE if self._kind == WHITE else self._whole_run()
        self._kind, self._run = 0, ""
        if self._from < 0:
            self._state = 0
        elif atom:
            self._state = self._from
            self._atom(atom, self._run_start, end, certain, found)

    def _atom(self, atom: str, start: int, end: int, certain: int, found: list[Occurrence]) -> None:
        machine = self._automaton
        state = self._state = machine.follow(self._state, atom)
        if not state:
            return
        self._starts.append(start)
        ending = state if machine.ends[state] else machine.next_end[state]
        while ending:
            begin = self._starts[-machine.depth[ending]]
            for term in machine.ends[ending]:
                if begin >= self._last_end.get(term, 0):
                    self._count(term, end)
                    found.append(Occurrence(term, begin, end, certain, self.counts[term]))
                    if len(machine.terms) == 1:
                        self._state = 0  # nothing that overlaps it counts
            ending = machine.next_end[ending]

    def _count(self, term: int, end: int) -> None:
        if self._shared:
            self.counts, self._last_end, self._shared = self.counts.copy(), self._last_end.copy(), False
        self.counts[term] = self.counts.get(term, 0) + 1
        self._last_end[term] = end


SHORTEST_JUMP = 64
"""Characters of a chunk from which it pays to look for the first atoms of the terms before the text is cut."""


class _Jump:
    """Finds the next place in a chunk where a term may begin."""

    def __init__(self, machine: Automaton, chunk: str) -> None:
        self._folding, self._chunk = machine.folding, chunk
        # an accented letter of the text may be one character, where the folded terms have two
        comparable = chunk.isascii() or all(map(str.isascii, machine.first))
        self._folded = machine.folding.aligned(chunk) if comparable else None
        self._next = dict.fromkeys(machine.first, -1)

    def to(self, at: int) -> int:
        """The place to go on from, after `at`: no term begins between them."""
        if self._folded is None:
            return at
        place = len(self._chunk)
        for atom, known in self._next.items():
            if known < at:
                known = self._folded.find(atom, at)
                self._next[atom] = known = known if known >= 0 else len(self._chunk)
            place = min(place, known)
        # the atom may stand within a longer run, and the run at the end is unfinished: go on from where that begins
        while place > at and self._folding.is_word(self._chunk[place - 1]):
            place -= 1
        return place
