"""Sentences: where they end, and how many have begun in a text that arrives in chunks.

Rules:

- A full stop, question or exclamation mark ends a sentence where Punkt says so (Kiss and Strunk 2006; NLTK's
  `PunktSentenceTokenizer`, its parameters for English). Punkt looks at the word before the mark and at what follows
  it, so "Dr. Smith", "3.5" and "e.g. this" end nothing. Line breaks end nothing either.
- The ends of sentences of other scripts (`marks.SURE_ENDS`) always end one: Punkt does not know them.
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
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib import resources
from itertools import islice
from typing import TYPE_CHECKING, Any

from adhere.constraints.reading import nltk_loader
from adhere.constraints.reading.counters import Counter
from adhere.constraints.reading.marks import SURE_ENDS

if TYPE_CHECKING:
    from nltk.tokenize.punkt import PunktSentenceTokenizer

LONGEST_WORD = 200
"""Characters without white space that are read as one word, at most."""

_LONGEST_REMEMBERED = 120
"""Longer contexts are decided afresh each time: they hardly recur, and would fill the memory."""


@cache
def tokenizer() -> PunktSentenceTokenizer:
    """NLTK's Punkt tokenizer with the English parameters that ship with the project, its decisions remembered."""
    punkt = nltk_loader.punkt()
    packed = resources.files("adhere.constraints.data").joinpath("punkt_english.json.gz").read_bytes()
    record: dict[str, Any] = json.loads(gzip.decompress(packed))
    parameters = punkt.PunktParameters()
    parameters.abbrev_types = set(record["abbreviations"])
    parameters.sent_starters = set(record["sentence_starters"])
    parameters.collocations = {(first, second) for first, second in record["collocations"]}
    parameters.ortho_context = defaultdict(
        int, {word: int(flags) for flags, words in record["contexts"].items() for word in words.split(" ")}
    )
    english: PunktSentenceTokenizer = punkt.PunktSentenceTokenizer()
    english._params = parameters
    return english


@lru_cache(maxsize=1 << 16)
def _remembered(context: str) -> bool:
    return bool(tokenizer().text_contains_sentbreak(context))


def ends(context: str) -> bool:
    """Whether Punkt sees a sentence end in `context`: a word, its mark, and what follows up to the next word's end."""
    if len(context) <= _LONGEST_REMEMBERED:
        return _remembered(context)
    return bool(tokenizer().text_contains_sentbreak(context))


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Punkt's patterns of a possible end and of what still belongs to the sentence before it."""
    language = tokenizer()._lang_vars
    return (
        re.compile(language.period_context_re().pattern, re.VERBOSE),
        re.compile(language.re_boundary_realignment.pattern, re.MULTILINE),
    )


_CLOSING = frozenset("\"')]}‘’“”«»")


def count_by_punkt(text: str) -> int:
    """How many sentences `nltk.sent_tokenize` makes of `text`."""
    return sum(1 for _ in spans_by_punkt(text))


def spans_by_punkt(text: str) -> Iterator[tuple[int, int]]:
    """Where the sentences that `nltk.sent_tokenize` makes of `text` begin and end.

    The same steps as `PunktSentenceTokenizer.span_tokenize`, without copying the text: of the possible ends in a
    run without white space the last counts, Punkt decides on it, and signs that close the sentence before are taken
    off the next one.
    """
    possible, realigned = _patterns()
    borders: list[tuple[int, int]] = []  # where a sentence ends and where the next begins
    latest: re.Match[str] | None = None
    begins = 0
    spaces = [c for c in _ASCII_SPACE if c in text]
    for match in possible.finditer(text):
        at = match.start()
        since = latest.start() if latest else 0
        space = max([text.rfind(c, since, at) for c in spaces], default=-1)
        start = space + 1 if space > since else begins
        if latest and latest.start() <= start:
            _decide(text, begins, latest, borders)
        latest, begins = match, start
    if latest:
        _decide(text, begins, latest, borders)

    end = len(text.rstrip())
    starts = [0, *(following for _, following in borders)]
    stops = [*(stop for stop, _ in borders), end]
    shift = 0
    for at, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        start += shift
        shift = 0
        if at < len(borders):
            following, last = starts[at + 1], stops[at + 1]
            if following < last and text[following] in _CLOSING and (closing := realigned.match(text, following, last)):
                yield start, following + len(closing[0].rstrip())
                shift = closing.end() - following
                continue
        if start < stop:
            yield start, stop


