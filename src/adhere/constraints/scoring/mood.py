"""Sentiment of plain English by VADER.

Rules:

- VADER (Hutto and Gilbert 2014, ICWSM; `vaderSentiment`, MIT) sums the valences of known words, with negation, degree
  words and punctuation, into a compound in [-1, 1]. Its algorithm and lexicon are frozen, which is why a package
  without a release since 2020 will do; TextBlob, which is maintained, is wrong three times as often on the labelled
  sentences and unsure twice as often.
- A text's mood is the mean compound of its sentences: the sum of a long text saturates at either end.
- Closer to 0 than `CLEAR` it cannot be told. VADER's own limit of 0.05 calls mixed sentences by their loudest word.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from adhere.core.extras import require

CLEAR = 0.2
"""Chosen on the even lines of the labelled sentences; the odd lines measure it."""
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"”')]*\s+|\n+")
LONGEST = 8_000
"""Characters that are read: the mood of a text is told by then."""


def mood(text: str) -> tuple[str | None, float]:
    """The label, None where it cannot be told, and the mean compound in [-1, 1].

    Raises:
        MissingExtra: VADER is not installed.
    """
    sentences = [one for one in _SENTENCE_END.split(text[:LONGEST]) if one and any(map(str.isalpha, one))]
    if not sentences:
        return None, 0.0
    compounds = [float(_vader().polarity_scores(one)["compound"]) for one in sentences]
    told = [compound for compound in compounds if compound]
    mean = sum(told) / len(told) if told else 0.0
    if abs(mean) < CLEAR:
        return None, mean
    return ("positive" if mean > 0 else "negative"), mean


@cache
def _vader() -> Any:
    require("vaderSentiment")
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
