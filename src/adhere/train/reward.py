"""A verifiable reward from constraints: the callable that trainers take.

    reward = Reward((Include(terms=("sea",)),))
    reward("By the sea.")                                      # 1.0
    reward(["By the sea.", ""])                                # [1.0, 0.0]
    reward([[{"role": "assistant", "content": "The sea."}]])   # [1.0], as TRL gives conversations

Rules:

- The value is 1 where every constraint is met (`all`), or the share of constraints met (`share`). A verdict that
  cannot be told pays nothing.
- Guards pay nothing whatever the constraints say: an empty answer, an answer without a letter or digit outside code
  fences (`***`, `{}`), an answer that repeats itself without end. Constraints on length or on what to leave out are
  met by such texts for nothing, and a policy finds them.
- Reasoning is taken out first (`constraints.reasoning`). An answer cut off within its reasoning is empty.
- A check that fails with an error raises `BrokenCheckError`. It never pays and never punishes.
- Without constraints of its own, a reward reads those of each completion from the data column `constraints` (a JSON
  string, or the objects), as trainers pass it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

from adhere.constraints.constraint import Check, Constraint
from adhere.constraints.degeneration import is_loop
from adhere.constraints.reasoning import answer
from adhere.constraints.registry import from_json
from adhere.core.errors import UserError

Aggregation = Literal["all", "share"]
Guard = Literal["empty", "vacuous", "loop"]

_FENCE = re.compile(r"^[ ]{0,3}(?:`{3,}|~{3,})[^\n]*$", re.MULTILINE)
_SUBSTANCE = re.compile(r"[^\W_]")
"""A letter or a digit of any script."""


class BrokenCheckError(RuntimeError):
    """A constraint's check ended with an error: there is no reward to give."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The reward of one completion and where it comes from.

    Attributes:
        value: from 0 to 1.
        guard: why nothing is paid whatever the constraints say; None where no guard applies.
        checks: the verdict of every constraint, in order; empty where a guard applies.
    """

    value: float
    guard: Guard | None
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Reward:
    """A reward function over constraints; see the module's rules.

    Attributes:
        constraints: checked on every completion; empty to read them from the data.
        aggregation: `all` (1 or 0) or `share`.
    """

    constraints: tuple[Constraint, ...] = ()
    aggregation: Aggregation = "all"

    def __post_init__(self) -> None:
        if self.aggregation not in ("all", "share"):
            raise UserError(f"a reward aggregates by all or share, not {self.aggregation!r}")
        kinds = "+".join(one.kind for one in self.constraints) or "constraints"
        object.__setattr__(self, "__name__", f"adhere[{kinds}]")  # trainers log rewards under it

    @overload
    def __call__(self, completions: str, **columns: Any) -> float: ...
    @overload
    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float]: ...
    def __call__(self, completions: str | Sequence[Any], **columns: Any) -> float | list[float]:
        """The rewards of `completions`, in order.

        Args:
            completions: one text, or several: texts, or conversations whose assistant messages are the answer.
            columns: what the trainer passes besides; only `constraints` is read, and only where the reward has none.

        Raises:
            BrokenCheckError: a check ended with an error.
            UserError: there are no constraints, or those of the data are malformed.
            TypeError: a completion is neither a text nor a conversation.
        """
        column = None if self.constraints else columns.get("constraints")
        if isinstance(completions, str):
            return self.score(completions, None if column is None else _constraints(column)).value
        if column is None:
            return [self.score(_text(one)).value for one in completions]
        if isinstance(column, str) or len(column) != len(completions):
            raise UserError("the column `constraints` must have one entry for each completion")
        pairs = zip(completions, column, strict=True)
        return [self.score(_text(one), _constraints(asked)).value for one, asked in pairs]

    def score(self, completion: str, constraints: Sequence[Constraint] | None = None) -> Scored:
        """The reward of one completion with its parts.

        Args:
            completion: a text.
            constraints: in place of the reward's own.

        Raises:
            BrokenCheckError: a check ended with an error.
            UserError: there are no constraints.
        """
        asked = self.constraints if constraints is None else constraints
        if not asked:
            raise UserError("a reward needs constraints: give it some, or a data column named `constraints`")
        text = answer(completion).text
        guard = guarded(text)
        if guard is not None:
            return Scored(0.0, guard, ())
        checks = tuple(_checked(one, text) for one in asked)
        met = sum(check.met for check in checks)
        return Scored(met / len(checks) if self.aggregation == "share" else float(met == len(checks)), None, checks)


def guarded(text: str) -> Guard | None:
    """Why `text` is paid nothing whatever it was asked; None where it is an answer."""
    if not text.strip():
        return "empty"
    if not _SUBSTANCE.search(_FENCE.sub("", text)):
        return "vacuous"
    return "loop" if is_loop(text) else None


def _checked(constraint: Constraint, text: str) -> Check:
    try:
        return constraint.check(text)
    except Exception as error:
        raise BrokenCheckError(f"the check of {constraint.kind} failed: {type(error).__name__}: {error}") from error


def _text(completion: object) -> str:
    """The answer in a completion: a text, or what the assistant says in a conversation."""
    if isinstance(completion, str):
        return completion
    if isinstance(completion, Sequence) and all(isinstance(one, Mapping) for one in completion):
        said = [one.get("content") or "" for one in completion if one.get("role") == "assistant"]
        if all(isinstance(one, str) for one in said):
            return "\n".join(said)
    raise TypeError(f"a completion is a text or a list of messages, not {type(completion).__name__}")


def _constraints(entry: object) -> tuple[Constraint, ...]:
    """The constraints of one row of data."""
    if isinstance(entry, str):
        try:
            entry = json.loads(entry)
        except ValueError as error:
            raise UserError(f"the column `constraints` holds no JSON: {error}") from error
    listed = entry if isinstance(entry, Sequence) and not isinstance(entry, str) else [entry]
    read = []
    for one in listed:
        if isinstance(one, Constraint):
            read.append(one)
        elif isinstance(one, Mapping):
            read.append(from_json(one))
        else:
            raise UserError(f"the column `constraints` holds a {type(one).__name__}, not a constraint")
    return tuple(read)
