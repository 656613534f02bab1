"""The one idea of the house: a constraint is one object with four uses.

"At most 50 words" is written once. `check` gives the verdict on a finished text, `monitor` gives one after every
chunk of a text that is still being written, the monitor's history labels the token at which the text became
doomed or safe, and the verdict is a reward. The monitor is the heart; the check is the monitor fed whole.

Verdicts follow run-time verification (LTL3; Bauer, Leucker, Schallhart, TOSEM 2011):

    HOLDS    whatever is written next, the constraint is met
    BROKEN   whatever is written next, the constraint is violated
    OPEN     it still depends on what is written next
    UNSURE   only at the end, only where a text can be too short or too unlike to tell (learned scorers, languages)

Laws (property tests run them over every registered family):

    finality         once HOLDS or BROKEN, a monitor's verdict never changes
    agreement        feeding every chunk and closing gives what `check` of the whole text gives
    chunk-blindness  how a text is cut never changes the verdict at a given character
    earliness        HOLDS and BROKEN come at the first character where they are true (families with `decides_early`)
    self-evidence    every constraint that `induce(text)` yields is met by `text`
    round trip       `parse(constraint.describe())` gives the constraint back, and so does its JSON

To add a family: subclass `Constraint`, say what it is in `kind`, `describe` and `monitor`, give `examples`, and
decorate it with `registry.register`. Nothing else knows the list of families.
"""

from __future__ import annotations

import copy
import enum
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

Profile = Literal["fixed", "reference"]
"""`fixed` says what the instruction says; `reference` says what the public benchmark's checker says, with its
randomness taken out, so that numbers can be compared."""

Count = Annotated[int, Field(strict=True, ge=0)]
"""A number of things. Strict: true and "3" are mistakes, not counts."""


class Verdict(enum.Enum):
    OPEN = "open"
    HOLDS = "holds"
    BROKEN = "broken"
    UNSURE = "unsure"

    def __init__(self, word: str) -> None:
        self.word = word
        """The value, as an attribute: what is asked for a million times does not go through a property."""

    @property
    def decided(self) -> bool:
        """Whether nothing written later can change it."""
        return self is Verdict.HOLDS or self is Verdict.BROKEN

    @classmethod
    def of(cls, met: bool) -> Verdict:
        return cls.HOLDS if met else cls.BROKEN


OPEN, HOLDS, BROKEN, UNSURE = Verdict.OPEN, Verdict.HOLDS, Verdict.BROKEN, Verdict.UNSURE


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the text, in characters, half-open."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Check:
    """The verdict on a finished text and why.

    `found` and `wanted` are what was counted and what was asked, in words a person can read. `spans` are the places
    that decided it, first the worst; many are cut to the first few. `at` is the number of characters after
    which the outcome could no longer change (the text's length, where it was open until the end).
    """

    verdict: Verdict
    reason: str
    found: str | int | float | None = None
    wanted: str | int | float | None = None
    spans: tuple[Span, ...] = ()
    at: int | None = None

    @property
    def met(self) -> bool:
        """Whether the constraint is met. UNSURE is not met: what could not be told is never a pass."""
        return self.verdict is HOLDS


class Wanted(NamedTuple):
    """Pieces of text, any of which would bring an open constraint nearer to being met: anywhere in what is still to be
    written where it allows them, or only at its very end. A piece that begins with a letter is a word of its own. None
    where no piece can be named."""

    pieces: tuple[str, ...] = ()
    at_end: bool = False


MOST_SPANS = 16
"""How many deciding places a check keeps: enough to show, few enough to store for a million answers."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def join_surrogates(text: str) -> str:
    """`text` with every pair of surrogates joined to the character it stands for; lone ones stay."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


