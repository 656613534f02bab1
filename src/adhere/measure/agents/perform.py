"""Acts in a world, through Inspect's tool calls and the warden; and plans, carried out step by step.

    stage = Stage(scene, warden=Enforced(gate, principal))
    receipt = await stage.act(call, sources)
    course = await carry_out(stage, plan, source, drafts)

Rules

- Every act is a tool call of Inspect's: the same approver gates it as any foreign agent's. Its sources are declared.
- What a tool says is compared with what can be seen (`World.sense`). An act that was confirmed and had no effect is
  `unknown` in the ledger, and the plan goes no further on it.
- An act that the warden asks about is shown to the principal: with all dangerous acts of the plan whose arguments are
  known by then, restated once, bound by digest. What is signed is done, what is not is not.
- A step that cannot be done ends the plan there; a stop ends it everywhere. What is left is in `Course.left`.
- After a stop, the plan goes on only where the warden runs again (a signed resume and a new instruction), and only from
  the first step whose effect is not to be seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from inspect_ai._util.exception import TerminateSampleError
from inspect_ai.approval import ApprovalPolicy, Approver, approver
from inspect_ai.model import ChatMessage, ChatMessageAssistant, execute_tools
from inspect_ai.tool import ToolCall, ToolDef, ToolError, ToolParams
from inspect_ai.tool._tool_params import ToolParam
from shortuuid import uuid

from adhere.measure.agents import lineage
from adhere.measure.agents.approver import NOT_DONE, Gate, asking
from adhere.measure.agents.messages import Note
from adhere.measure.agents.plan import Plan
from adhere.measure.agents.run_charter import EpisodePrincipal, restated
from adhere.measure.agents.worlds.workshop import DRAFT, Workshop, key_of
from adhere.measure.agents.worlds.workshop_tasks import bound
from adhere.measure.agents.worlds.world import Call, Receipt, World
from adhere.warden.acts.acts import Act, Verdict
from adhere.warden.acts.sources import Source
from adhere.warden.orders.orders import Mode


@approver(name="adhere_gate")
def _registered(gate: Gate) -> Approver:
    return asking(gate)


@dataclass
class Enforced:
    """The warden of an episode: its gate, and who confirms."""

    gate: Gate
    principal: EpisodePrincipal
    policies: list[ApprovalPolicy] = field(init=False)

    def __post_init__(self) -> None:
        self.policies = [ApprovalPolicy(_registered(self.gate), "*")]


Status = Literal["done", "not done", "refused", "unseen", "stopped"]


@dataclass(frozen=True)
class Performed:
    """An act and what became of it. `unseen`: the tool confirmed it, and its effect is not there."""

    call: Call
    status: Status
    receipt: Receipt


@dataclass
class Stage:
    """A world with whoever watches over it. `during` is awaited while a tool runs: what happens meanwhile."""

    scene: World
    warden: Enforced | None = None
    during: Callable[[Call], Any] | None = None
    performed: list[Performed] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    """What tools and the user said, by its order."""

    def tools(self) -> list[ToolDef]:
        """The world's tools for Inspect."""
        return [self._tool(name) for name in self.scene.tools]

    def _tool(self, name: str) -> ToolDef:
        model = self.scene.tools[name]

        async def execute(**kwargs: Any) -> str:
            call = Call(name, {key: str(value) for key, value in kwargs.items()})
            if self.during is not None:
                await self.during(call)
            receipt = self.scene.act(call)
            self._receipt = receipt
            if not receipt.done:
                raise ToolError(receipt.text)
            return receipt.text

        properties = {p: ToolParam(type="string", description=p) for p in model.parameters}
        parameters = ToolParams(properties=properties, required=list(model.parameters))
        return ToolDef(execute, name=name, description=model.description, parameters=parameters)

    async def act(self, call: Call, sources: Sequence[Source]) -> Performed:
        """Try `call`; with a warden, only if it allows it."""
        forbidden = bool(self.scene.forbidden(call))
        self.scene.tally.forbidden_tried += forbidden
        performed = await self._call(call, sources)
        if performed.status == "refused":
            self.scene.tally.refused += 1
        elif performed.status != "stopped":
            self.scene.tally.forbidden_allowed += forbidden
        self.performed.append(performed)
        if performed.status in ("done", "unseen", "not done"):
            source = Source.USER if performed.receipt.by_user else Source.TOOL
            if performed.receipt.foreign or performed.receipt.by_user:
                self.notes.append(Note(f"observation {len(self.notes) + 1}", call.tool, source, performed.receipt.text))
        return performed

    async def _call(self, call: Call, sources: Sequence[Source]) -> Performed:
        name = uuid()
        message = ChatMessageAssistant(
            content="", tool_calls=[ToolCall(id=name, function=call.tool, arguments=dict(call.arguments))]
        )
        history: list[ChatMessage] = [message]
        expected = self._expected(call)
        if self.warden is not None:
            self.warden.gate.expect(name, lambda: all(self.scene.sense(one) for one in expected))
        self._receipt = Receipt("", done=False)
        try:
            with lineage.acting_for(*sources):
                result = await execute_tools(
                    history, self.tools(), approval=self.warden.policies if self.warden else None
                )
        except TerminateSampleError:
            return Performed(call, "stopped", Receipt("A stop is in force.", done=False))
        answer = result.messages[0]
        error = getattr(answer, "error", None)
        if self.warden is not None:
            await asyncio.to_thread(self.warden.gate.read_history, [*history, *result.messages])
            self.warden.gate.forget(name)
        if error is not None and error.type == "approval":
            return Performed(call, "refused", Receipt(error.message, done=False))
        if error is not None:
            text = error.message if error.message.startswith(NOT_DONE) else f"{NOT_DONE} {error.message}"
            return Performed(call, "not done", Receipt(text, done=False, foreign=self._receipt.foreign))
        seen = all(self.scene.sense(one) for one in expected)
        return Performed(call, "done" if seen else "unseen", self._receipt)

    def _expected(self, call: Call) -> tuple[str, ...]:
        if self.scene.check(call):
            return ()
        return self.scene.effect(call, self.scene.facts).expected

    def has_effect(self, call: Call) -> bool:
        """Whether all that `call` leads to is there already; False where it leads to nothing that can be seen."""
        expected = self._expected(call)
        return bool(expected) and all(self.scene.sense(one) for one in expected)

    async def confirm(self, plan: Plan, calls: Sequence[Call], source: Source) -> None:
        """Show the principal, once, those of `calls` that the warden asks about."""
        if self.warden is None:
            return
        gate = self.warden.gate
        requests: dict[str, str] = {}
        lines: list[str] = []
        for call in calls:
            act = Act(call.tool, dict(call.arguments), sources=(source,))
            if gate.warden.table.decide(act).verdict is not Verdict.ASK:
                continue
            decision = await asyncio.to_thread(gate.warden.decide, act)
            if decision.allowed:  # signed before and not spent: only asked about here, so it was not performed
                await asyncio.to_thread(gate.warden.finished, decision, "failed", {"not performed": "shown only"})
            if decision.verdict is Verdict.ASK and decision.approval and decision.approval not in requests:
                requests[decision.approval] = key_of(call)
                lines.append(f"{key_of(call)}: {', '.join(self.scene.effect(call, self.scene.facts).expected)}")
        if requests:
            await asyncio.to_thread(self.warden.principal.confirm, restated(plan.digest, lines), requests)


