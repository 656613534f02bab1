"""A clause as the rules see it, and what they make of it.

A rule is a function from a `Clause` to the statements that it makes, or None where the clause has not the rule's shape
as a whole. A `Statement` names a family and its parameters, and the part of the answer that it is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from adhere.constraints.instructions.quantity import ABOUT
from adhere.constraints.instructions.tokens import Token

Scope = tuple[str, str]
"""("each", "sentence") or ("in", "first_line")."""

UNKNOWN_PART: Scope = ("in", "")
"""A part of the answer that no combinator can name ("the body")."""


@dataclass(frozen=True)
class Statement:
    """What a clause states: a family, its parameters, the part of the answer, and whether it is denied."""

    kind: str
    parameters: dict[str, Any]
    scope: Scope | None = None
    denied: bool = False


@dataclass(frozen=True)
class Clause:
    """A stretch of a sentence that is read as a whole.

    `tokens` are all of them, `core` those without fillers and negations. `inherited` is the part of the answer that the
    clause before was about, where this one has no subject of its own; `counted` the unit that was counted last in the
    sentence, for "each" and "apiece".
    """

    tokens: tuple[Token, ...]
    inherited: Scope | None = None
    counted: str | None = None
    about: float = ABOUT
    core: tuple[Token, ...] = field(init=False)
    negations: int = field(init=False)

    def __post_init__(self) -> None:
        core = [token for token in self.tokens if token.role not in ("fill", "neg", "end")]
        object.__setattr__(self, "core", tuple(core))
        object.__setattr__(self, "negations", sum(token.role == "neg" for token in self.tokens))

    def has(self, *roles: str) -> bool:
        return any(token.role in roles for token in self.tokens)

    @property
    def denied(self) -> bool:
        """Whether an odd number of negations stand in the clause, verbs like "avoid" counted."""
        return (self.negations + sum(token.role == "avoid" for token in self.tokens)) % 2 == 1

    @property
    def negated(self) -> bool:
        return self.negations > 0 or self.has("avoid")


def scope_of(parts: Sequence[Token], clause: Clause) -> Scope | None:
    """The part of the answer that the clause is about; the inherited one where it names none."""
    if not parts:
        return clause.inherited
    scope: Scope = (parts[0].value[0], parts[0].value[1])
    return scope if len(parts) == 1 and scope[1] else UNKNOWN_PART
