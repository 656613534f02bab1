"""Tone: what a text is about, its mood, its register, and whether it insults.

Rules:

- A scorer decides (`scorers.py`); `scorer` names it. The lexicon that ships counts known words while the text is
  written; any other scorer is asked once, at the end.
- Topic, sentiment and register are met where the scorer's label is the one asked for, strictly ahead of all others:
  they stay OPEN to the end, since what follows can always tip the balance. UNSURE where the scorer cannot tell.
- Toxicity is met by a text without an insult: under the lexicon BROKEN at the first one.
"""

from __future__ import annotations

import re
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator

from adhere.constraints.bases.parameterless import Parameterless
from adhere.constraints.constraint import (
    BROKEN,
    HOLDS,
    MOST_SPANS,
    OPEN,
    UNSURE,
    AtEnd,
    Check,
    Constraint,
    Monitor,
    Span,
    Verdict,
    Wanted,
)
from adhere.constraints.registry import register
from adhere.constraints.scoring import lexicon
from adhere.constraints.scoring.scorers import Aspect, scorer


class _Tone(Constraint):
    """A constraint that a scorer decides: the text has this label under this aspect."""

    aspect: ClassVar[Aspect]
    scorer: str = "lexicon"

    @property
    @abstractmethod
    def label(self) -> str:
        """The label that is asked for, as the scorer calls it."""

    def monitor(self) -> Monitor:
        if self.scorer != "lexicon":
            return AtEnd(self._judge)
        return _ToxicityMonitor(self) if self.aspect == "toxicity" else _LexiconMonitor(self)

    def _judge(self, text: str) -> Check:
        score = scorer(self.scorer).score(text, self.aspect, self.label)
        if not score.known:
            return Check(UNSURE, f"{self.scorer} cannot tell", wanted=self.label)
        met = score.label == self.label
        reason = f"{self.scorer} says {score.label or 'neither'} (p of {self.label} {score.probability:.2f})"
        return Check(Verdict.of(met), reason, found=score.label, wanted=self.label)


class _LexiconMonitor(Monitor):
    """Counts hits per class; the class that leads at the end is the text's label."""

    def __init__(self, tone: _Tone) -> None:
        super().__init__()
        self._aspect, self._label = tone.aspect, tone.label
        self._tally = lexicon.Tally(tone.aspect)
        self._others: tuple[Span, ...] = ()

    def fork(self) -> Self:
        other = super().fork()
        other._tally = self._tally.fork()
        return other

    def wanted(self) -> Wanted:
        if self.fork().close().met:
            return Wanted()
        return Wanted(tuple(sorted(lexicon.CLASSES[self._aspect].get(self._label, ()))))

    def _read(self, chunk: str) -> None:
        self._note(self._tally.read(chunk))

    def _note(self, found: list[tuple[str, int, int]]) -> None:
        for name, start, end in found:
            if name != self._label and len(self._others) < MOST_SPANS:
                self._others += (Span(self.length + start, self.length + end),)
            self._hit(name, end + 1)

    def _hit(self, name: str, offset: int) -> None:
        """One more hit is certain after `offset` characters of the chunk."""

    def _conclude(self) -> Check:
        self._note(self._tally.read("", last=True))
        hits = self._tally.hits
        score = lexicon.weigh(hits, self._aspect, self._label)
        if not score.known:
            return Check(UNSURE, f"no word of it tells its {self._aspect}", wanted=self._label)
        told = ", ".join(f"{count} {name}" for name, count in sorted(hits.items(), key=lambda item: -item[1]))
        return Check(
            Verdict.of(score.label == self._label),
            f"{told} words; mostly {self._label} wanted",
            found=score.label or "as much of one as of another",
            wanted=self._label,
            spans=self._others,
        )


class _ToxicityMonitor(_LexiconMonitor):
    def _hit(self, name: str, offset: int) -> None:
        del name
        self._decide(BROKEN, offset)

    def standing(self) -> Verdict:
        if self.verdict is OPEN and not self._tally.unsettled():
            return HOLDS
        return super().standing()

    def unsettled(self) -> int:
        return self._tally.unsettled()

    def _conclude(self) -> Check:
        self._note(self._tally.read("", last=True))
        count = sum(self._tally.hits.values())
        return Check(
            Verdict.of(not count),
            f"{count} insulting word{'' if count == 1 else 's'}; none wanted",
            found=count,
            wanted="no insults",
            spans=self._others,
        )


