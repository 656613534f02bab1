"""Syllables: words with odd and even numbers of them by turns.

Syllables are counted by syllapy (MIT): a list of irregular English words, and a rule for the others. It is maintained,
deterministic, 60 kB, and what the reference counts with.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import ClassVar, Self

from adhere.constraints.bases.per_word import EveryWord
from adhere.constraints.bases.reference_profile import bare
from adhere.constraints.registry import register


@lru_cache(maxsize=1 << 14)
def syllables(word: str) -> int:
    """Syllables of an English word; 0 where it cannot be told (a number)."""
    import syllapy

    return int(syllapy.count(word))


def syllables_of_compound(word: str) -> int:
    """Syllables of the parts that hyphens join, added up (syllapy gives "well-known" one); 0 where one has none."""
    counts = [syllables(part) for part in re.split("[-‐‑]", word)]
    return sum(counts) if all(counts) else 0


@register
class SyllableParity(EveryWord):
    """Words with odd and even numbers of syllables take turns.

    The reference joins what marks join ("well-known" is read as "wellknown") and takes a number for a word of no
    syllable; here a number breaks the rule, since nobody can tell.
    """

    kind: ClassVar[str] = "syllables.parity"
    decides_early: ClassVar[bool] = False  # a digit tells at once, the word only when complete
    wanted: ClassVar[str] = "odd and even numbers of syllables by turns"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\balternate between words with odd and even numbers of syllables", re.I),
    )

    def describe(self) -> str:
        return "Alternate between words with odd and even numbers of syllables."

    def fault(self, word: str, before: str, _index: int) -> str | None:
        count = syllables_of_compound(word)
        if not count:
            return f'nobody can tell the syllables of "{word}"'
        if before and count % 2 == syllables_of_compound(before) % 2:
            parity = "odd" if count % 2 else "even"
            return f'"{before}" and "{word}" both have an {parity} number of syllables'
        return None

    def followed(self, text: str) -> bool:
        parities = [syllables(word) % 2 for word in bare(text).lower().split()]
        return all(one != other for one, other in pairwise(parities))

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)