class Monitor(ABC):
    """A constraint's eye on a text that is still being written.

    Costs amortised O(1) per character and never rescans. A subclass reads chunks in `_read`, calls `_decide` when
    the outcome is certain, and sums up in `_conclude`. State is held in plain immutable attributes; a subclass
    that holds a mutable one copies it in `fork`. A chunk may end within a surrogate pair: the first half is kept
    back until the second is there, so `_read` only ever sees whole characters.
    """

    def __init__(self) -> None:
        self.verdict: Verdict = OPEN
        self.at: int | None = None
        """Characters after which the verdict was decided; None while it is open."""
        self.length: int = 0
        """Characters read so far, before the chunk that `_read` is given."""
        self._half = ""

    def feed(self, chunk: str) -> Verdict:
        """Read the next piece of the text, of any size, and give the verdict after it."""
        if self._half or not chunk.isascii():
            chunk = self._whole_characters(chunk)
        if chunk:
            self._read(chunk)
            self.length += len(chunk)
        return self.verdict

    def close(self) -> Check:
        """The text is finished: HOLDS, BROKEN or UNSURE, with the reason. Feed nothing afterwards."""
        if self._half:
            half, self._half = self._half, ""
            self._read(half)
            self.length += 1
        check = self._conclude()
        # nobody else has seen it yet; `dataclasses.replace` costs more than most checks
        object.__setattr__(check, "at", self.length if self.at is None else min(self.at, self.length))
        if len(check.spans) > MOST_SPANS:
            object.__setattr__(check, "spans", check.spans[:MOST_SPANS])
        return check

    def fork(self) -> Self:
        """An independent monitor in the same state: feed it a continuation to ask "what if?"."""
        other = object.__new__(type(self))  # a gateway forks after every chunk: `copy.copy` costs ten times as much
        other.__dict__.update(self.__dict__)
        return other

    def standing(self) -> Verdict:
        """What the verdict would be if the text ended here, without ending it. A family that knows without summing up
        overrides it; what can only be judged whole says UNSURE, and is not asked before the end."""
        return self.verdict if self.verdict.decided else self.fork().close().verdict

    def unsettled(self) -> int:
        """How many of the last characters may begin what must not be there: "se", where "sea" is excluded.

        Whoever shows the text to somebody while it is being written keeps these back. 0 for families that forbid no
        stretch of text.
        """
        return 0

    def awaited(self) -> int:
        """How many of the last characters may begin what is wanted: the other side of `unsettled`, for a negation."""
        return 0

    def wanted(self) -> Wanted:
        """What is missing, if the text were to end here: for those who help a text along. Nothing by default."""
        return Wanted()

    def _decide(self, verdict: Verdict, offset: int) -> None:
        """The outcome became certain after `offset` characters of the chunk being read. The first call counts."""
        if self.verdict is OPEN:
            self.verdict = verdict
            self.at = self.length + offset

    def _whole_characters(self, chunk: str) -> str:
        chunk = self._half + chunk
        self._half = ""
        if chunk and "\ud800" <= chunk[-1] <= "\udbff":
            chunk, self._half = chunk[:-1], chunk[-1]
        return join_surrogates(chunk)

    @abstractmethod
    def _read(self, chunk: str) -> None:
        """Take in `chunk` (not empty, whole characters); `self.length` characters came before it."""

    @abstractmethod
    def _conclude(self) -> Check:
        """The check of the finished text. Its verdict agrees with `self.verdict` where that is decided."""


class AtEnd(Monitor):
    """A monitor for what can only be judged whole: it keeps the text and asks `judge` at the end, once."""

    def __init__(self, judge: Callable[[str], Check]) -> None:
        super().__init__()
        self._judge = judge
        self._chunks: list[str] = []

    def fork(self) -> Self:
        other = copy.copy(self)
        other._chunks = self._chunks.copy()
        return other

    def feed(self, chunk: str) -> Verdict:
        self._chunks.append(chunk)
        return self.verdict

    def standing(self) -> Verdict:
        return UNSURE

    def close(self) -> Check:
        text = join_surrogates("".join(self._chunks))
        self.length = len(text)
        check = self._judge(text)
        object.__setattr__(check, "at", self.length)
        return check

    def _read(self, chunk: str) -> None:
        raise AssertionError(f"it keeps the chunks as they come, {chunk!r} too")

    def _conclude(self) -> Check:
        raise AssertionError("it judges when it is closed")


class Constraint(BaseModel, ABC):
    """What an instruction asks of a text, frozen, comparable, hashable, and one JSON object.

    `kind` names the family in JSON: `{"kind": "length.words", "at_most": 50}`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)

    kind: ClassVar[str]
    """The family's name: group and member, with a dot."""
    skill: ClassVar[str | None] = None
    """Which of the nine skills of arXiv 2604.06015 the family belongs to, if any."""
    decides_early: ClassVar[bool] = False
    """Whether the monitor promises earliness."""
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = ()
    """How such an instruction is worded in free text; `read` turns a match into a constraint."""
    empty_meets: ClassVar[bool] = False
    """Whether an answer that says nothing (`reading.text_forms.says_nothing`: "***") can be what was asked for. A score
    counts such an answer as met only then."""
    pieces: ClassVar[tuple[str, ...]] = ()
    """Pieces of text that bring a text to meet or to break the constraint: the laws' tests write with them, beside the
    strings among the parameters. A family that `decides_early` needs enough of them for brute force."""

    profile: Profile = "fixed"

    @model_serializer(mode="wrap")
    def _with_kind(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Pydantic's own dumps name the family, too: without it a constraint could not be read back."""
        return {"kind": self.kind, **handler(self)}

    @model_validator(mode="before")
    @classmethod
    def _without_kind(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("kind") == cls.kind:
            return {name: value for name, value in values.items() if name != "kind"}
        return values

    @abstractmethod
    def describe(self) -> str:
        """The instruction as one sentence in English, as a person would write it."""

    @abstractmethod
    def monitor(self) -> Monitor:
        """A fresh monitor for one text."""

    def check(self, text: str) -> Check:
        """The verdict on a finished text, with its reason."""
        monitor = self.monitor()
        monitor.feed(text)
        return monitor.close()

    @classmethod
    @abstractmethod
    def examples(cls) -> tuple[Self, ...]:
        """A few members of the family, the first the most typical: for the listing and for the laws' tests."""

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        """Members of the family that `text` already meets, with natural parameters. None by default."""
        del text
        return iter(())

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        """The constraint that a match of one of `wordings` states, or None where it states none after all."""
        del match
        return None

    def to_json(self) -> dict[str, Any]:
        """The constraint as a JSON object; parameters at their defaults are left out."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def under(self, profile: Profile) -> Self:
        """The same constraint under another profile."""
        return self if profile == self.profile else self.model_copy(update={"profile": profile})