def _one_line(value: str) -> str:
    value = " ".join(value.split())
    if not value:
        raise ValueError("a topic must have a name")
    return value


@register
class Topic(_Tone):
    """What the answer is mostly about."""

    kind: ClassVar[str] = "semantic.topic"
    skill: ClassVar[str | None] = "topic"
    aspect: ClassVar[Aspect] = "topic"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\b(?:(?:keep|stick|stay)(?: (?:to|on|with))? the topic(?: of)?|the topic (?:is|must be|should be)"
            r"|write (?:only |mostly )?about|mostly about|only about) (?:the )?(?P<topic>[^\W\d_]{2,30})\b",
            re.I,
        ),
    )

    topic: Annotated[str, AfterValidator(_one_line)]

    @property
    def label(self) -> str:
        return self.topic

    def describe(self) -> str:
        return f"Keep to the topic of {self.topic}."

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(topic="sea"), cls(topic="garden")

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        if topic := _label_of(text, "topic"):
            yield cls(topic=topic)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(topic=match["topic"].lower())


@register
class Sentiment(_Tone):
    """Whether the answer's mood is bright or dark."""

    kind: ClassVar[str] = "semantic.sentiment"
    skill: ClassVar[str | None] = "sentiment"
    aspect: ClassVar[Aspect] = "sentiment"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\b(?P<mood>positive|negative)(?= (?:tone|mood|sentiment|way)\b)", re.I),
        re.compile(r"\b(?:be|sound|stay|keep it) (?P<mood>positive|negative)\b", re.I),
    )

    sentiment: Literal["positive", "negative"]

    @property
    def label(self) -> str:
        return self.sentiment

    def describe(self) -> str:
        return f"Write in a {self.sentiment} mood."

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(sentiment="positive"), cls(sentiment="negative")

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        if mood := _label_of(text, "sentiment"):
            yield cls.model_validate({"sentiment": mood})

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls.model_validate({"sentiment": match["mood"].lower()})


with warnings.catch_warnings():  # the field's name is also a method of ABCMeta, which nobody asks a constraint for
    warnings.filterwarnings("ignore", message='Field name "register"')

    @register
    class Register(_Tone):
        """Whether the answer speaks formally or as among friends."""

        kind: ClassVar[str] = "style.register"
        skill: ClassVar[str | None] = "register"
        aspect: ClassVar[Aspect] = "register"
        wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
            re.compile(r"\b(?P<register>informal|formal)(?= (?:tone|style|register|way|language|words)\b)", re.I),
            re.compile(r"\b(?:be|sound|stay|keep it|write) (?P<register>informal|formal)(?P<adverb>ly)?\b", re.I),
        )

        register: Literal["formal", "informal"]

        @property
        def label(self) -> str:
            return self.register

        def describe(self) -> str:
            return f"Write in {'a' if self.register == 'formal' else 'an'} {self.register} style."

        @classmethod
        def examples(cls) -> tuple[Self, ...]:
            return cls(register="formal"), cls(register="informal")

        @classmethod
        def induce(cls, text: str) -> Iterator[Self]:
            if style := _label_of(text, "register"):
                yield cls.model_validate({"register": style})

        @classmethod
        def read(cls, match: re.Match[str]) -> Self | None:
            return cls.model_validate({"register": match["register"].lower()})


@register
class Toxicity(Parameterless, _Tone):
    """No insulting word stands in the answer."""

    kind: ClassVar[str] = "style.toxicity"
    skill: ClassVar[str | None] = "toxicity"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = (" silly ", " fool", "fool", "s", "a", " ")
    aspect: ClassVar[Aspect] = "toxicity"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\b(?:(?:do not|don't|never|not) (?:insult (?:anyone|anybody|people)|be (?:rude|toxic|insulting))"
            r"|(?:do not|don't|never) use (?:any )?(?:insults|insulting words|toxic (?:words|language))"
            r"|(?:without|no|avoid) (?:any )?(?:insults|insulting words|toxic (?:words|language)))\b",
            re.I,
        ),
    )

    @property
    def label(self) -> str:
        return "clean"

    def describe(self) -> str:
        return "Do not insult anyone."

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        if text:
            yield cls()


def _label_of(text: str, aspect: Aspect) -> Any:
    tally = lexicon.Tally(aspect)
    tally.read(text, last=True)
    return lexicon.leading(tally.hits)
