"""Constraints on a part of the answer: on each of its sentences, or in its first line.

    {"kind": "each", "part": "sentence", "of": {"kind": "length.words", "at_most": 12}}
    {"kind": "in", "part": "first_line", "of": {"kind": "length.characters", "at_most": 50}}

- `Each`: every sentence, paragraph, line or list item meets the constraint; an answer without one does not.
- `In`: the named part does (`PLACES`); an answer without that part does not. The title is the first line, without the
  signs that make a title of it; the introduction is the first paragraph that is no heading, the conclusion the last.
- A part is judged as a text of its own. Verdicts come while the part is written where the constraint decides early; the
  last of anything is known only at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from adhere.constraints.combine import OfOne, in_braces, sample_parts
from adhere.constraints.constraint import (
    BROKEN,
    HOLDS,
    OPEN,
    UNSURE,
    Check,
    Constraint,
    Monitor,
    Span,
    Verdict,
)
from adhere.constraints.reading import parts
from adhere.constraints.registry import register

EachPart = Literal["sentence", "paragraph", "line", "item"]

_SPLITTERS: dict[str, Callable[[], parts.Splitter]] = {
    "sentence": parts.Sentences,
    "paragraph": parts.Paragraphs,
    "line": parts.Lines,
    "item": parts.Items,
    "title": parts.Titles,
    "subject_line": parts.SubjectLines,
    "introduction": lambda: parts.Paragraphs(body=True),
    "conclusion": parts.Paragraphs,
}
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
PLACES: dict[str, tuple[str, int]] = {
    **{
        f"{word}_{part}": (part, number)
        for part in ("sentence", "paragraph", "line", "item")
        for number, word in [*enumerate(_ORDINALS, 1), (0, "last")]
    },
    "title": ("title", 1),
    "subject_line": ("subject_line", 1),
    "introduction": ("introduction", 1),
    "conclusion": ("conclusion", 0),
}
"""The parts that `In` can name: of what they are one, and which, from 1; 0 is the last."""

_NAMES = {"item": "list item", "subject_line": "subject line"}


def _named(part: str) -> str:
    return part.replace("_item", " list item").replace("_", " ") if part not in _NAMES else _NAMES[part]


_PLAIN = frozenset({
    "length.words", "length.sentences", "length.characters", "length.lines", "contains.terms", "excludes.terms",
    "contains.frequency", "contains.letter", "case.letters", "excludes.mark",
})  # fmt: skip
"""Kinds that are worded as the rest of a sentence that begins with the part."""


def _worded(of: Constraint) -> str:
    sentence = of.describe()
    return f", {sentence[:1].lower()}{sentence[1:]}" if of.kind in _PLAIN else in_braces(of)


@register
class Each(OfOne):
    """Every part of this kind meets the constraint, and there is one."""

    kind: ClassVar[str] = "each"
    pieces: ClassVar[tuple[str, ...]] = ("one two. ", "A b c d. ", "- ", "\n", "\n\n", "1. ")

    part: EachPart

    def describe(self) -> str:
        return f"In each {_named(self.part)}{_worded(self.of)}"

    def monitor(self) -> Monitor:
        return _EachMonitor(self)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        words, terms, case = sample_parts()
        return (
            cls(part="sentence", of=words),
            cls(part="paragraph", of=terms),
            cls(part="line", of=words),
            cls(part="item", of=case),
        )


@register
class In(OfOne):
    """The named part meets the constraint, and it is there."""

    kind: ClassVar[str] = "in"
    pieces: ClassVar[tuple[str, ...]] = ("one two. ", "A b c d. ", "# ", "Subject: ", "\n", "\n\n", "- ")

    part: str

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.part not in PLACES:
            raise ValueError(f"no part is called {self.part!r}; there are {', '.join(PLACES)}")
        return self

    def describe(self) -> str:
        return f"In the {_named(self.part)}{_worded(self.of)}"

    def monitor(self) -> Monitor:
        return _InMonitor(self)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        words, terms, case = sample_parts()
        return (
            cls(part="first_line", of=words),
            cls(part="title", of=case),
            cls(part="last_sentence", of=terms),
            cls(part="second_paragraph", of=words),
        )


class _PartMonitor(Monitor):
    """Feeds the open part to a monitor of its own."""

    def __init__(self, constraint: Constraint, splitter: parts.Splitter) -> None:
        super().__init__()
        self._of = constraint
        self._splitter = splitter
        self._inner: Monitor | None = None
        self._start = 0

    def fork(self) -> Self:
        other = super().fork()
        other._splitter = self._splitter.fork()
        other._inner = self._inner.fork() if self._inner else None
        return other

    def unsettled(self) -> int:
        inner = self._inner or self._of.monitor()
        if type(inner).unsettled is Monitor.unsettled:
            return 0
        return self._splitter.held() + inner.unsettled()

    def _read(self, chunk: str) -> None:
        self._take(self._splitter.read(chunk))

    def _take(self, pieces: list[parts.Piece]) -> None:
        for piece in pieces:
            if self.verdict.decided:
                return
            if piece.ends:
                inner, self._inner = self._inner, None
                if inner is not None:
                    self._ended(inner.close(), Span(self._start, max(self._start, self.length + piece.start)), piece)
                continue
            if self._inner is None:
                self._inner = self._of.monitor()
                self._start = max(0, self.length + piece.start)
                self._began()
            self._inner.feed(piece.text)
            self._goes_on(self._inner.verdict, piece)

    def _began(self) -> None:
        """A part begins."""

    def _goes_on(self, verdict: Verdict, piece: parts.Piece) -> None:
        """The part that is open now has this verdict."""

    def _ended(self, check: Check, span: Span, piece: parts.Piece) -> None:
        """A part has ended with this check."""


class _EachMonitor(_PartMonitor):
    def __init__(self, constraint: Each) -> None:
        super().__init__(constraint.of, _SPLITTERS[constraint.part]())
        self._name = _named(constraint.part)
        self._count = self._met = 0
        self._broken: tuple[Check, Span] | None = None
        self._unsure: tuple[Check, Span] | None = None

    def _began(self) -> None:
        self._count += 1

    def _goes_on(self, verdict: Verdict, piece: parts.Piece) -> None:
        if verdict is BROKEN:
            assert self._inner is not None
            end = max(self._start, self.length + piece.start + len(piece.text))
            self._broken = (self._inner.fork().close(), Span(self._start, end))
            self._decide(BROKEN, piece.certain)

    def _ended(self, check: Check, span: Span, piece: parts.Piece) -> None:
        if check.met:
            self._met += 1
        elif check.verdict is UNSURE:
            self._unsure = self._unsure or (check, span)
        else:
            self._broken = (check, span)
            self._decide(BROKEN, piece.certain)

    def _conclude(self) -> Check:
        if self.verdict is OPEN:
            self._take(self._splitter.finish())
        wanted = f"every {self._name}"
        worst = self._broken or self._unsure
        if worst is not None:
            check, span = worst
            verdict = BROKEN if self._broken else UNSURE
            return Check(verdict, f"{self._name} {self._count}: {check.reason}", self._met, wanted, (span,))
        if not self._count:
            return Check(BROKEN, f"there is no {self._name}", 0, wanted)
        return Check(HOLDS, f"every one of {self._count} meets it", self._met, wanted)


class _InMonitor(_PartMonitor):
    def __init__(self, constraint: In) -> None:
        unit, self._number = PLACES[constraint.part]
        super().__init__(constraint.of, _SPLITTERS[unit]())
        self._name = _named(constraint.part)
        self._count = 0
        self._result: tuple[Check, Span] | None = None

    def _began(self) -> None:
        self._count += 1

    def _goes_on(self, verdict: Verdict, piece: parts.Piece) -> None:
        if self._count == self._number and verdict.decided:
            assert self._inner is not None
            end = max(self._start, self.length + piece.start + len(piece.text))
            self._result = (self._inner.fork().close(), Span(self._start, end))
            self._decide(verdict, piece.certain)

    def _ended(self, check: Check, span: Span, piece: parts.Piece) -> None:
        if self._number and self._count != self._number:
            return
        self._result = (check, span)
        if self._number and check.verdict is not UNSURE:
            self._decide(check.verdict, piece.certain)

    def _conclude(self) -> Check:
        if self.verdict is OPEN:
            self._take(self._splitter.finish())
        wanted = f"the {self._name}"
        if self._result is None:
            return Check(BROKEN, f"there is no {self._name}", 0, wanted)
        check, span = self._result
        return Check(check.verdict, f"{self._name}: {check.reason}", check.found, check.wanted, (span,))