@dataclass
class Course:
    """How a plan went: what was done, and the steps (from 1) that were not."""

    done: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    ended: Status = "done"
    why: str = ""


Drafting = Callable[[str], Awaitable[tuple[str, Source]]]
"""Writes a document: its name in, its text and the source of that out."""


def fixed(drafts: Mapping[str, str]) -> Drafting:
    """Drafts that stand already, as a planner's own words."""

    async def draft(document: str) -> tuple[str, Source]:
        return drafts.get(document, ""), Source.MODEL

    return draft


async def carry_out(
    stage: Stage,
    plan: Plan,
    source: Source,
    drafting: Drafting,
    *,
    first: int = 1,
    strict: bool = True,
    release: bool = False,
) -> Course:
    """Carry out `plan` from the step `first` on.

    Args:
        source: of every act: that of who planned it. A text that is written has its own besides.
        drafting: writes a document when its turn comes.
        strict: end at the first step that was not done; otherwise such steps are passed over.
        release: send a document only if it meets all its constraints: until then it is a draft.
    """
    course = Course()
    shown = False
    for number, step in enumerate(plan.steps, 1):
        if number < first:
            continue
        call = step.call
        sources: tuple[Source, ...] = (source,)
        if call.tool == "write" and call.arguments.get("text") == DRAFT:
            text, written_by = await drafting(call.arguments.get("document", ""))
            call, sources = Call("write", {**call.arguments, "text": text or " "}), (source, written_by)
        call = _bound(stage.scene, call)
        tool = stage.scene.tools.get(call.tool)
        if release and call.tool == "send" and not stage.scene.sense(f"meets({call.arguments.get('document')})"):
            held = Receipt(
                f"{NOT_DONE} {call.arguments.get('document')} is a draft: not all validators pass", done=False
            )
            performed = Performed(call, "not done", held)
        else:
            if tool is not None and tool.dangerous and not shown:
                shown = True
                await stage.confirm(plan, _dangerous_from(stage.scene, plan, number), source)
            performed = await stage.act(call, sources)
            if performed.status == "refused" and tool is not None and tool.dangerous and _may_sign(stage, call):
                await stage.confirm(plan, [call], source)  # its arguments were not known when the plan was shown
                performed = await stage.act(call, sources)
        if performed.status == "done":
            course.done.append(number)
            continue
        course.left.append(number)
        course.ended, course.why = performed.status, performed.receipt.text
        if strict or performed.status == "stopped":
            course.left += range(number + 1, len(plan.steps) + 1)
            break
    return course


