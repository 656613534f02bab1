"""What a text in plain English is about, by the words that belong to each of twelve topics.

Rules:

- Every topic has some 70 words of our own choice; plurals and the endings -ed and -ing count as the word. A word may
  belong to several topics ("cold"), and then counts for each.
- The topic is the one with strictly the most hits, repeated words counting once more at most. No hits, or two topics
  that lead together, cannot be told; nor can a label that is none of the twelve.

Word embeddings would know any topic, but no package carries them in its wheel, and a checker downloads nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from adhere.constraints.scoring.word_data import lists, words_of

_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")
MOST_OF_A_WORD = 2


def topics() -> tuple[str, ...]:
    """The topics that can be told."""
    return tuple(lists("topics"))


def hits(text: str) -> Counter[str]:
    """How often words of each topic stand in the text."""
    counts: Counter[str] = Counter()
    for word, times in Counter(map(_base, _WORD.findall(text.lower()))).items():
        for topic in _topics_of().get(word, ()):
            counts[topic] += min(times, MOST_OF_A_WORD)
    return counts


def topic_of(text: str) -> tuple[str | None, Counter[str]]:
    """The topic, None where it cannot be told, and the hits."""
    counts = hits(text)
    leaders = counts.most_common(2)
    if not leaders or (len(leaders) == 2 and leaders[0][1] == leaders[1][1]):
        return None, counts
    return leaders[0][0], counts


@cache
def _topics_of() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for topic in topics():
        for word in words_of("topics", topic):
            table[word] = (*table.get(word, ()), topic)
    return table


def _base(word: str) -> str:
    """The listed word that `word` is a form of, or `word`."""
    table = _topics_of()
    if word in table:
        return word
    for ending, replacement in (
        ("ies", "y"),
        ("es", ""),
        ("s", ""),
        ("ed", ""),
        ("ed", "e"),
        ("ing", ""),
        ("ing", "e"),
    ):
        if word.endswith(ending) and (base := word.removesuffix(ending) + replacement) in table:
            return base
    for ending in ("ing", "ed"):  # "swimming", "chopped"
        stem = word.removesuffix(ending)
        if stem != word and stem[-1:] == stem[-2:-1] and stem[:-1] in table:
            return stem[:-1]
    return word
