"""Paragraph starts: one paragraph of so many begins with a given word."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from adhere.constraints.bases.bounds import NUMBER, number
from adhere.constraints.constraint import BROKEN, HOLDS, AtEnd, Check, Constraint, Monitor, Span, Verdict
from adhere.constraints.reading.readers import Line, LineReader
from adhere.constraints.registry import register

_FIRST = re.compile(r"[\W_]*(\w[\w'’-]*)")
_ENDS_WORD = frozenset(".,?!'\"")

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def _word(value: str) -> str:
    if not value or value != value.strip() or any(map(str.isspace, value)):
        raise ValueError(f"one word is wanted, not {value!r}")
    return value.lower()


@register
class ParagraphStart(Constraint):
    """The answer has so many paragraphs, and the n-th begins with a word (in either case, whatever signs precede it).

    Paragraphs stand between blank lines. The reference splits at two line feeds: it counts the pieces that hold
    something but looks for the n-th among all, and three line feeds put it out of step.
    """

    kind: ClassVar[str] = "structure.paragraph_start"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\b(?P<paragraphs>{NUMBER}) paragraphs?\b[^\n]{{0,200}}?"
            rf"\b(?:paragraph (?:number )?(?P<nth>{NUMBER})|the (?P<ordinal>{'|'.join(_ORDINALS)}|last) paragraph)"
            rf" (?:must|should|has to|needs to|to)? ?(?:start|begin)s? with (?:the )?(?:word )?"
            rf"[\"“']?(?P<word>\w[\w'-]*)[\"”']?",
            re.I,
        ),
    )

    word: Annotated[str, AfterValidator(_word)]
    nth: Annotated[int, Field(strict=True, ge=1)] = 1
    paragraphs: Annotated[int, Field(strict=True, ge=1)]

    @model_validator(mode="after")
    def _there(self) -> Self:
        if self.nth > self.paragraphs:
            raise ValueError(f"there is no paragraph {self.nth} of {self.paragraphs}")
        return self

    def describe(self) -> str:
        noun = "paragraph" if self.paragraphs == 1 else "paragraphs"
        return f'Write {self.paragraphs} {noun}, where paragraph {self.nth} must start with the word "{self.word}".'

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _StartMonitor(self)

    def _by_reference(self, text: str) -> Check:
        paragraphs = text.split("\n\n")
        count = sum(1 for paragraph in paragraphs if paragraph.strip())
        first = paragraphs[self.nth - 1].split() if self.nth <= count else []
        word = ""
        for letter in first[0].lstrip("'").lstrip('"') if first else "":
            if letter in _ENDS_WORD:
                break
            word += letter.lower()
        return self._sum_up(count, word, None)

    def _sum_up(self, count: int, word: str, span: Span | None) -> Check:
        wanted = f'{self.paragraphs} paragraphs, number {self.nth} beginning with "{self.word}"'
        begins = f'number {self.nth} begins with "{word}"' if word else f"number {self.nth} has no first word"
        met = count == self.paragraphs and word == self.word
        return Check(Verdict.of(met), f"{count} paragraphs; {begins}", word, wanted, (span,) if span else ())

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(word="sea", nth=2, paragraphs=3), cls(word="a", nth=1, paragraphs=1)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        paragraphs = number(match["paragraphs"])
        if match["nth"]:
            nth = number(match["nth"])
        else:
            ordinal = match["ordinal"].lower()
            nth = paragraphs if ordinal == "last" else _ORDINALS.index(ordinal) + 1
        return cls(word=match["word"], nth=nth, paragraphs=paragraphs)


class _StartMonitor(Monitor):
    def __init__(self, constraint: ParagraphStart) -> None:
        super().__init__()
        self._constraint = constraint
        self._lines = LineReader()
        self._count = 0
        self._inside = False
        self._word: str | None = None
        """The first word of the n-th paragraph, None before it stands there."""
        self._span: Span | None = None

    def fork(self) -> Self:
        other = super().fork()
        other._lines = self._lines.fork()
        return other

    def _read(self, chunk: str) -> None:
        self._take(self._lines.read(chunk))

    def _take(self, lines: list[Line]) -> None:
        constraint = self._constraint
        for line in lines:
            inked = line.fenced or not line.starts or bool(line.text.strip())
            if inked and not self._inside:
                self._count += 1
                if self._count > constraint.paragraphs:
                    self._decide(BROKEN, line.end)
            self._inside = inked
            if inked and self._count == constraint.nth and not self._word:
                match = _FIRST.match(line.text)
                if match:
                    self._word = match[1].strip("_").lower()
                    self._span = Span(
                        self.length + line.start + match.start(1), self.length + line.start + match.end(1)
                    )
                    if self._word != constraint.word:
                        self._decide(BROKEN, line.end)

    def _conclude(self) -> Check:
        self._take(self._lines.finish())
        check = self._constraint._sum_up(self._count, self._word or "", self._span)
        if self.verdict is BROKEN and check.verdict is HOLDS:  # pragma: no cover
            raise AssertionError("a broken start was mended")
        return check
