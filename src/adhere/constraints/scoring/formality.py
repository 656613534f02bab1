"""Register of plain English by what marks it.

Rules:

- Informal marks: contractions, slang, greetings and interjections, exclamation marks, emoji, stretched words ("sooo"),
  a text that begins in lower case. Formal marks: connectives, letter formulas and the words of offices, and long words
  where they make up much of the text. These are the features on which formality scorers agree (Heylighen and Dewaele
  1999; Pavlick and Tetreault 2016, TACL 4:61); no maintained package carries a classifier of them offline.
- The register is the side with more marks. Without marks, or with as many on both sides, it cannot be told.
- Marks of one kind count at most `MOST_OF_A_KIND` times, so that one habit does not outweigh everything else.
"""

from __future__ import annotations

import re
from functools import cache

from adhere.constraints.scoring.word_data import alternatives, words_of

MOST_OF_A_KIND = 3
LONG_WORD = 9
"""Letters of a long word."""
MANY_LONG = 0.2
"""Share of long words above which they are a formal mark."""
FEWEST_WORDS = 8
"""Words without which a share of long ones says nothing."""

_CONTRACTION = re.compile(
    r"\b(?:\w+n['’]t|(?:i|you|we|they|he|she|it|that|there|who|what|where|how|here|let|\w+)['’](?:m|re|ve|ll|d)"
    r"|(?:it|that|there|he|she|what|who|where|how|here|let|\w+(?='s (?:a|an|the|not|so|such|gonna|down|driving|on)\b))"
    r"['’]s)\b",
    re.I,
)
_STRETCHED = re.compile(r"\b\w*?([a-z])\1{2,}\w*\b", re.I)
_EMOJI = re.compile(r"[\U0001F300-\U0001FAFF\u2600-\u27BF]|[:;]-?[)D(P]")
_EXCLAMATION = re.compile(r"!")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def marks(text: str) -> tuple[int, int]:
    """How many formal and informal marks the text has."""
    informal = sum(_count(pattern, text) for pattern in (_CONTRACTION, _STRETCHED, _EMOJI, _EXCLAMATION))
    informal += sum(_count(pattern, text) for pattern in _lexical("informal"))
    formal = sum(_count(pattern, text) for pattern in _lexical("formal"))
    words = _WORD.findall(text)
    informal += bool(words) and text.lstrip()[:1].islower() and " " in text.strip()
    if len(words) >= FEWEST_WORDS and sum(len(word) >= LONG_WORD for word in words) > MANY_LONG * len(words):
        formal += 1
    return formal, informal


def register_of(text: str) -> tuple[str | None, int, int]:
    """The label, None where it cannot be told, and the formal and informal marks."""
    formal, informal = marks(text)
    label = None if formal == informal else "formal" if formal > informal else "informal"
    return label, formal, informal


def _count(pattern: re.Pattern[str], text: str) -> int:
    count = 0
    for count, _ in enumerate(pattern.finditer(text), 1):
        if count == MOST_OF_A_KIND:
            break
    return count


@cache
def _lexical(side: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    return (
        re.compile(rf"\b(?:{alternatives(words_of('register', side))})\b", re.I),
        re.compile(rf"\b(?:{alternatives(words_of('register', side + '_phrases'))})\b", re.I),
    )