def _decide(text: str, begins: int, match: re.Match[str], borders: list[tuple[int, int]]) -> None:
    if ends(text[begins : match.start()] + match[0] + match["after_tok"]):
        following = match.start("next_tok")
        borders.append((match.end(), following if following >= 0 else match.end()))


_ASCII_SPACE = " \n\t\r\x0b\x0c"
_SURE = SURE_ENDS
_INK = re.compile(r"[^\W_]")
_LEADING_INK = re.compile(rf"[^\w.?!{_SURE}]*[^\W_]")
_WORD = re.compile(rf"\S{{1,{LONGEST_WORD}}}")
_MARK = re.compile(rf"[.?!{_SURE}]")
_LONG = 60
_END = re.compile(rf"[{_SURE}]|[.?!](?=([)\";}}\]*:@'({{\[?!‘’“”«»])|\Z)")
"""An end for sure, or a mark before what Punkt calls a non-word character, or a mark at the end of the word."""


class Sentences(Counter):
    """Sentences. Two words are held back: the one that may end a sentence and the next, as far as it is there."""

    __slots__ = ("_began", "_begun", "_held", "_late", "_next")

    def __init__(self) -> None:
        super().__init__()
        self._held = ""
        """The text from the last complete word on; empty while there is none."""
        self._next = 0
        """Where in it that word ends; 0 while there is none."""
        self._begun = False
        self._began: tuple[int, ...] = ()
        self._late: tuple[str, int] | None = None
        """The text whose words `_began` numbers, and how much of it was there before the last chunk."""

    def read(self, chunk: str) -> int:
        if len(chunk) > _LONG:
            new = self._advance_by_words(chunk)
            if new is not None:
                return new
        self._late = None
        return self._advance(chunk, last=False)

    def finish(self) -> int:
        """The text has ended: count what was held back."""
        self._late = None
        return self._advance("", last=True)

    def ending(self) -> int:
        """How many there are if the text ends here."""
        if self._begun and not _MARK.search(self._held):
            return self.count
        other = self.fork()
        other.finish()
        return other.count

    def where(self, k: int) -> int:
        if self._late is None:
            return self._began[k - 1]
        text, before = self._late
        word = next(islice(_WORD.finditer(text), self._began[k - 1], None))
        return word.end() + 1 - before

    def _advance_by_words(self, chunk: str) -> int | None:
        """What `_advance` does, several times as fast; None where it cannot. `_began` has the words' numbers then."""
        text = self._held + chunk
        words = text.split()
        cut = len(text) if text[-1].isspace() else len(text) - len(words[-1])
        complete = len(words) - (cut < len(text))
        if complete < 2 or max(map(len, words)) >= LONGEST_WORD:
            return None
        began: list[int] = []
        unseen = 1 if self._next else 0
        for at in [at for at, word in enumerate(words) if not word.isalnum() and _MARK.search(word)]:
            if at + 1 >= complete:
                break
            began += self._begins_in(words, unseen, at + 1)
            unseen = at + 1
            began += [at + 1] * self._resolve(words[at], " ", words[at + 1])
        began += self._begins_in(words, unseen, complete)
        self._began, self._late = tuple(began), (text, len(self._held))
        end = len(text[:cut].rstrip())
        self._next = len(words[complete - 1])
        self._held = text[end - self._next :]
        self.count += len(began)
        return len(began)

    def _begins_in(self, words: list[str], start: int, stop: int) -> list[int]:
        """Which of `words[start:stop]` a sentence begins with that has not begun yet, if any."""
        if not self._begun:
            for at in range(start, stop):
                if _LEADING_INK.match(words[at]):
                    self._begun = True
                    return [at]
        return []

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
                began += [certain] * self._resolve(word, " " if at < match.start() else "", following)
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
        if self._begun and word.isalnum():
            return 0
        new = 0
        at = 0
        for mark in cuts(word, space, following):
            if not self._begun and _INK.search(word, at, mark):
                new += 1
            self._begun = False
            at = mark
        if not self._begun and _INK.search(word, at):
            self._begun = True
            new += 1
        return new


def cuts(word: str, space: str, following: str) -> Iterator[int]:
    """After how many characters of `word` a sentence ends, given the white space and the word that follow it."""
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
        yield mark
        at = mark
