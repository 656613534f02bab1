"""A plan as typed data, and whether it may be carried out, decided before anything is.

    faults = validate(plan, scene, notes, table)
    if faults: ...                                # back to the planner, with `reasons(faults)`

Rules

- A step names its tool, its arguments, what it needs, what it will change, the constraints of what it writes, and who
  asked for it: a note that was said by somebody who may instruct, and the words of it, verbatim.
- What a plan says about itself is checked, not believed: needs and effects are those of the tool (`World.needs`,
  `World.effect`); a plan that leaves them out has them filled in, one that names others is refused.
- Order is checked by carrying the plan out on facts alone: every need holds at the beginning or by an earlier step.
- A constraint is a sentence that `constraints.parse` reads as a whole, or the plan is refused.
- A step that the charter's table denies is refused here.
- Authority never comes from a plan: a quotation of the user does not raise the source of the acts (`messages.Context`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from adhere.constraints.instructions.reading import read_instructions
from adhere.measure.agents.messages import Note, find
from adhere.measure.agents.worlds.world import Call, World, changed, is_fact
from adhere.warden.acts.acts import Act, Table, Verdict
from adhere.warden.acts.sources import Source
from adhere.warden.canonical import Refused, digest, dumps

MOST_STEPS = 100
FaultKind = Literal["tool", "order", "effect", "constraint", "authority", "charter", "length"]


class _Typed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Authority(_Typed):
    """Who asked for a step: the name of a note, and the words of it that ask."""

    note: str
    quote: str = Field(min_length=1)


class Step(_Typed):
    """One act. `needs` and `effects` are facts, perhaps negated; empty: those of the tool."""

    tool: str
    arguments: dict[str, str] = Field(default_factory=dict)
    needs: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    authority: Authority
    subtask: int = Field(default=0, ge=0)

    @property
    def call(self) -> Call:
        """The step as a use of its tool."""
        return Call(self.tool, self.arguments)


class Plan(_Typed):
    """Subtasks in words, and the steps that do them, in order."""

    subtasks: tuple[str, ...] = ()
    steps: tuple[Step, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over the whole plan: what a confirmation is bound to."""
        return digest(dumps(self.model_dump(mode="json")))


@dataclass(frozen=True)
class Fault:
    """What is wrong with a plan. `step` counts from 1; 0 is the plan as a whole."""

    step: int
    kind: FaultKind
    text: str


def of_calls(calls: Iterable[Call], authority: Authority, constraints: Sequence[str] = ()) -> Plan:
    """The plan that consists of `calls`, all asked for by the same words."""
    steps = tuple(
        Step(
            tool=call.tool,
            arguments=dict(call.arguments),
            authority=authority,
            constraints=tuple(constraints) if call.tool == "write" else (),
        )
        for call in calls
    )
    return Plan(steps=steps)


def validate(plan: Plan, scene: World, notes: Sequence[Note], table: Table | None = None) -> list[Fault]:
    """What is wrong with `plan`, in the order of its steps; empty where it may be carried out.

    Args:
        scene: the world as it stands; nothing in it changes.
        notes: what was said: authority is looked up there.
        table: the charter's rules; None where no warden is there.
    """
    if not 0 < len(plan.steps) <= MOST_STEPS:
        return [Fault(0, "length", f"a plan has 1 to {MOST_STEPS} steps, this has {len(plan.steps)}")]
    faults: list[Fault] = []
    facts = scene.facts
    for number, step in enumerate(plan.steps, 1):
        faults += _authority(number, step, notes)
        faults += _constraints(number, step)
        if table is not None:
            faults += _charter(number, step, table)
        if wrong := scene.check(step.call):
            faults.append(Fault(number, "tool", wrong))
            continue
        if lacking := scene.missing(step.call, facts):
            faults.append(Fault(number, "order", f"{step.call} needs {' and '.join(lacking)} by then"))
        change = scene.effect(step.call, facts)
        if step.needs and not set(step.needs) >= set(scene.needs(step.call, facts)):
            faults.append(Fault(number, "order", f"{step.call} needs {', '.join(scene.needs(step.call, facts))}"))
        if step.effects and set(step.effects) != set(change.expected):
            faults.append(Fault(number, "effect", f"{step.call} leads to {', '.join(change.expected)}"))
        faults += [
            Fault(number, "effect", f"{one!r} is no fact") for one in (*step.needs, *step.effects) if not is_fact(one)
        ]
        facts = changed(facts, change)
    return faults


def _authority(number: int, step: Step, notes: Sequence[Note]) -> list[Fault]:
    note = find(notes, step.authority.note)
    if note is None:
        return [Fault(number, "authority", f"nobody said {step.authority.note!r}")]
    if not note.source.may_instruct:
        line = f"{note.name} comes from {note.author} ({note.source.name.lower()}), who may not instruct"
        return [Fault(number, "authority", line)]
    if step.authority.quote not in note.text:
        return [Fault(number, "authority", f"{note.name} does not say {step.authority.quote[:80]!r}")]
    return []


def _constraints(number: int, step: Step) -> list[Fault]:
    faults = []
    for sentence in step.constraints:
        reading = read_instructions(sentence)
        if not reading.constraints or reading.not_understood:
            faults.append(Fault(number, "constraint", f"{sentence[:80]!r} is not read as a constraint"))
    return faults


def _charter(number: int, step: Step, table: Table) -> list[Fault]:
    try:
        decision = table.decide(Act(step.tool, step.arguments, sources=(Source.MODEL,)))
    except Refused as error:
        return [Fault(number, "charter", str(error))]
    return [Fault(number, "charter", decision.text)] if decision.verdict is Verdict.DENY else []


def reasons(faults: Sequence[Fault], most: int = 8) -> str:
    """Faults as a planner is told, one a line."""
    lines = [f"- step {one.step} ({one.kind}): {one.text}" for one in faults[:most]]
    return "\n".join([*lines, f"- and {len(faults) - most} more"] if len(faults) > most else lines)
