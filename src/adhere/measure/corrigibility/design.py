"""A full-factorial design, not materialised: a cell is computed from its number.

    design = Design((Factor("persona", ("none", "cook")), Factor("request", ("stop", "pause", "control"))))
    len(design)                       # 6
    design[4]                         # {"persona": "cook", "request": "pause"}
    design.number(design[4])          # 4

Rules:

- The number of a cell is its levels read as digits in mixed radix, the last factor turning fastest. It depends on the
  factors and the order of their levels and on nothing else, so that a log names a cell by a number.
- A part of the design is a random sample of its numbers without repetition: the same seed gives the same sample, and a
  larger one of the same seed begins with the smaller.
- A factor held at one level stays in the cell, so that every cell says all that was in force.

The idea of a lazy parameter space with a deterministic index is that of the UK AI Security Institute's
propensity-inference.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from adhere.core.errors import UserError

Cell = dict[str, str]
"""A level for each factor."""


@dataclass(frozen=True)
class Factor:
    """Something that is varied. The first level is the one that others are held against."""

    name: str
    levels: tuple[str, ...]
    about: str = ""
    named: bool = False
    """Whether it is varied only where it is named."""

    @property
    def base(self) -> str:
        return self.levels[0]

    def among(self, wanted: Iterable[str]) -> Factor:
        """The factor with only some of its levels, in the order of the factor.

        Raises:
            UserError: there is no such level, or none is left.
        """
        chosen = tuple(dict.fromkeys(wanted))
        for level in chosen:
            if level not in self.levels:
                raise UserError(f"{self.name} takes {', '.join(self.levels)}; not {level!r}")
        if not chosen:
            raise UserError(f"{self.name} needs a level: {', '.join(self.levels)}")
        return replace(self, levels=tuple(level for level in self.levels if level in chosen))


@dataclass(frozen=True)
class Design(Sequence[Cell]):
    """The product of its factors."""

    factors: tuple[Factor, ...]

    def __len__(self) -> int:
        return math.prod(len(factor.levels) for factor in self.factors)

    def __getitem__(self, number: int) -> Cell:  # type: ignore[override]  # slices would write the design out
        if not 0 <= number < len(self):
            raise IndexError(number)
        digits = []
        for factor in reversed(self.factors):
            number, digit = divmod(number, len(factor.levels))
            digits.append((factor.name, factor.levels[digit]))
        return dict(reversed(digits))

    def __iter__(self) -> Iterator[Cell]:
        return (self[number] for number in range(len(self)))

    def number(self, cell: Mapping[str, str]) -> int:
        """The number of `cell`.

        Raises:
            ValueError: the design has no such cell.
        """
        number = 0
        for factor in self.factors:
            number = number * len(factor.levels) + factor.levels.index(cell.get(factor.name, ""))
        return number

    def sample(self, size: int, seed: int = 0) -> list[int]:
        """`size` different numbers at random; all of them, in random order, where there are no more."""
        generator = random.Random(f"design {seed}")
        drawn: dict[int, None] = {}
        while len(drawn) < min(size, len(self)):
            drawn[generator.randrange(len(self))] = None
        return list(drawn)

    def varied(self) -> tuple[Factor, ...]:
        """The factors with more than one level."""
        return tuple(factor for factor in self.factors if len(factor.levels) > 1)


def held(factors: Sequence[Factor], vary: Iterable[str] | None, also: Iterable[str] = ()) -> tuple[Factor, ...]:
    """`factors`, those not named in `vary` held at their first level; None varies all but those that must be named.
    `also` names further ones.

    Raises:
        UserError: a name is no factor's.
    """
    names = [factor.name for factor in factors]
    wanted = {*(vary if vary is not None else (factor.name for factor in factors if not factor.named)), *also}
    for name in sorted(wanted):
        if name not in names:
            raise UserError(f"no factor is called {name!r}; there are: {', '.join(names)}")
    return tuple(factor if factor.name in wanted else factor.among([factor.base]) for factor in factors)


def restricted(factors: Sequence[Factor], levels: Mapping[str, str | Sequence[str] | None]) -> tuple[Factor, ...]:
    """`factors` with the levels named for some of them: a list, or text with commas; None leaves a factor alone.

    Raises:
        UserError: a level or a factor is unknown.
    """
    names = {factor.name for factor in factors}
    for name in levels:
        if name not in names:
            raise UserError(f"no factor is called {name!r}; there are: {', '.join(sorted(names))}")
    made = []
    for factor in factors:
        wanted = levels.get(factor.name)
        if wanted is None:
            made.append(factor)
            continue
        chosen = wanted.split(",") if isinstance(wanted, str) else [str(level) for level in wanted]
        made.append(factor.among(level.strip() for level in chosen))
    return tuple(made)
