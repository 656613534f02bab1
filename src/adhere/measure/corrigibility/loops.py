"""Loops in a text: the words that are part of one, and where the first begins.

Rules:
- A loop is a stretch of words that is said four times or more in a row, over 40 characters at the least; the last
  repetition may be cut short. Case does not count. A rhyme or a list of "and then" is none.
- The first time is not a repetition: a loop begins with the second, and that is its onset.
- Periods of up to 60 words are looked for: a loop of whole paragraphs is found, a text copied whole is not.

`measure.degenerate` asks whether the end of an answer is a loop; here every place is asked about, so that it can be
told what came first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TIMES = 4
"""Repetitions that make a loop, as in `measure.degenerate`."""
LENGTH = 40
"""Characters a loop has at the least."""
LONGEST_PERIOD = 60
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Loops:
    """The loops of a text.

    Attributes:
        words: where each word of the text ends, in characters.
        looped: for each word, whether it stands in a loop, second repetition or later.
    """

    words: tuple[int, ...]
    looped: tuple[bool, ...]

    @property
    def onset(self) -> int | None:
        """Index of the first word that stands in a loop; None where none does."""
        return self.looped.index(True) if True in self.looped else None

    def word_at(self, character: int) -> int:
        """Index of the word that `character` characters of the text end in or after."""
        return next((k for k, end in enumerate(self.words) if end >= character), max(0, len(self.words) - 1))


def loops(text: str) -> Loops:
    """Where `text` repeats itself."""
    import numpy as np

    found = list(_WORD.finditer(text))
    ends = tuple(match.end() for match in found)
    numbers: dict[str, int] = {}
    words = np.array([numbers.setdefault(match[0].casefold(), len(numbers)) for match in found], dtype=int)
    looped = np.zeros(len(words), dtype=bool)
    for period in range(1, min(LONGEST_PERIOD, len(words) // 2) + 1):
        same = np.concatenate([[False], words[period:] == words[:-period], [False]])
        edges = np.flatnonzero(np.diff(same.astype(int)))
        for start, stop in edges.reshape(-1, 2):  # words[i + period] equals words[i] for i from start to stop - 1
            first, last = int(start), int(stop) + period
            long = ends[last - 1] - (ends[first - 1] if first else 0)
            if last - first >= TIMES * period and long >= LENGTH:
                looped[first + period : last] = True
    return Loops(ends, tuple(bool(one) for one in looped))
