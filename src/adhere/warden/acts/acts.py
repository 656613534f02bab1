"""Acts, decisions about them, and the ordered table of rules.

Rules
- An act is a tool's name, its arguments, why, and where its content came from. Its digest covers the tool and the
  arguments: an approval of one act is no approval of another.
- A decision is allow, transform, ask, deny or stop; of two decisions the safer holds: stop > deny > ask > transform
  > allow. `failed` says that a check broke: that is a denial which says so, never a pass.
- The table is read from the top and the first rule that matches decides. Where none matches, the answer is
  deny. An empty table is refused when it is loaded: a warden without rules must not look like one with rules.
- A pattern without `*`, `?` or `[` matches exactly that tool: `bash` does not match `bash_admin`. Matching is
  case-sensitive and over the whole name.
- A rule allows only if the act's lowest source has at least the rule's `source`; otherwise it asks.
- A condition on an argument that is not there, or has another type, does not match an allowing rule, and does
  match a denying or asking one: a missing value never opens a door (`conditions`).
- An allowing rule with conditions is closed: an argument that it does not name is asked about.
- A tool's name has no control, format, separator or private-use character.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adhere.core.reading import parse_json
from adhere.core.terminal import visible
from adhere.warden.acts import conditions
from adhere.warden.acts.conditions import wildcard as matches
from adhere.warden.acts.sources import Source, join, source
from adhere.warden.canonical import Refused, digest, dumps

__all__ = [
    "DEFAULT_RULES",
    "RANK",
    "Act",
    "Decision",
    "Effect",
    "Impact",
    "Rule",
    "Table",
    "Verdict",
    "broke",
    "matches",
    "refusal",
    "rules_from",
]


class Verdict(IntEnum):
    """What a decision says; the larger, the safer."""

    ALLOW = 0
    TRANSFORM = 1
    ASK = 2
    DENY = 3
    STOP = 4


@dataclass(frozen=True)
class Act:
    """What an agent is about to do.

    `sources` are the origins of whatever went into it (names or `Source`s); none given counts as external.
    The arguments are copied: what was decided about cannot be changed afterwards through the caller's object.
    `id` is the caller's name for this one execution (a tool call's id): an act whose id is already done, or
    whose outcome is unknown, is not done again.
    """

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    because: str = ""
    sources: tuple[Source | str, ...] = ()
    id: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.tool, str) or not self.tool or len(self.tool) > 256:
            raise Refused("act", "an act needs the name of a tool (1 to 256 characters)")
        if conditions.has_unsafe(self.tool):
            raise Refused("act", f"{visible(self.tool)}: a tool's name has no control or format characters")
        if not isinstance(self.arguments, Mapping):
            raise Refused("act", f"{self.tool}: arguments are a mapping from names to values")
        object.__setattr__(self, "arguments", copy.deepcopy(dict(self.arguments)))
        given = (self.sources,) if isinstance(self.sources, (str, Source)) else tuple(self.sources)
        object.__setattr__(self, "sources", tuple(source(s) for s in given))

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over tool and arguments; what an approval is bound to."""
        return digest(dumps({"tool": self.tool, "arguments": dict(self.arguments)}))

    @property
    def lowest(self) -> Source:
        """The lowest source that went into it."""
        return join(source(s) for s in self.sources)


@dataclass(frozen=True)
class Decision:
    """What the warden says about an act.

    `reason` is a stable code, `text` one line for people. `failed`: a check broke, so the door stayed closed;
    `retry`: trying again may help. `act` is the act to perform (changed where the verdict is transform).
    `approval` names the request that a quorum can sign; `seq` is the decision's place in the ledger.
    """

    verdict: Verdict
    reason: str
    text: str = ""
    failed: bool = False
    retry: bool = False
    evidence: Mapping[str, Any] = field(default_factory=dict)
    act: Act | None = None
    approval: str = ""
    seq: int = -1

    @property
    def allowed(self) -> bool:
        """Whether the act may be performed (as `act` has it)."""
        return self.verdict <= Verdict.TRANSFORM and not self.failed

    def safer(self, other: Decision) -> Decision:
        """The safer of both; of equals, this one, and one that failed before one that did not."""
        if other.verdict != self.verdict:
            return self if self.verdict > other.verdict else other
        return other if other.failed and not self.failed else self

    def at(self, **changes: Any) -> Decision:
        """A copy with some fields changed."""
        return replace(self, **changes)


def broke(reason: str, text: str, *, retry: bool = False, **evidence: Any) -> Decision:
    """The decision where a check could not be made: deny, and say so."""
    return Decision(Verdict.DENY, reason, text, failed=True, retry=retry, evidence=evidence)


def refusal(decision: Decision) -> str:
    """A denial in a line, fit for an agent to read."""
    line = f"{decision.verdict.name.lower()} ({decision.reason})" + (f": {decision.text}" if decision.text else "")
    if decision.approval:
        line += f" [request {decision.approval} waits for a person]"
    if decision.retry:
        line += " [may be tried again]"
    return line


class Effect(StrEnum):
    """What an instruction or a rule does to the acts it covers."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


RANK = {Effect.ALLOW: 0, Effect.ASK: 1, Effect.DENY: 2}
"""Of two effects the higher rank is the safer."""


class Impact(BaseModel):
    """What an act can do. The level is the highest that any of the four gives.

    `reach`: 0 the agent's own scratch, 1 one person, 2 an organisation, 3 the public. `cost` is in the
    charter's own unit. `ambiguous`: more than one reading of the instruction would lead to different acts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reversible: bool = False
    reach: int = Field(default=1, ge=0, le=3)
    cost: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    ambiguous: bool = False


