"""Sentences: where they end, and how many have begun in a text that arrives in chunks.

Rules:

- A full stop, question or exclamation mark ends a sentence where Punkt says so (Kiss and Strunk 2006; NLTK's
  `PunktSentenceTokenizer`, its parameters for English). Punkt looks at the word before the mark and at what follows
  it, so "Dr. Smith", "3.5" and "e.g. this" end nothing. Line breaks end nothing either.
- `。` `！` `？` `｡` and the full stops of Devanagari, Arabic and Urdu always end a sentence: Punkt does not know them.
- What stands between two ends counts as a sentence when it has a letter or a digit: "Wow!!" is one, not two.
- A sentence has begun for certain when the word after the end before it is complete, since Punkt reads that word.
- A run without white space is cut every `LONGEST_WORD` characters, so that the part held back stays short.

`count_by_punkt` counts as the reference does: NLTK's sentences of the whole text, whatever they hold.

NLTK is imported when the first border is to be decided: it takes about a second. Decisions are remembered, so the same
border in another variant of a text costs a look-up.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from adhere.constraints import light_nltk
from adhere.constraints.counters import Counter

if TYPE_CHECKING:
    from nltk.tokenize.punkt import PunktSentenceTokenizer

LONGEST_WORD = 200
"""Characters without white space that are read as one word, at most."""

_LONGEST_REMEMBERED = 120
"""Longer contexts are decided afresh each time: they hardly recur, and would fill the memory."""


@cache
def tokenizer() -> PunktSentenceTokenizer:
    """NLTK's Punkt tokenizer with the English parameters that ship with the project, its decisions remembered."""
    light_nltk.load()
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    packed = resources.files("adhere.constraints.data").joinpath("punkt_english.json.gz").read_bytes()
    record: dict[str, Any] = json.loads(gzip.decompress(packed))
    parameters = PunktParameters()
    parameters.abbrev_types = set(record["abbreviations"])
    parameters.sent_starters = set(record["sentence_starters"])
    parameters.collocations = {(first, second) for first, second in record["collocations"]}
    parameters.ortho_context = defaultdict(
        int, {word: int(flags) for flags, words in record["contexts"].items() for word in words.split(" ")}
    )
    punkt = PunktSentenceTokenizer()
    punkt._params = parameters
    decide = punkt.text_contains_sentbreak
    remembered = lru_cache(maxsize=1 << 16)(decide)
    punkt.text_contains_sentbreak = lambda text: (remembered if len(text) <= _LONGEST_REMEMBERED else decide)(text)
    return punkt


def ends(context: str) -> bool:
    """Whether Punkt sees a sentence end in `context`: a word, its mark, and what follows up to the next word's end."""
    return bool(tokenizer().text_contains_sentbreak(context))


def count_by_punkt(text: str) -> int:
    """How many sentences `nltk.sent_tokenize` makes of `text`."""
    return sum(1 for _ in tokenizer().span_tokenize(text))


_SURE = "。！？｡।॥؟۔"
_INK = re.compile(r"[^\W_]")
_LEADING_INK = re.compile(rf"[^\w.?!{_SURE}]*[^\W_]")
_WORD = re.compile(rf"\S{{1,{LONGEST_WORD}}}")
_END = re.compile(rf"[{_SURE}]|[.?!](?=([)\";}}\]*:@'({{\[?!‘’“”«»])|\Z)")
"""An end for sure, or a mark before what Punkt calls a non-word character, or a mark at the end of the word."""


class Sentences(Counter):
    """Sentences. Two words are held back: the one that may end a sentence and the next, as far as it is there."""

    __slots__ = ("_began", "_begun", "_held", "_next")

    def __init__(self) -> None:
        super().__init__()
        self._held = ""
        """The text from the last complete word on; empty while there is none."""
        self._next = 0
        """Where in it that word ends; 0 while there is none."""
        self._begun = False
        self._began: tuple[int, ...] = ()

    def read(self, chunk: str) -> int:
        return self._advance(chunk, last=False)

    def finish(self) -> int:
        """The text has ended: count what was held back."""
        return self._advance("", last=True)

    def where(self, k: int) -> int:
        return self._began[k - 1]

    def _advance(self, chunk: str, *, last: bool) -> int:
        before = len(self._held)
        text = self._held + chunk
        began: list[int] = []
        word = text[: self._next]
        at = self._next
        start = 0
        for match in _WORD.finditer(text, at):
            following = match[0]
            # certain with the white space after the word, or at once where the word is cut
            certain = match.end() + (len(following) < LONGEST_WORD)
            if certain > len(text) and not last:
                break
            if word:
                began += [certain] * self._resolve(word, text[at : match.start()], following)
            if not self._begun and _LEADING_INK.match(following):
                self._begun = True
                began.append(certain)
            word, start, at = following, match.start(), match.end()
        if last and word:
            began += [len(text)] * self._resolve(word, "", "")
        self._held, self._next = text[start:], at - start
        self._began = tuple(min(certain, len(text)) - before for certain in began)
        self.count += len(began)
        return len(began)

    def _resolve(self, word: str, space: str, following: str) -> int:
        """Take in a word whose next word is known; how many sentences began inside it."""
        new = 0
        at = 0
        for end in _END.finditer(word):
            mark = end.end()
            if word[mark - 1] not in _SURE:
                after = end[1]
                if after is None:
                    if not (following and space):
                        continue
                    after = space + following
                if not ends(word[at:mark] + after):
                    continue
            if not self._begun and _INK.search(word, at, mark):
                new += 1
            self._begun = False
            at = mark
        if not self._begun and _INK.search(word, at):
            self._begun = True
            new += 1
        return new
