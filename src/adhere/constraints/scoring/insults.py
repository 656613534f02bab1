"""Insults in plain English, by word lists and by who is addressed.

Rules:

- Some words insult wherever they stand ("moron"). Others insult only a person: "you stupid ...", "you are a joke",
  "these fools"; said of a lamp or a mistake they do not.
- A word of the second kind in a sentence that addresses somebody, but not in a place that insults, cannot be told.
- A text that only reports or forbids insults without saying them has none of these words and is clean.

Why not a classifier: of the packages that carry one in their wheel, `alt-profanity-check` (a linear model) takes
"He is gay" and "black people" for offence, pins scikit-learn to one version and unpickles its weights;
`better-profanity` (a list of swear words) misses 29 of 40 labelled insults. Their errors stand beside ours in
`docs/natural.md`.
"""

from __future__ import annotations

import re
from functools import cache

from adhere.constraints.scoring.word_data import alternatives, words_of

_ADDRESSED = re.compile(r"\b(?:you|your|you're|youre|u|ya)\b", re.I)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def insults_in(text: str) -> list[tuple[int, int]]:
    """Where the text insults, as (start, end)."""
    return sorted({match.span() for pattern in _patterns() for match in pattern.finditer(text)})


def doubtful(text: str) -> bool:
    """Whether a sentence both addresses somebody and has a word that would insult in another place."""
    weak = _weak()
    return any(_ADDRESSED.search(one) and weak.search(one) for one in _SENTENCE_END.split(text))


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    names, phrases = words_of("insults", "names"), words_of("insults", "phrases")
    adjectives, persons = (alternatives(words_of("insults", key)) for key in ("adjectives", "persons"))
    likened = alternatives(words_of("insults", "likened"))
    you = r"(?:you|your|you['’]re|youre|u|ya|he|she|they|he['’]s|she['’]s|they['’]re)"
    be = r"(?:['’]re|['’]s| are| is| were| was| must be| turned out to be)?"
    few = r"(?:[ ,]+[\w'’-]+){0,3}?"
    return tuple(
        re.compile(pattern, re.I)
        for pattern in (
            rf"\b(?:{alternatives(names)})\b(?! lights?\b)",
            rf"\b(?:{alternatives(phrases)})\b",
            # "you stupid", "you big fat", "you are too dumb"; and after "are you"
            rf"\b(?:you|u|ya){be}(?: [\w'’-]+){{0,3}}? (?:{adjectives})\b"
            rf"(?=[ ,]+(?:{persons})|[.!?,]| to\b| \w+s\b|$)",
            rf"\b(?:are|were) (?:you|they)(?: [\w'’-]+){{0,2}}? (?:{adjectives})\b",
            # "you absolute donkey", "you crook"
            rf"\b(?:you|ya)(?:,)?(?: [\w'’-]+){{0,2}}? (?:{persons})(?=\s*[.,!?]|$)",
            # "worthless loser", "pathetic fools"
            rf"\b(?:{adjectives})(?:,? (?:{adjectives}|old|little|big))* (?:{persons})\b",
            rf"\b{you}{be}{few} (?:{likened})\b(?=\s*(?:[.,!?]|and\b|$))",
            rf"\byour(?: [\w'’-]+){{1,2}} (?:is|are) (?:{likened})\b",
            rf"\b{you} (?:was|were|is|are) (?:fat|ugly)? ?(?:and )?(?:stupid|dumb|ugly|pathetic|worthless)\b",
            r"\bi(?:['’]ll| will| am going to) (?:smash|kill|hurt|break|beat|punch|destroy) you(?:r|\b)",
            r"\bhope you (?:choke|die|rot|suffer|fail)\b",
            r"\b(?:smarter|brighter|cleverer) (?:rocks?|bricks?|stones?|doors?) than you\b",
        )
    )


@cache
def _weak() -> re.Pattern[str]:
    return re.compile(rf"\b(?:{alternatives(words_of('insults', 'adjectives'))}|fools?|losers?|clowns?)\b", re.I)
