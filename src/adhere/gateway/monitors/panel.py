"""All monitors of a policy, and the order in which they are asked.

    1  authority and sources    in code, always (`authority`)
    2  classifiers              every passage below the operator; fast, so it gates
    3  judges                   `flagged`: asked where a classifier flagged, and then the request waits for them;
                                `always`: begun beside the answer, and waited for before a tool call is released
    4  a person                 whatever a threshold says to ask about is held (`holds`)

Rules
- A judge that is asked about a flagged request can add to what the classifier found; it cannot take it away.
- What a judge is still thinking about when the answer ends without a tool call is read into the record afterwards, not
  waited for: it gates side effects only.
- Before a tool call is released every judge of the route is asked about the call itself.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from adhere.constraints.degeneration import LOOP_TIMES
from adhere.core.errors import UserError
from adhere.gateway.exchange import Request, ToolCall
from adhere.gateway.hooks import Watch
from adhere.gateway.monitors import classifier, monitor
from adhere.gateway.monitors.degeneration import Loops, OffTask
from adhere.gateway.monitors.judge import Judge
from adhere.gateway.monitors.monitor import Monitor, Passage
from adhere.gateway.policy.policy import ClassifierTerms, JudgeTerms, LoopTerms, OffTaskTerms, Policy, ProbeTerms, Route
from adhere.gateway.policy.thresholds import Effect, Reading, Thresholds
from adhere.gateway.upstream.model_client import Endpoint
from adhere.warden.acts.acts import Decision
from adhere.warden.acts.sources import Source

CLASSIFIER_SECONDS = 5.0


@dataclass(frozen=True)
class Member:
    """One monitor with its thresholds."""

    monitor: Monitor
    thresholds: Thresholds
    seconds: float
    judge: bool = False
    always: bool = False


@dataclass
class Looked:
    """What the panel made of one request. `running` are judges that still think."""

    readings: list[tuple[Reading, Thresholds]] = field(default_factory=list)
    running: list[tuple[asyncio.Task[Reading], Thresholds]] = field(default_factory=list)

    @property
    def decision(self) -> Decision | None:
        """What follows from the readings so far."""
        return monitor.decision(self.readings)

    async def settled(self) -> Decision | None:
        """The decision when everybody has finished thinking."""
        for task, thresholds in self.running:
            self.readings.append((await asyncio.shield(task), thresholds))
        self.running.clear()
        return self.decision

    def drop(self) -> None:
        """Nobody waits any more."""
        for task, _ in self.running:
            task.cancel()
        self.running.clear()


class Panel:
    """The monitors of `policy`. `seen` is told of every reading and its effect. Close it at the end.

    Raises:
        UserError: a classifier's file that cannot be read, or has no such threshold.
    """

    def __init__(self, policy: Policy, seen: Callable[[Reading, Effect], None] = lambda _r, _e: None) -> None:
        self._policy, self._seen = policy, seen
        self._endpoints: list[Endpoint] = []
        self.members: dict[str, Member] = {}
        for name, terms in policy.monitors.items():
            if isinstance(terms, ClassifierTerms):
                self.members[name] = _classifier(name, terms)
            elif isinstance(terms, JudgeTerms):
                key = os.environ.get(terms.key, "") if terms.key else ""
                endpoint = Endpoint(terms.url, terms.model, key=key, seconds=terms.seconds)
                self._endpoints.append(endpoint)
                judge = Judge(name, endpoint, terms.question)
                self.members[name] = Member(
                    judge, terms.thresholds(), terms.seconds, judge=True, always=terms.when == "always"
                )

    def _of(self, route: Route, *, judge: bool) -> list[Member]:
        named = [self.members[name] for name in route.monitors if name in self.members]
        return [member for member in named if member.judge is judge]

    async def look(self, route: Route, passages: Sequence[Passage]) -> Looked:
        """Classifiers, then, of what they flag, the judges; the other judges begin."""
        looked = Looked()
        if not passages:
            return looked
        for member in self._of(route, judge=False):
            looked.readings.append((await self._read(member, passages), member.thresholds))
        flagged = looked.decision is not None
        for member in self._of(route, judge=True):
            if flagged or member.always:
                task = asyncio.create_task(self._read(member, passages))
                looked.running.append((task, member.thresholds))
        if flagged:
            await looked.settled()
        return looked

    async def look_at_call(self, route: Route, call: ToolCall, passages: Sequence[Passage]) -> Decision | None:
        """Every judge of the route about the call itself, with the last user texts beside it."""
        judges = self._of(route, judge=True)
        if not judges:
            return None
        wanted = [p for p in passages if p.source >= Source.USER][-3:]
        act = Passage(f"{call.name}({call.arguments})", Source.MODEL, "the tool call that is about to be made")
        readings = await asyncio.gather(*(self._read(member, [*wanted, act]) for member in judges))
        return monitor.decision([(r, m.thresholds) for r, m in zip(readings, judges, strict=True)])

    async def _read(self, member: Member, passages: Sequence[Passage]) -> Reading:
        reading = await monitor.watched(member.monitor, passages, member.seconds)
        self._seen(reading, member.thresholds.effect(reading))
        return reading

    def watches(self, route: Route, request: Request) -> tuple[Watch, ...]:
        """The eyes on the answer's stream."""
        found: list[Watch] = []
        for name in route.monitors:
            terms = self._policy.monitors[name]
            if isinstance(terms, LoopTerms):
                found.append(Loops())
            elif isinstance(terms, OffTaskTerms):
                found.append(OffTask(request.said_by("system", "developer", "user"), terms.words))
        return tuple(found)

    def parameters(self, route: Route, request: Request) -> dict[str, str]:
        """What is asked of the local model's server: its saved probes, where no constraint is in force."""
        if route.constraints or route.handling.read_prompt or request.constraints:
            return {}
        for name in route.monitors:
            terms = self._policy.monitors[name]
            if isinstance(terms, ProbeTerms):
                return {"monitors": terms.do}
        return {}

    def posture(self) -> list[tuple[str, str]]:
        """Every monitor in a line: name, what it does."""
        lines = []
        for name, terms in self._policy.monitors.items():
            member = self.members.get(name)
            if member is not None:
                effects = {k: v for k, v in member.thresholds.model_dump().items() if v is not None}
                words = ", ".join(f"{effect} from {value:.4g}" for effect, value in effects.items())
                lines.append((name, f"{terms.kind}: {words}; an error or time-out is not an allow"))
            elif isinstance(terms, LoopTerms):
                lines.append((name, f"an answer that repeats its end {LOOP_TIMES} times is cut off"))
            else:
                lines.append((name, f"{terms.kind}: raises a doubt, decides nothing"))
        return lines

    async def close(self) -> None:
        """Hang up."""
        for endpoint in self._endpoints:
            await endpoint.close()


def _classifier(name: str, terms: ClassifierTerms) -> Member:
    model = dataclasses.replace(classifier.load(terms.file), name=name)
    thresholds = Thresholds(ask=terms.ask, deny=terms.deny, stop=terms.stop) if terms.rate is None else None
    if thresholds is None:
        given = model.card.get("thresholds", {}).get(f"{terms.rate:g}")
        if not isinstance(given, int | float) or not 0 < given <= 1:
            raise UserError(f"monitors.{name}: the card of {terms.file} has no threshold for the rate {terms.rate:g}")
        thresholds = Thresholds(ask=float(given))
    return Member(model, thresholds, CLASSIFIER_SECONDS)
