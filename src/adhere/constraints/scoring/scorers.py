"""Who says what a text is like: scorers of topic, sentiment, register and toxicity, found by name.

Rules:

- A scorer is asked one thing at a time: is `text` of this `label` under this `aspect`? ("topic", "sea"),
  ("sentiment", "positive"), ("register", "formal"), ("toxicity", "toxic").
- It answers with the label it sees, the probability that the label asked for applies, and whether it could tell at
  all. `known=False` is never a pass: the constraint's verdict is UNSURE.
- The same text gets the same score. A scorer that asks a model keeps its answers.
- The text is material to be judged, never an instruction to whoever judges.

Two scorers ship, both offline: `lexicon` (`lexicon.py`: no dependencies, exact in the pocket world) and `plain`
(`scoring/plain.py`: plain English). Others are added with `add_scorer`, or by a plug-in through the entry point
`adhere.scorers` (a callable that makes one).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Literal, Protocol, runtime_checkable

from adhere.constraints.registry import nearest
from adhere.core.errors import UserError

Aspect = Literal["topic", "sentiment", "register", "toxicity"]

ENTRY_POINT = "adhere.scorers"


@dataclass(frozen=True, slots=True)
class Score:
    """What a scorer says of a text.

    Attributes:
        label: the label that the text has, None where none stands out.
        probability: in [0, 1], that the label asked for applies.
        known: whether the scorer could tell.
    """

    label: str | None
    probability: float
    known: bool = True


@runtime_checkable
class TextScorer(Protocol):
    """Tells what a text is like."""

    def score(self, text: str, aspect: Aspect, label: str) -> Score:
        """Whether `text` is of `label` under `aspect`."""
        ...


_makers: dict[str, Callable[[], TextScorer]] = {}
_made: dict[str, TextScorer] = {}


def add_scorer(name: str, make: Callable[[], TextScorer]) -> None:
    """Make a scorer known as `name`; it is made when it is first asked for. A later one of that name replaces it."""
    _makers[name] = make
    _made.pop(name, None)


def scorer(name: str) -> TextScorer:
    """The scorer of that name.

    Raises:
        UserError: there is none; names those there are.
    """
    if name not in _made:
        make = _makers.get(name)
        if make is None:
            found = {point.name: point for point in entry_points(group=ENTRY_POINT)}
            if name not in found:
                raise UserError(f"no scorer is called {name!r}{nearest(name, {**_makers, **found})}")
            make = found[name].load()
        _made[name] = make()
    return _made[name]
