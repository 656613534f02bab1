"""Check one text against constraints: the use case under all integrations.

    checks = check("Answer in under 50 words and mention the sea.", text)
    checks.all_met
    for one in checks.failed:
        one.instruction, one.reason, one.excerpts

Constraints are given as an instruction in English, as constraint objects, as their JSON, or as a mixture. An
instruction from which no constraint can be read is an error: a text is never declared compliant because nothing was
checked.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adhere.constraints.constraint import Check, Constraint, Span, Verdict, join_surrogates
from adhere.constraints.parse import parse
from adhere.constraints.registry import families, from_json, nearest
from adhere.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

Constraints = str | Constraint | Mapping[str, Any] | Iterable[str | Constraint | Mapping[str, Any]]
"""An instruction, a constraint, its JSON object, or several of these."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One constraint and what became of it.

    Attributes:
        constraint: what was checked.
        check: the verdict with its reason and spans.
        text: what was checked against it.
    """

    constraint: Constraint
    check: Check
    text: str

    @property
    def met(self) -> bool:
        """Whether the constraint is met. A verdict that cannot be told is not met."""
        return self.check.met

    @property
    def verdict(self) -> Verdict:
        return self.check.verdict

    @property
    def reason(self) -> str:
        """Why, in one line."""
        return self.check.reason

    @property
    def spans(self) -> tuple[Span, ...]:
        """The places in the text that decided it, in characters, half-open."""
        return self.check.spans

    @property
    def instruction(self) -> str:
        """The constraint as a sentence."""
        return self.constraint.describe()

    @property
    def excerpts(self) -> tuple[str, ...]:
        """The stretches of text that `spans` names."""
        return tuple(self.text[span.start : span.end] for span in self.spans)

    @property
    def feedback(self) -> str:
        """What to change, for a person or a model: the instruction and why it is not met."""
        return f"{self.instruction} {self.reason}"


@dataclass(frozen=True, slots=True)
class Checks:
    """Every constraint of one text, in the order in which they were given."""

    text: str
    results: tuple[Checked, ...]

    @property
    def all_met(self) -> bool:
        return all(one.met for one in self.results)

    @property
    def failed(self) -> tuple[Checked, ...]:
        return tuple(one for one in self.results if not one.met)

    @property
    def share(self) -> float:
        """The share of constraints met, from 0 to 1."""
        return sum(one.met for one in self.results) / len(self.results)

    @property
    def feedback(self) -> str:
        """What to change, one line for each constraint that is not met; empty where all are met."""
        return "\n".join(f"- {one.feedback}" for one in self.failed)

    def __iter__(self) -> Iterator[Checked]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def to_json(self) -> dict[str, Any]:
        """The verdicts as a JSON object."""
        return {
            "all_met": self.all_met,
            "constraints": [
                {
                    "constraint": one.constraint.to_json(),
                    "instruction": one.instruction,
                    "verdict": one.verdict.word,
                    "met": one.met,
                    "reason": one.reason,
                    "spans": [[span.start, span.end] for span in one.spans],
                }
                for one in self.results
            ],
        }

    def to_pandas(self) -> pd.DataFrame:
        """One row for each constraint.

        Raises:
            MissingExtra: pandas is not installed.
        """
        from adhere.core.extras import naming_extras

        with naming_extras():
            import pandas as pd
        rows = [(one.constraint.kind, one.instruction, one.met, one.verdict.word, one.reason) for one in self]
        return pd.DataFrame(rows, columns=["kind", "instruction", "met", "verdict", "reason"])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'met' if one.met else 'not met'}</td><td>{html.escape(one.instruction)}</td>"
            f"<td>{html.escape(one.reason)}</td></tr>"
            for one in self
        )
        heads = "<tr><th>verdict</th><th>constraint</th><th>reason</th></tr>"
        return f"<table><thead>{heads}</thead><tbody>{rows}</tbody></table><pre>{_marked(self)}</pre>"


def check(constraints: Constraints, text: str) -> Checks:
    """Check `text` against `constraints`.

    Args:
        constraints: an instruction in English ("Answer in under 50 words."), a constraint, its JSON object, or several
            of these.
        text: a finished text.

    Raises:
        UserError: an instruction states no constraint, there are none at all, or a constraint's JSON is wrong.
        TypeError: `text` is not a string.
    """
    if not isinstance(text, str):
        raise TypeError(f"the text to check is a {type(text).__name__}, not a string")
    text = join_surrogates(text)  # spans count whole characters
    return Checks(text, tuple(Checked(one, one.check(text), text) for one in constraints_of(constraints)))


def constraints_of(constraints: Constraints) -> tuple[Constraint, ...]:
    """`constraints` as objects, each once.

    Raises:
        UserError: as `check`.
    """
    single = isinstance(constraints, (str, Constraint, Mapping))
    given: Iterable[Any] = (constraints,) if single else constraints
    read = tuple(dict.fromkeys(constraint for one in given for constraint in _read(one)))
    if not read:
        raise UserError("no constraint was given: there is nothing to check")
    return read


def _read(given: object) -> tuple[Constraint, ...]:
    if isinstance(given, Constraint):
        return (given,)
    if isinstance(given, Mapping):
        return (from_json(given),)
    if not isinstance(given, str):
        raise UserError(f"a constraint is an instruction, an object or its JSON, not a {type(given).__name__}")
    constraints = parse(given)
    if not constraints:
        name = given.strip()
        hint = nearest(name, families()) if name and not any(map(str.isspace, name)) else ""
        raise UserError(
            f"no constraint was read from {given[:80]!r}{hint}; `adhere constraints` lists what can be asked"
        )
    return constraints


def _marked(checks: Checks) -> str:
    """The text with what decided against it marked, as HTML."""
    marked = bytearray(len(checks.text))
    for one in checks.failed:
        for span in one.spans:
            marked[span.start : span.end] = b"\1" * (min(span.end, len(marked)) - span.start)
    pieces: list[str] = []
    start = 0
    for place in range(1, len(marked) + 1):
        if place == len(marked) or marked[place] != marked[start]:
            piece = html.escape(checks.text[start:place])
            pieces.append(f"<mark>{piece}</mark>" if marked[start] else piece)
            start = place
    return "".join(pieces)
