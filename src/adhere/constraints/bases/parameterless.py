"""Constraints without parameters: the family has one member, and every match of its wordings states it."""

from __future__ import annotations

import re
from typing import Self

from adhere.constraints.constraint import Constraint


class Parameterless(Constraint):
    """A family of one member."""

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        del match
        return cls()
