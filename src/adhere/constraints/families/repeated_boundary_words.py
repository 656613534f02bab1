"""Echoes: words that come back where a sentence or a paragraph begins or ends.

Words are compared without case and without the marks around them.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import ClassVar, Self

from adhere.constraints.bases.reference_profile import PUNCTUATION, Twofold, edged
from adhere.constraints.bases.reference_profile import sentences as punkt_sentences
from adhere.constraints.constraint import BROKEN, HOLDS, Check
from adhere.constraints.reading.segments import lines, sentences, words
from adhere.constraints.registry import register


@register
class SentenceChain(Twofold):
    """The last word of each sentence is the first of the next. One sentence alone is a chain.

    The reference keeps marks that ASCII does not know ("…", "”") and line breaks as parts of words.
    """

    kind: ClassVar[str] = "echoes.chain"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\blast word of each sentence must (?:become|be) the first word of the next(?: sentence)?", re.I),
    )

    def describe(self) -> str:
        return "The last word of each sentence must become the first word of the next sentence."

    def followed(self, text: str) -> bool:
        pieces = punkt_sentences(text)
        for one, other in pairwise(pieces):
            last, first = one.rstrip(PUNCTUATION + " ").split(), other.lstrip(PUNCTUATION + " ").split()
            if not last or not first or last[-1].lower() != first[0].lower():
                return False
        return True

    def judge(self, text: str) -> Check:
        wanted = "each sentence begins with the last word of the one before"
        last = ""
        spans = sentences(text)
        for span in spans:
            here = words(text[span.start : span.end]) or [""]
            if last and here[0].casefold() != last.casefold():
                return Check(BROKEN, f'"{here[0]}" follows "{last}"', here[0], wanted, (span,))
            last = here[-1]
        return Check(HOLDS, f"{len(spans)} sentences in a chain", len(spans), wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)


@register
class ParagraphRing(Twofold):
    """Each paragraph ends with the word it starts with; each line is a paragraph, as the instruction has it.

    The reference cuts words at blanks, so that "Sea" at the start is not "sea," within quotes at the end.
    """

    kind: ClassVar[str] = "echoes.ring"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\beach paragraph (?:of your response )?must end with the same word it started with"
            r"(?:,? (?:and )?separate paragraphs with a new ?line)?",
            re.I,
        ),
    )

    def describe(self) -> str:
        return "Each paragraph must end with the same word it started with, separate paragraphs with a newline."

    def followed(self, text: str) -> bool:
        paragraphs = (edged(line.strip().lower()).split() for line in text.split("\n"))
        return all(here[0] == here[-1] for here in paragraphs if here)

    def judge(self, text: str) -> Check:
        wanted = "each paragraph ends with its first word"
        count = 0
        for span in lines(text):
            here = words(text[span.start : span.end])
            if here and here[0].casefold() != here[-1].casefold():
                found = f'begins with "{here[0]}", ends with "{here[-1]}"'
                return Check(BROKEN, found, found, wanted, (span,))
            count += bool(here)
        return Check(HOLDS, f"{count} paragraphs", count, wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)
