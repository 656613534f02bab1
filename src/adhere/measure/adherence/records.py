"""The record of one scored response: what `scoring` yields, the journal keeps, and the report is drawn from.

    Record                     one response of one model to one prompt
      .instructions            one Instruction per constraint the prompt asks for, in the prompt's order
        .constraint            the constraint as JSON: {"kind": "length.words", "at_most": 50}
        .fixed, .reference     its Outcome under each profile; None where that profile was not asked for
          .strict, .loose      met by the text as it stands; met by one of IFEval's eight loosened texts
          .reason, .found, .wanted, .spans, .at

Rules.

- Offsets (`spans`, `at`, the excerpt's start, `length`) count characters of the *answer*: the response with its
  reasoning taken out. `at / length` is where in the text the outcome was decided (1.0: open until the end).
- `removed` holds the spans of the *response* that were taken out as reasoning.
- A response that gives no answer (empty, cut off within its reasoning, null, failed, unreadable, or missing from the
  file) follows no instruction in either profile, as in IFEval's own runner: an empty text must not earn "no commas".
- `loose` is true wherever `strict` is: the text as it stands is one of the eight.
- A record is one line of JSON and comes back equal. It does not hold the whole answer: each broken instruction
  carries an excerpt around the span that decided it, enough to show.
- Two responses belong together (are paired) when `set`, `prompt_id` and `epoch` are equal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from adhere.constraints.constraint import Profile

PROFILES: tuple[Profile, ...] = ("fixed", "reference")

UNANSWERED = ("failed", "unread", "absent")
"""Ways in which there is no answer: the request failed or gave null; the row could not be read; there is no row."""

DEGENERATE = ("empty", "loop", "refusal", "truncated", *UNANSWERED)
"""Ways in which a response is no proper answer; see `degenerate`."""


@dataclass(frozen=True, slots=True)
class ConstraintOutcome:
    """The verdict on one instruction under one profile."""

    strict: bool
    loose: bool
    verdict: str
    """Of the text as it stands: "holds", "broken" or "unsure" (which is not met)."""
    reason: str
    found: str | int | float | None = None
    wanted: str | int | float | None = None
    spans: tuple[tuple[int, int], ...] = ()
    """Places in the answer that decided it, half-open, the worst first; few are kept."""
    at: int | None = None
    """Characters of the answer after which the outcome could no longer change."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One constraint of the prompt, and how the response did on it."""

    kind: str
    constraint: dict[str, Any]
    skill: str | None = None
    asked_as: str | None = None
    """The benchmark's own id ("length_constraints:number_words"); None in our own format."""
    fixed: ConstraintOutcome | None = None
    reference: ConstraintOutcome | None = None
    excerpt: str | None = None
    """A stretch of the answer around the first deciding span; only where a profile finds it broken."""
    excerpt_start: int = 0
    """Where in the answer the excerpt begins, so that `spans` can be marked in it."""
    since: int = 0
    """In a conversation, the turn at which it was stated; 0 for the system prompt."""

    def outcome(self, profile: Profile) -> ConstraintOutcome | None:
        return self.fixed if profile == "fixed" else self.reference


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two instructions of a conversation that no answer can follow both, and which of them the answer follows."""

    pair: str
    """One of `CONFLICTS`."""
    higher: tuple[bool, ...]
    """Whether the higher one is followed, strictly, under each of `PROFILES`."""
    lower: tuple[bool, ...]


CONFLICTS = ("system over user", "system over tool", "user over tool")


@dataclass(frozen=True, slots=True)
class Record:
    """One scored response."""

    model: str
    set: str
    """Where the prompts come from: "ifeval", "ifbench", or "own" for our own format."""
    prompt_id: str
    epoch: int
    """Which of several responses of the model to the same prompt; 1 where there is one."""
    file: str
    line: int
    prompt: str
    """The prompt's beginning, for showing."""
    length: int
    """Characters of the answer."""
    instructions: tuple[Instruction, ...]
    removed: tuple[tuple[int, int], ...] = ()
    degenerate: tuple[str, ...] = ()
    """Which of `DEGENERATE` the response is."""
    digest: str = ""
    """Of the line it came from: a resumed run knows by it that the line is the same."""
    turn: int = 0
    """In a conversation, which of its answers; `prompt_id` is the session's, and `epoch` the turn. 0 otherwise."""
    conflicts: tuple[Conflict, ...] = ()
    """Instructions of its conversation that a higher one overrules."""

    def followed(self, profile: Profile, loose: bool = False) -> bool:
        """Whether every instruction of the prompt is followed."""
        outcomes = [instruction.outcome(profile) for instruction in self.instructions]
        return all(o is not None and (o.loose if loose else o.strict) for o in outcomes)

    def to_line(self) -> str:
        """The record as one line of JSON, without the line's end. ASCII: a lone surrogate is no obstacle."""
        return _encode(_plain(self))

    @classmethod
    def from_line(cls, line: str | bytes) -> Record:
        """The record that `to_line` wrote.

        Raises:
            ValueError, KeyError, TypeError: it is no record.
        """
        return cls.from_json(json.loads(line))

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Record:
        """As `from_line`, from the JSON object."""
        return cls(
            **{
                **record,
                "instructions": tuple(_instruction(entry) for entry in record["instructions"]),
                "removed": _pairs(record.get("removed", ())),
                "degenerate": tuple(record.get("degenerate", ())),
                "conflicts": tuple(
                    Conflict(one["pair"], tuple(one["higher"]), tuple(one["lower"]))
                    for one in record.get("conflicts", ())
                ),
            }
        )


