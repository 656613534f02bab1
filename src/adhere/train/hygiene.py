"""Data hygiene: difficulty, kinds apart, and no prompt of an evaluation set in training.

Rules:

- Difficulty of a prompt is the share of its sampled answers that earn the full reward. Prompts outside `DIFFICULTY`
  teach little: where all samples are alike, a group's advantages are zero and no pair can be made.
- A training prompt is excluded where it equals an evaluation prompt after folding (letters and digits, lower case), by
  SHA-256, or where `OVERLAP_SHARE` of its word `GRAM`-grams or more stand in one set of evaluation prompts. The
  count of each reason is reported. A prompt shorter than `GRAM` words is compared by its hash alone.
- Kinds are apart where no constraint of a training prompt is of a held-out kind.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from adhere.train.rows import PromptRow

DIFFICULTY: Final = (0.1, 0.9)
"""Shares within which a prompt is worth training on."""
GRAM: Final = 8
"""Words of an n-gram, as in the contamination checks of GPT-3 (13) and Llama 2 (10), shorter since prompts are."""
OVERLAP_SHARE: Final = 0.5

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Cleaned:
    """Rows without those too like an evaluation prompt.

    Attributes:
        rows: what stays, in order.
        same: excluded by their hash.
        overlapping: excluded by their n-grams.
        duplicates: excluded because an earlier row has the same prompt.
    """

    rows: tuple[PromptRow, ...]
    same: int
    overlapping: int
    duplicates: int


def without_evaluation(rows: Iterable[PromptRow], evaluation: Iterable[str]) -> Cleaned:
    """`rows` without those that stand in `evaluation`, a collection of prompts; linear in both."""
    hashes: set[str] = set()
    grams: set[tuple[str, ...]] = set()
    for text in evaluation:
        words = _words(text)
        hashes.add(_digest(words))
        grams.update(_grams(words))
    stays: list[PromptRow] = []
    seen: set[str] = set()
    same = overlapping = duplicates = 0
    for row in rows:
        words = _words(" ".join(message["content"] for message in row.messages))
        digest = _digest(words)
        own = _grams(words)
        if digest in hashes:
            same += 1
        elif own and sum(gram in grams for gram in own) >= OVERLAP_SHARE * len(own):
            overlapping += 1
        elif digest in seen:
            duplicates += 1
        else:
            stays.append(row)
        seen.add(digest)
    return Cleaned(tuple(stays), same, overlapping, duplicates)


def apart(rows: Iterable[PromptRow], held_out: Collection[str]) -> list[PromptRow]:
    """The rows that have no constraint of a held-out kind."""
    kinds = frozenset(held_out)
    return [row for row in rows if not row.kinds & kinds]


def of_use(share: float, bounds: tuple[float, float] = DIFFICULTY) -> bool:
    """Whether a prompt of which this share of samples passes is worth training on."""
    return bounds[0] <= share <= bounds[1]


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _digest(words: Sequence[str]) -> str:
    return hashlib.sha256(" ".join(words).encode("utf-8", "surrogatepass")).hexdigest()


def _grams(words: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(*(words[at:] for at in range(GRAM)), strict=False))
