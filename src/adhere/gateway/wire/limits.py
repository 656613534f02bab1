"""What one request may bring, priced before anything is built of it.

Rules
- A request is priced by what makes it costly later: its constraints (those within combinations too), their terms and
  characters, how deep they nest, its messages and tools. Pricing walks what came once and stops at the first limit.
- What is over a limit is refused with one line that names the limit; a policy sets its own under `limits`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adhere.gateway.exchange import Unreadable


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may bring at the most."""

    constraints: int = 64
    """Constraints, those within others (`any_of`, `not`) counted too."""
    terms: int = 2_000
    """Values within all constraints: words, options, members of a schema."""
    characters: int = 20_000
    """Characters of all constraints."""
    nesting: int = 8
    """Constraints within constraints."""
    messages: int = 10_000
    """Messages, or items of an input."""
    tools: int = 1_000


DEFAULT = Limits()
DEEPEST = 64
"""Objects and lists within a constraint, as of a schema; kept below what Python's stack holds."""


class _Price:
    """Adds up what the constraints of a request cost."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._constraints = self._terms = self._characters = 0

    def add(self, value: Any, nesting: int, depth: int) -> None:
        limits = self._limits
        if depth > DEEPEST:
            raise Unreadable(f"constraints: values nest deeper than {DEEPEST}", "constraints")
        if isinstance(value, Mapping):
            if isinstance(value.get("kind"), str):
                self._constraints += 1
                within(self._constraints, limits.constraints, "constraints")
                within(nesting, limits.nesting, "nesting")
                nesting += 1
            for name, inner in value.items():
                self._text(name)
                self.add(inner, nesting, depth + 1)
        elif isinstance(value, list):
            for inner in value:
                self.add(inner, nesting, depth + 1)
        else:
            self._terms += 1
            within(self._terms, limits.terms, "terms")
            if isinstance(value, str):
                self._text(value)

    def _text(self, text: str) -> None:
        self._characters += len(text)
        within(self._characters, self._limits.characters, "characters")


def within(number: int, most: int, name: str, where: str = "constraints") -> None:
    """Refuse a request that brings more than the limit `name` allows.

    Raises:
        Unreadable: it does.
    """
    if number > most:
        what = "nested deeper than" if name == "nesting" else "more than"
        unit = "levels" if name == "nesting" else name
        raise Unreadable(
            f"{where}: {what} {most:,} {unit}, which is the most that one request may bring (limits.{name})", where
        )


def price(records: list[Any], limits: Limits = DEFAULT) -> None:
    """Refuse constraints that would cost too much, before any of them is built.

    Raises:
        Unreadable: they are over a limit; the line names it.
    """
    total = _Price(limits)
    for record in records:
        total.add(record, 1, 1)
