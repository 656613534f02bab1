"""Reading constraints out of an instruction, in one call; `instructions/` is where it happens.

`parse` gives the constraints, `find` also their places, `read_instructions` also what was not understood.
"""

from __future__ import annotations

from dataclasses import dataclass

from adhere.constraints.constraint import Constraint, Span
from adhere.constraints.instructions.reading import Reading, read_instructions

__all__ = ["Found", "Reading", "find", "parse", "read_instructions"]


@dataclass(frozen=True, slots=True)
class Found:
    """A constraint and the stretch of the instruction that states it."""

    constraint: Constraint
    span: Span


def find(instruction: str) -> list[Found]:
    """The constraints that `instruction` states, in the order in which it states them, each with its first place."""
    stated: dict[Constraint, Found] = {}
    for clause in read_instructions(instruction).understood:
        for constraint in clause.constraints:
            stated.setdefault(constraint, Found(constraint, clause.span))
    return list(stated.values())


def parse(instruction: str) -> tuple[Constraint, ...]:
    """The constraints that `instruction` states, in the order in which it states them, each once."""
    return read_instructions(instruction).constraints