_encode = json.JSONEncoder(separators=(",", ":")).encode


def _plain(record: Record) -> dict[str, Any]:
    """A record as JSON takes it. Written out: this runs once per response, and reflection costs more than checks."""
    fields: dict[str, Any] = {
        "model": record.model,
        "set": record.set,
        "prompt_id": record.prompt_id,
        "epoch": record.epoch,
        "file": record.file,
        "line": record.line,
        "prompt": record.prompt,
        "length": record.length,
        "instructions": [_plain_instruction(entry) for entry in record.instructions],
        "digest": record.digest,
    }
    if record.turn:
        fields["turn"] = record.turn
    if record.conflicts:
        fields["conflicts"] = [{"pair": one.pair, "higher": one.higher, "lower": one.lower} for one in record.conflicts]
    if record.removed:
        fields["removed"] = record.removed
    if record.degenerate:
        fields["degenerate"] = record.degenerate
    return fields


def _plain_instruction(entry: Instruction) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": entry.kind, "constraint": entry.constraint}
    if entry.skill is not None:
        fields["skill"] = entry.skill
    if entry.asked_as is not None:
        fields["asked_as"] = entry.asked_as
    if entry.fixed is not None:
        fields["fixed"] = _plain_outcome(entry.fixed)
    if entry.reference is not None:
        fields["reference"] = _plain_outcome(entry.reference)
    if entry.since:
        fields["since"] = entry.since
    if entry.excerpt is not None:
        fields["excerpt"] = entry.excerpt
        fields["excerpt_start"] = entry.excerpt_start
    return fields


def _plain_outcome(outcome: ConstraintOutcome) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "strict": outcome.strict,
        "loose": outcome.loose,
        "verdict": outcome.verdict,
        "reason": outcome.reason,
        "at": outcome.at,
    }
    if outcome.found is not None:
        fields["found"] = outcome.found
    if outcome.wanted is not None:
        fields["wanted"] = outcome.wanted
    if outcome.spans:
        fields["spans"] = outcome.spans
    return fields


def _pairs(values: Any) -> tuple[tuple[int, int], ...]:
    return tuple((int(start), int(end)) for start, end in values)


def _outcome(record: dict[str, Any] | None) -> ConstraintOutcome | None:
    return None if record is None else ConstraintOutcome(**{**record, "spans": _pairs(record.get("spans", ()))})


def _instruction(record: dict[str, Any]) -> Instruction:
    fields = {**record, "fixed": _outcome(record.get("fixed")), "reference": _outcome(record.get("reference"))}
    return Instruction(**fields)
