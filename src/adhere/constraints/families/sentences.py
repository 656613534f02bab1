"""Sentences: how many the answer has. Where they end is `constraints/reading/sentences.py`'s matter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self

from adhere.constraints.bases.bounds import Bounded, CountMonitor
from adhere.constraints.constraint import AtEnd, Check, Monitor, Verdict
from adhere.constraints.reading import sentences
from adhere.constraints.registry import register


@register
class Sentences(Bounded):
    """How many sentences the answer has.

    The reference counts what NLTK's Punkt tokenizer returns, pieces without a letter included ("Wow!!" is two), and
    knows no full stops but the Latin one.
    """

    kind: ClassVar[str] = "length.sentences"

    def describe(self) -> str:
        return f"Write {self.bounds('sentence')}."

    def monitor(self) -> Monitor:
        if self.profile == "reference":
            return AtEnd(lambda text: self.sum_up(sentences.count_by_punkt(text), "sentence"))
        return _SentenceMonitor(self)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(at_most=3), cls(at_least=2), cls(at_least=2, at_most=3), cls(at_least=1, at_most=1)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        counter = sentences.Sentences()
        counter.read(text)
        counter.finish()
        if counter.count:
            yield cls(at_least=counter.count, at_most=counter.count)


class _SentenceMonitor(CountMonitor):
    def __init__(self, constraint: Sentences) -> None:
        self._sentences = sentences.Sentences()
        super().__init__(constraint, self._sentences, "sentence")

    def fork(self) -> Self:
        other = super().fork()
        assert isinstance(other._counter, sentences.Sentences)
        other._sentences = other._counter
        return other

    def standing(self) -> Verdict:
        return Verdict.of(self._bounded.within(self._sentences.ending()))

    def _conclude(self) -> Check:
        self._sentences.finish()
        return super()._conclude()