class Rule(BaseModel):
    """One row of the table.

    `where` holds conditions on arguments: a string is a pattern for a string value, a number or truth value
    must be equal, `{"at_most": 10}` (from 0), `{"at_least": 1}`, `{"one_of": [...]}` and `{"regex": "..."}` say what
    they say; `{"addresses": "*@example.org"}`, `{"inside": "/srv/repos"}` and `{"command": "git log *"}` are typed. A
    rule with conditions allows no other arguments than those in `where`, `fill` and `free` (any value), unless it is
    `open`. `fill` sets arguments when the rule allows (the verdict is then transform). `harmless` marks acts that
    remain allowed after the lease has run low.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    tools: tuple[str, ...] = Field(min_length=1)
    then: Effect
    where: dict[str, Any] = Field(default_factory=dict)
    source: Literal["principal", "operator", "user", "model", "memory", "tool", "external"] = "user"
    harmless: bool = False
    impact: Impact | None = None
    fill: dict[str, Any] = Field(default_factory=dict)
    free: tuple[str, ...] = ()
    open: bool = False
    because: str = ""

    @field_validator("tools")
    @classmethod
    def _patterns(cls, tools: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in tools:
            if not pattern:
                raise ValueError("an empty tool pattern matches nothing")
        return tools

    @field_validator("where")
    @classmethod
    def _conditions(cls, where: dict[str, Any]) -> dict[str, Any]:
        for name, wanted in where.items():
            conditions.check(name, wanted)
        return where

    def matches(self, act: Act) -> bool:
        """Whether this row is about `act`."""
        if not any(matches(pattern, act.tool) for pattern in self.tools):
            return False
        unsure = self.then is not Effect.ALLOW
        return all(conditions.met(act.arguments.get(name), wanted, unsure) for name, wanted in self.where.items())

    def extra(self, act: Act) -> list[str]:
        """The arguments of `act` that a rule with conditions does not name; none where it is `open`."""
        if self.open or not self.where:
            return []
        return sorted(set(act.arguments) - set(self.where) - set(self.fill) - set(self.free), key=str)


DEFAULT_RULES: tuple[Rule, ...] = (
    Rule(
        tools=("read_*", "list_*", "get_*", "search_*"),
        then=Effect.ALLOW,
        source="external",
        harmless=True,
        impact=Impact(reversible=True, reach=0),
        because="reading changes nothing",
    ),
    Rule(tools=("*",), then=Effect.ASK, because="everything else is asked for, until the table says otherwise"),
)
"""The table of a charter that was not given one."""


class Table:
    """The rules in their order.

    Raises:
        Refused: there are none.
    """

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        if not rules:
            raise Refused("no-rules", "the table of rules is empty: nothing would be enforced, so nothing runs")
        self.rules = rules

    def find(self, act: Act) -> tuple[int, Rule] | None:
        """The first rule about `act`, with its place."""
        for place, rule in enumerate(self.rules):
            if rule.matches(act):
                return place, rule
        return None

    def decide(self, act: Act) -> Decision:
        """What the table says about `act`; deny where it says nothing."""
        found = self.find(act)
        if found is None:
            return Decision(Verdict.DENY, "no-rule", f"no rule is about {act.tool}", act=act)
        place, rule = found
        evidence = {"rule": place, "source": act.lowest.name.lower()}
        if rule.then is Effect.DENY:
            return Decision(Verdict.DENY, "rule", rule.because or f"rule {place} denies it", evidence=evidence, act=act)
        if rule.then is Effect.ASK:
            return Decision(Verdict.ASK, "rule", rule.because or f"rule {place} asks", evidence=evidence, act=act)
        if act.lowest < source(rule.source):
            line = f"rule {place} wants content from {rule.source} or above, this comes from {evidence['source']}"
            return Decision(Verdict.ASK, "low-source", line, evidence=evidence, act=act)
        if extra := rule.extra(act):
            evidence["extra"] = extra
            line = f"rule {place} does not name these arguments: {visible(', '.join(map(repr, extra)), 300)}"
            return Decision(Verdict.ASK, "extra-arguments", line, evidence=evidence, act=act)
        if any(act.arguments.get(name) != value for name, value in rule.fill.items()):
            changed = replace(act, arguments={**act.arguments, **rule.fill})
            evidence["filled"] = sorted(rule.fill)
            return Decision(Verdict.TRANSFORM, "rule", rule.because, evidence=evidence, act=changed)
        return Decision(Verdict.ALLOW, "rule", rule.because, evidence=evidence, act=act)


def rules_from(text: str, where: str) -> tuple[Rule, ...]:
    """The rules in a JSON text: a list of rows.

    Raises:
        Refused: not JSON, not a list, a row that is not a rule, or no row at all.
    """
    try:
        rows = parse_json(text)
        if not isinstance(rows, list):
            raise Refused("rules", f"{where}: rules are a list of objects")
        rules = tuple(Rule.model_validate(row) for row in rows)
    except ValueError as error:
        first = error.errors()[0] if hasattr(error, "errors") else None
        line = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else str(error)
        raise Refused("rules", f"{where}: {line}") from error
    return Table(rules).rules
