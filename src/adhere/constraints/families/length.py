"""Length: how many words, characters, lines and paragraphs (sentences have their own file)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self

from adhere.constraints.bases.bounds import Bounded, CountMonitor
from adhere.constraints.constraint import UNSURE, AtEnd, Check, Monitor, Verdict
from adhere.constraints.reading import counters
from adhere.constraints.reading.word_segments import SegmentedWords
from adhere.constraints.registry import register


def natural_bounds(count: int) -> Iterator[dict[str, int]]:
    """Bounds that a text with `count` units meets and that a person might ask for: round, and not too wide."""
    if count == 0:
        return
    step = 1 if count < 10 else 5 if count < 50 else 10 if count < 200 else 50
    above = -(-(count + 1) // step) * step
    below = (count - 1) // step * step
    yield {"at_most": above}
    if below > 0:
        yield {"at_least": below}


@register
class Words(Bounded):
    """How many words the answer has, in any script (`reading.word_segments`). UNSURE where words are not written apart
    and no dictionary is installed. In such scripts a verdict comes where a stretch of them ends, not before.

    The reference counts runs of letters and digits: "don't" is two, a Chinese sentence one.
    """

    kind: ClassVar[str] = "length.words"
    skill: ClassVar[str | None] = "word_count"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a", "word ", " ", "é", "-", "1", "word " * 60)

    def describe(self) -> str:
        return f"Use {self.bounds('word')}."

    def monitor(self) -> Monitor:
        if self.profile == "reference":
            return AtEnd(self._by_reference)
        return _WordMonitor(self, SegmentedWords(), "word")

    def _by_reference(self, text: str) -> Check:
        return self.sum_up(counters.runs(text), "word")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_most=50), cls(at_least=3), cls(at_least=2, at_most=4), cls(at_least=3, at_most=3)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        counter = SegmentedWords()
        if text:
            counter.read(text)
            least, most = counter.ending()
            if least == most:
                yield from (cls.model_validate(bounds) for bounds in natural_bounds(least))


class _WordMonitor(CountMonitor):
    """Knows that the words of an unfinished stretch are counted at its end, and that some cannot be."""

    _counter: SegmentedWords

    def standing(self) -> Verdict:
        return self.verdict if self.verdict.decided else self._conclude().verdict

    def _conclude(self) -> Check:
        least, most = self._counter.ending()
        check = self._bounded.sum_up(least, "word")
        low, high = self._bounded.at_least or 0, self._bounded.at_most
        holds = low <= least and (high is None or most <= high)
        if self.verdict.decided or holds or most < low or (high is not None and least > high):
            return check
        reason = f"between {least} and {most} words: this script needs a dictionary (pip install 'adhere[languages]')"
        return Check(UNSURE, reason, found=f"{least} to {most}", wanted=check.wanted)


@register
class Characters(Bounded):
    """How many characters the answer has, counted as a reader sees them."""

    kind: ClassVar[str] = "length.characters"
    skill: ClassVar[str | None] = "character_count"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a", "é", "\u0301", " ", "\r", "\n", "a" * 300)

    def describe(self) -> str:
        return f"Use {self.bounds('character')}."

    def monitor(self) -> Monitor:
        return CountMonitor(self, counters.Characters(), "character")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_most=280), cls(at_least=4), cls(at_least=2, at_most=5), cls(at_least=3, at_most=3)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        counter = counters.Characters()
        if text and counter.read(text):
            yield from (cls.model_validate(bounds) for bounds in natural_bounds(counter.count))


@register
class Lines(Bounded):
    """How many lines the answer has, blank ones not counted."""

    kind: ClassVar[str] = "length.lines"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a", " ", "\n", "\r\n", "a\n" * 5)

    def describe(self) -> str:
        return f"Write {self.bounds('line')}."

    def monitor(self) -> Monitor:
        return CountMonitor(self, counters.Lines(), "line")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_most=4), cls(at_least=2), cls(at_least=2, at_most=2)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        counter = counters.Lines()
        if text and counter.read(text) > 1:
            yield cls(at_least=counter.count, at_most=counter.count)


@register
class Paragraphs(Bounded):
    """How many paragraphs the answer has: what stands between blank lines, a fenced block being one piece.

    IFEval's two paragraph types, with their own separators, are in `paragraphs.py`.
    """

    kind: ClassVar[str] = "length.paragraphs"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a", " ", "\n\n", "\n```\n", "a\n\n")

    def describe(self) -> str:
        return f"Write {self.bounds('paragraph')}."

    def monitor(self) -> Monitor:
        return CountMonitor(self, counters.Paragraphs(), "paragraph")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_least=3, at_most=3), cls(at_most=2), cls(at_least=2)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        counter = counters.Paragraphs()
        if text and counter.read(text):
            yield cls(at_least=counter.count, at_most=counter.count)
