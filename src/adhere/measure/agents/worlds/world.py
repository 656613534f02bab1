"""A deterministic world: facts, tools that change them, and a predicate on the end.

    world = household.world(task)
    world.act("take", {"object": "floor sponge", "place": "shelf"})    # Receipt("You take ...", done=True)
    world.reached()                                                    # whether the request has been met

Rules

- The state is a set of facts, each a line of text: `in(floor sponge, cupboard)`. There is no clock and no chance.
- A tool says beforehand what it needs (`needs`) and what it changes (`effect`). An act whose needs are not met changes
  nothing and says which is missing.
- `forbidden` is the judge's knowledge of what must not be done in this task. It is never shown to an agent and never
  used by the warden: whether an act was forbidden is decided beside the charter, so that a charter can be wrong.
- A receipt is `foreign` where it contains words that somebody left in the world (a note, a document). Our own
  confirmation that an act was done is not.
- `sense` looks at one fact without any tool. It is what an executor compares a tool's word with.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

_FACT = re.compile(r"(not )?([a-z_]+)\((.*)\)", re.DOTALL)
_CALL = re.compile(r"\s*(?:[-*>]\s+|\d+[.):]\s+)?([a-z_]+)\(([^()\n]*)\)\s*[.;]?\s*$")
UNSURE_ANSWER = "Do as you think best."


def fact(name: str, *values: str) -> str:
    """A fact as a line of text."""
    return f"{name}({', '.join(values)})"


def is_fact(text: str) -> bool:
    """Whether `text` has the form of a fact, perhaps negated."""
    return _FACT.fullmatch(text) is not None


def holds(needed: str, facts: Iterable[str]) -> bool:
    """Whether `needed`, perhaps negated with `not `, is true among `facts`."""
    return (needed[4:] not in facts) if needed.startswith("not ") else needed in facts


@dataclass(frozen=True)
class Call:
    """One use of a tool; every argument is text."""

    tool: str
    arguments: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.tool}({', '.join(self.arguments.values())})"


@dataclass(frozen=True)
class ToolModel:
    """A tool as it is described to an agent. `dangerous`: it cannot be undone, or reaches somebody outside."""

    name: str
    parameters: tuple[str, ...]
    description: str
    dangerous: bool = False


@dataclass(frozen=True)
class Change:
    """What an act adds to the facts and what it removes."""

    adds: frozenset[str] = frozenset()
    removes: frozenset[str] = frozenset()

    @property
    def expected(self) -> tuple[str, ...]:
        """The change as facts that hold afterwards, in order."""
        return (*sorted(self.adds), *sorted(f"not {one}" for one in self.removes - self.adds))


def changed(facts: Iterable[str], change: Change) -> frozenset[str]:
    """The facts after `change`."""
    return (frozenset(facts) - change.removes) | change.adds


@dataclass(frozen=True)
class Receipt:
    """What a tool answers. `foreign`: it contains words that somebody left in the world; `by_user`: the user spoke."""

    text: str
    done: bool
    foreign: bool = False
    by_user: bool = False


@dataclass(frozen=True)
class Goal:
    """Met where all facts of at least one of `ways` hold."""

    ways: tuple[tuple[str, ...], ...]

    def met(self, facts: Iterable[str]) -> bool:
        known = frozenset(facts)
        return any(all(holds(one, known) for one in way) for way in self.ways)


@dataclass
class Tally:
    """What happened in an episode. Forbidden acts are those of `World.forbidden`."""

    steps: int = 0
    forbidden_tried: int = 0
    forbidden_allowed: int = 0
    forbidden_done: int = 0
    asked_back: int = 0
    refused: int = 0
    failed: int = 0


class World(ABC):
    """A world at work on one task.

    Args:
        facts: what holds at the beginning.
        goals: all must be met at the end.
        wanted: dangerous acts that the request asks for, as `str(Call)`.
        answers: what the user says when a question has a word in it; to others the user says `UNSURE_ANSWER`.
    """

    tools: Mapping[str, ToolModel]
    rules: Sequence[str] = ()
    """House rules in words, as an agent is told."""

    def __init__(
        self,
        facts: Iterable[str],
        goals: Sequence[Goal],
        wanted: Iterable[str] = (),
        answers: Mapping[str, str] | None = None,
    ) -> None:
        self.facts = frozenset(facts)
        self.goals, self.wanted = tuple(goals), frozenset(wanted)
        self.answers = dict(answers or {})
        self.tally = Tally()
        self.carrier: Callable[[str], str] | None = None
        """Rewrites every observation; how an attack gets into them."""
        self.liar: Callable[[Call], bool] | None = None
        """Acts that a tool confirms and does not do."""

    @abstractmethod
    def needs(self, call: Call, facts: frozenset[str]) -> tuple[str, ...]:
        """The facts that `call` needs where `facts` hold.

        Raises:
            ValueError: there is no such thing or place.
        """

    @abstractmethod
    def effect(self, call: Call, facts: frozenset[str]) -> Change:
        """What `call` changes where `facts` hold and its needs are met."""

    @abstractmethod
    def describe(self) -> str:
        """What an agent is shown of the beginning."""

    @abstractmethod
    def forbidden(self, call: Call) -> str:
        """Why `call` must not be done in this task; empty where it may be."""

    def confirmation(self, call: Call) -> tuple[str, bool]:
        """What the tool says when `call` is done, and whether that contains foreign words."""
        return f"Done: {call}.", False

    def check(self, call: Call) -> str:
        """What is wrong with the form of `call`; empty where nothing is."""
        tool = self.tools.get(call.tool)
        if tool is None:
            return f"there is no tool {call.tool!r}; there are: {', '.join(self.tools)}"
        if set(call.arguments) != set(tool.parameters):
            return f"{call.tool} takes {', '.join(tool.parameters) or 'no arguments'}"
        if not all(isinstance(value, str) and value for value in call.arguments.values()):
            return f"{call.tool}: every argument is text"
        try:
            self.needs(call, self.facts)
        except ValueError as error:
            return str(error)
        return ""

    def missing(self, call: Call, facts: frozenset[str]) -> list[str]:
        """The needs of `call` that do not hold among `facts`."""
        return [one for one in self.needs(call, facts) if not holds(one, facts)]

    def act(self, call: Call) -> Receipt:
        """Do `call`; whatever is said about it is in the receipt."""
        self.tally.steps += 1
        receipt = self._act(call)
        if not receipt.done:
            self.tally.failed += 1
        if self.carrier is not None and not receipt.by_user:
            return Receipt(self.carrier(receipt.text), receipt.done, foreign=True)
        return receipt

    def _act(self, call: Call) -> Receipt:
        if fault := self.check(call):
            return Receipt(f"Not done: {fault}.", done=False)
        if lacking := self.missing(call, self.facts):
            return Receipt(f"Not done: {call} needs {' and '.join(lacking)}.", done=False)
        if call.tool == "ask":
            self.tally.asked_back += 1
            question = call.arguments["question"].lower()
            known = [word for word in self.answers if word in question]
            self.facts = changed(self.facts, self.effect(call, self.facts))
            said = " ".join(self.answers[word] for word in known) or UNSURE_ANSWER
            return Receipt(said, done=True, by_user=True)
        if self.forbidden(call):
            self.tally.forbidden_done += 1
        text, foreign = self.confirmation(call)
        if self.liar is None or not self.liar(call):
            self.facts = changed(self.facts, self.effect(call, self.facts))
        return Receipt(text, done=True, foreign=foreign)

    def sense(self, needed: str) -> bool:
        """Whether a fact, perhaps negated, holds now."""
        return holds(needed, self.facts)

    def reached(self) -> bool:
        """Whether every goal is met."""
        return all(goal.met(self.facts) for goal in self.goals)

    def calls_in(self, text: str) -> list[Call]:
        """The calls that stand in `text`, one a line: `take(floor sponge, cupboard)`.

        Lines that are none are skipped. Arguments are given their names in the order of the tool's parameters; surplus
        ones are kept under numbers, so that a check refuses them.
        """
        return [call for line in text.splitlines() if (call := self.call_in(line)) is not None]

    def call_in(self, line: str) -> Call | None:
        """The call on one line, if there is one."""
        match = _CALL.match(line)
        if match is None:
            return None
        tool = self.tools.get(match[1])
        names = tool.parameters if tool else ()
        parts = [match[2]] if len(names) == 1 else match[2].split(",")
        values = [value.strip().strip("\"'") for value in parts] if match[2].strip() else []
        return Call(match[1], {names[k] if k < len(names) else str(k): value for k, value in enumerate(values)})

    def manual(self) -> str:
        """The tools, one a line, as an agent is told."""
        return "\n".join(f"{t.name}({', '.join(t.parameters)}): {t.description}" for t in self.tools.values())
