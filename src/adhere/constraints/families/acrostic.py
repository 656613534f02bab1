"""Acrostic: the first letters of the lines, or of the paragraphs or sentences, spell a word."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

import regex
from pydantic import AfterValidator

from adhere.constraints.constraint import BROKEN, HOLDS, AtEnd, Check, Constraint, Monitor, Span
from adhere.constraints.reading import text_forms
from adhere.constraints.reading.segments import sentences
from adhere.constraints.registry import register

Unit = Literal["line", "paragraph", "sentence"]

_LINE = re.compile(r"[^\r\n]*\S[^\r\n]*")
_PARAGRAPH = re.compile(r"\S(?:(?!\r?\n[ \t]*\r?\n)[\s\S])*")
_LETTER = regex.compile(r"\p{L}\p{M}*+")


def _letters(value: str) -> str:
    if not all(c.isalpha() or c == " " for c in value) or not value.strip():
        raise ValueError("an acrostic spells letters, and spaces between words")
    return value.strip()


@register
class Acrostic(Constraint):
    """The first letters of the lines spell a word, in either case; spaces in it count for nothing. Lines without a
    letter are passed over, and so are signs before the first letter. Both profiles judge alike.
    """

    kind: ClassVar[str] = "layout.acrostic"
    pieces: ClassVar[tuple[str, ...]] = ("Some\n", "every\n", "and.", "\n", "\n\n", "a", "s", "1. ")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\bfirst letters? of (?:the|each|every) (?P<unit>lines?|paragraphs?|sentences?) (?:must |should )?spells? "
            r"(?:out )?(?:the word )?[\"“]?(?P<word>[^\W\d_]{1,60})\b",
            re.I,
        ),
        re.compile(r"\bacrostic (?:of|for|that spells|spelling) (?:the word )?[\"“]?(?P<word>[^\W\d_]{1,60})\b", re.I),
    )

    word: Annotated[str, AfterValidator(_letters)]
    unit: Unit = "line"

    def describe(self) -> str:
        return f'The first letters of the {self.unit}s must spell the word "{self.word}".'

    def monitor(self) -> Monitor:
        return AtEnd(self._judge)

    def _judge(self, text: str) -> Check:
        if self.unit == "sentence":
            units = [(span.start, text[span.start : span.end]) for span in sentences(text)]
        else:
            pattern = _LINE if self.unit == "line" else _PARAGRAPH
            units = [(match.start(), match[0]) for match in pattern.finditer(text)]
        first = [(start + match.start(), match[0]) for start, unit in units if (match := _LETTER.search(unit))]
        wanted = self.word.replace(" ", "")
        spelled = "".join(letter for _, letter in first)
        spans = tuple(Span(at, at + 1) for at, _ in first)
        if text_forms.folded(spelled) == text_forms.folded(wanted):
            return Check(HOLDS, f'they spell "{self.word}"', spelled, wanted, spans)
        return Check(BROKEN, f'they spell "{spelled[:80]}"', spelled[:80], wanted, spans)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(word="sea"), cls(word="as", unit="sentence"), cls(word="a", unit="paragraph")

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        unit = (match.groupdict().get("unit") or "line").lower().removesuffix("s")
        return cls.model_validate({"word": match["word"], "unit": unit})