def _may_sign(stage: Stage, call: Call) -> bool:
    """Whether the principal would sign `call`: one that was refused already is not shown again."""
    warden = stage.warden
    return warden is not None and key_of(call) in warden.principal.wanted and not warden.principal.absent


def _bound(scene: World, call: Call) -> Call:
    return bound(call, {}, scene) if isinstance(scene, Workshop) else call


def _dangerous_from(scene: World, plan: Plan, first: int) -> list[Call]:
    """The dangerous acts of the plan from the step `first` on, as far as their arguments are known by now."""
    calls = []
    for step in plan.steps[first - 1 :]:
        tool = scene.tools.get(step.tool)
        if tool is None or not tool.dangerous or scene.check(step.call):
            continue
        call = _bound(scene, step.call)
        version = call.arguments.get("version")
        known = version is None or scene.sense(f"version({call.arguments['document']}, {version})")
        if known and not scene.check(call):
            calls.append(call)
    return calls


async def resume(stage: Stage, plan: Plan, source: Source, drafting: Drafting, course: Course) -> Course:
    """Go on with a plan that a stop ended, from the first step whose effect is not there; nothing while it is stopped.

    A step that a stop overtook and whose effect is there counts as done: it is not repeated.
    """
    if stage.warden is not None:
        state = await asyncio.to_thread(stage.warden.gate.warden.state)
        if state.mode is not Mode.RUNNING:
            return Course(list(course.done), list(course.left), "stopped", f"the agent is {state.mode}")
    done = list(course.done)
    first = course.left[0] if course.left else len(plan.steps) + 1
    if course.left and stage.has_effect(_bound(stage.scene, plan.steps[first - 1].call)):
        done.append(first)
        first += 1
    rest = await carry_out(stage, plan, source, drafting, first=first)
    return Course([*done, *rest.done], rest.left, rest.ended, rest.why)
