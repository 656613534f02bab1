"""The way of one admitted exchange: ask, watch, repair within a budget, decide, record, deliver.

Rules
- The upstream is left at once when something breaks. What comes next is `repair`'s to say and this loop's to do: it
  keeps the budget of attempts, completion tokens and seconds. Nothing else asks anybody.
- Text is delivered as `guard` lets it go; tool calls when all of them are complete and decided; the end when the
  outcome is on the record. A whole answer (nobody waits for its first word) is delivered at the end, and all of it
  may be mended.
- An upstream that breaks off has not answered: what was held back is not delivered. It is asked to go on, or again, out
  of the same budget.
- Whatever happens the exchange ends with one outcome on the record: met, flagged, refused, denied, stopped, failed, or
  left by the client.
- Where a last attempt may be delivered although it is broken ("flag", "human"), it is read to its end, and what follows
  the break is delivered at the end only, with the flag, or when a person allows it.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from adhere.gateway.answering import repair as repairs
from adhere.gateway.answering.admission import denial, stopped
from adhere.gateway.answering.calls import decide
from adhere.gateway.answering.draft import Draft, Overlap
from adhere.gateway.answering.guard import Guard
from adhere.gateway.answering.reasoning_filter import ReasoningFilter
from adhere.gateway.answering.repair import Repair
from adhere.gateway.answering.report import report
from adhere.gateway.exchange import (
    NOTHING,
    BlockDone,
    CallDelta,
    CarriedDelta,
    Dropped,
    Event,
    Finished,
    FinishReason,
    Foreseen,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    Unreadable,
    Usage,
    Used,
)
from adhere.gateway.hooks import Attempt, Checked, Exchange, ExchangeOutcome, GatewayHooks
from adhere.gateway.upstream.client import Client
from adhere.gateway.upstream.dialect import Question, UpstreamError
from adhere.gateway.wire.form import NO_THOUGHT, Answer, Failure, Thought
from adhere.warden.acts.acts import Decision, Verdict, broke, refusal

RECORD_SECONDS = 10.0
WATCH_SECONDS = 10.0


Say = Callable[[str], Awaitable[None]]
"""Delivers a piece of text; returns when the client has room for more."""
Think = Callable[[Thought], Awaitable[None]]
"""Delivers what was thought before the text."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The answer is over and on the record. Its text was said; its tool calls and its end are still to be delivered."""

    answer: Answer
    outcome: ExchangeOutcome


class Answering:
    """One exchange. Call `answer`, once."""

    def __init__(self, exchange: Exchange, client: Client, points: GatewayHooks) -> None:
        self.exchange, self.client, self.points = exchange, client, points
        self.handling = exchange.admission.handling
        self._began = time.monotonic()
        self._say: Say | None = None
        self._think: Think | None = None
        self._thought_given = False
        self._dropped: dict[str, None] = dict.fromkeys(
            (*exchange.request.dropped, *client.upstream.dialect.dropped(exchange.request))
        )
        self._delivered: list[str] = []
        self._calls: list[ToolCall] = []
        self._attempts: list[Attempt] = []
        admitted = exchange.admission.decision
        self._decisions: list[Decision] = [admitted] if admitted.reason != "open" else []
        self._beside: Decision | None = None
        self._usage = NOTHING
        self._held = 0
        self._leaked = 0
        self._checked: tuple[Checked, ...] = ()
        self._recorded = False

    # the whole way

    async def answer(self, say: Say | None, think: Think | None = None) -> Ended:
        """The whole answer. `say` is given its text as soon as that may be delivered, `think` the thoughts before it;
        None: nobody waits for it.

        Raises:
            Failure: the answer is not given, or not to its end. It is on the record.
        """
        self._say, self._think = say, think
        try:
            return await self._end(await self._best(say is not None and not self.handling.decompose))
        except Failure as failure:
            await self._record(self._outcome(_ENDINGS.get(failure.kind, "failed"), None, failure.text))
            failure.report = report(self._outcome(_ENDINGS.get(failure.kind, "failed"), None, failure.text))
            raise
        except asyncio.CancelledError:
            await asyncio.shield(self._record(self._outcome("left", None, "the client went away")))
            raise
        except Exception as error:
            await self._record(self._outcome("failed", None, f"the gateway broke: {type(error).__name__}"))
            raise
        finally:
            self._say = self._think = None  # break the reference cycle, so that both are freed immediately

    async def _best(self, live: bool) -> Draft:
        """Ask, and repair within the budget: the draft to end with."""
        request = self.exchange.request
        ask, kind = Repair("again", request), "ask"
        best: Draft | None = None
        step = 0
        while True:
            last = step >= self.handling.attempts
            through = self.handling.decompose or (last and self.handling.spent != "refuse")
            draft = Draft(Guard(self.exchange.asked, self.handling.hold if live else "all"))
            began = time.monotonic()
            await self._ask(ask, draft, live, through)
            self._judge(draft)
            self._dropped.update(draft.thoughts.dropped)
            self._attempts.append(
                Attempt(
                    kind,  # type: ignore[arg-type]  # one of the three
                    draft.usage,
                    time.monotonic() - began,
                    draft.broken,
                    draft.error.text if draft.error else draft.fault,
                )
            )
            best = self._better(best, draft)
            if best.good:
                break
            step += 1
            again = self._next(best if self.handling.decompose else draft, step)
            if again is None:
                break
            ask, kind = again, again.kind
        self._checked = best.checked
        return best

    async def _ask(self, ask: Repair, draft: Draft, live: bool, through: bool) -> None:
        """Ask once and read the answer into `draft`; with `live`, what may be delivered meanwhile is."""
        guard = draft.guard
        delivered = "".join(self._delivered)
        guard.skip(delivered)
        going_on = ask.kind == "continue" and bool(ask.prefix)
        if going_on and (piece := guard.feed(ask.prefix[len(delivered) :])) and live:
            await self._deliver(piece)
        filtered = _Filtered(None if going_on else ReasoningFilter(), Overlap("" if going_on else delivered))
        upstream = self.client.upstream
        question = Question(
            ask.request,
            ask.prefix if going_on else "",
            [asked.constraint for asked in self.exchange.asked] if upstream.constrained else (),
            stream=live,
        )
        try:
            async with aclosing(self.client.ask(question, self._left())) as events:
                async for event in events:
                    self._look_at_stop()
                    if not isinstance(event, TextDelta):
                        self._note(draft, event)
                        continue
                    draft.pieces += 1
                    if (piece := self._read(draft, filtered.feed(event.text))) and live:
                        await self._deliver(piece, draft)
                    if guard.broken and not through:
                        break
            self._look_at_stop()
            if not guard.broken or through:
                if (piece := self._read(draft, filtered.close())) and live:
                    await self._deliver(piece, draft)
                if draft.reason is None:
                    raise UpstreamError(502, "upstream_broke_off", "the upstream broke off", retry=True)
                if filtered.unfinished:
                    draft.fault = "the answer ended within its reasoning"
        except UpstreamError as error:
            draft.error = error
        except Unreadable as error:
            raise Failure(502, "unreadable_answer", str(error)) from error
        self._held = max(self._held, guard.most_held)
        if not draft.usage.output:
            # an upstream that is left does not say what it counted: a piece is a token, more or less
            draft.usage = Usage(draft.usage.input, draft.pieces)
        self._usage += draft.usage

    def _note(self, draft: Draft, event: Event) -> None:
        """What comes with the text of an answer."""
        if isinstance(event, CallDelta):
            draft.calls.add(event)
        elif isinstance(event, Used):
            draft.usage = event.usage
        elif isinstance(event, Finished):
            draft.reason = event.reason
        elif isinstance(event, Foreseen):
            line = f"a probe of the model foresaw a failure at {event.skill}"
            self._heed(Decision(Verdict.ASK, "foreseen", line, evidence={"tokens": event.tokens}))
        elif isinstance(event, ReasoningDelta | BlockDone | CarriedDelta | Dropped):
            draft.thoughts.add(event)

    async def _deliver(self, piece: str, draft: Draft | None = None) -> None:
        if draft is not None and not self._delivered and self._think is not None:
            thought = self._thought(draft)
            if thought and self.handling.reasoning == "pass":
                self._thought_given = True
                await self._think(thought)
        self._delivered.append(piece)
        if self._say is not None:
            await self._say(piece)

    def _read(self, draft: Draft, text: str) -> str:
        """Show a piece of text to the watches and the guard; what may be delivered."""
        if not text:
            return ""
        for watch in self.exchange.admission.watches:
            try:
                decision = watch.feed(text)
            except Exception as error:
                decision = broke("watch-broke", f"a watch broke: {type(error).__name__}", retry=True)
            self._heed(decision)
        if draft.guard.broken:
            draft.tail.append(text)
            return ""
        return draft.guard.feed(text)

    def _thought(self, draft: Draft) -> Thought:
        thought = draft.thoughts.handed_on(self.handling.reasoning, self.exchange.asked)
        self._dropped.update(draft.thoughts.dropped)
        return thought

    def _heed(self, decision: Decision | None) -> None:
        """What a watch says: a denial ends the answer, a doubt goes into every decision on a tool call."""
        if decision is None or decision.verdict <= Verdict.TRANSFORM:
            return
        self._decisions.append(decision)
        if decision.verdict >= Verdict.DENY:
            raise denial(decision)
        self._beside = decision if self._beside is None else self._beside.safer(decision)

    def _look_at_stop(self) -> None:
        why = stopped(self.points)
        if why is not None:
            raise Failure(403, "stopped", why)

    def _left(self) -> float:
        """Seconds that are left."""
        return self.handling.seconds - (time.monotonic() - self._began)

    # judging and repairing

    def _judge(self, draft: Draft) -> None:
        """Every constraint's check, and whether the tool calls are complete."""
        guard = draft.guard
        if draft.calls and draft.error is None and not guard.broken:
            try:
                draft.complete = draft.calls.complete(tool.name for tool in self.exchange.request.tools)
            except ValueError as error:
                draft.fault = str(error)
        finished = draft.error is None and not guard.broken and not draft.calls
        draft.checked = guard.close(finished=finished)
        self._leaked = max(self._leaked, guard.leaked())
        if guard.broken and draft.reason is not None:
            # it was read to its end after the break: the checks are those of the whole text
            draft.checked = tuple(Checked(c.asked, c.asked.constraint.check(draft.text)) for c in draft.checked)
        draft.broken = tuple([c for c in draft.checked if c.check is not None and not c.check.met])
        if self.handling.reasoning == "judge":
            draft.broken += draft.thoughts.broken(self.exchange.asked)

    def _better(self, best: Draft | None, draft: Draft) -> Draft:
        """The draft to keep: the latest, but a whole one before one that the upstream broke off; and, where constraints
        are mended one at a time, only one that undoes nothing that was met."""
        if best is None or draft.good or best.error is not None or best.fault:
            return draft
        worse = draft.error is not None or bool(draft.fault)
        if self.handling.decompose and not worse:
            lost = {c.asked for c in draft.broken} - {c.asked for c in best.broken}
            worse = bool(lost) or len(draft.broken) >= len(best.broken)
        return best if worse and best.text.startswith("".join(self._delivered)) else draft

    def _next(self, draft: Draft, step: int) -> Repair | None:
        """What to ask next, or None where the budget is spent or nothing would help."""
        handling, request = self.handling, self.exchange.request
        if step > handling.attempts or self._left() <= 0:
            return None
        if handling.tokens is not None and self._usage.output >= handling.tokens:
            return None
        delivered = "".join(self._delivered)
        upstream = self.client.upstream
        if draft.error is not None:
            if not draft.error.retry or not (draft.pieces or draft.calls):
                return None  # the client has tried again already
            if upstream.prefill and draft.guard.text:
                return Repair("continue", request, draft.guard.text)
            return None if delivered else Repair("again", request)
        broken, safe = draft.broken, draft.guard.safe()
        if draft.fault:
            return None if delivered else Repair("again", request)
        if handling.decompose:
            one = sorted(broken, key=repairs.rank)[(step - 1) % len(broken)]
            kept = [c for c in draft.checked if c.check is not None and c.check.met]
            return repairs.again(request, draft.text, "", (one,), kept)
        # what only its end breaks is mended by going on only under a mask: a model left to itself would end again
        early = draft.guard.broken
        if upstream.prefill and (early or upstream.constrained) and (step < handling.attempts or delivered):
            return repairs.go_on(request, draft.text, safe, step, len(delivered), broken)
        return repairs.again(request, draft.text, delivered, broken)

    # the end

    async def _end(self, draft: Draft) -> Ended:
        """Deliver what is held back, if it may be, once the outcome is on the record."""
        if draft.error is not None:
            raise Failure(draft.error.status, draft.error.kind, draft.error.text, after=draft.error.after)
        if draft.fault:
            raise Failure(502, "incomplete_answer", draft.fault)
        flagged = bool(draft.broken)
        if flagged:
            await self._spent(draft)
        for watch in self.exchange.admission.watches:
            try:
                async with asyncio.timeout(min(WATCH_SECONDS, max(self._left(), 0.1))):
                    decision = await watch.close()
            except TimeoutError:
                decision = broke("watch-timeout", "a watch took too long", retry=True)
            except Exception as error:
                decision = broke("watch-broke", f"a watch broke: {type(error).__name__}", retry=True)
            self._heed(decision)
        refused = []
        for complete in draft.complete:
            call, decision = await decide(self.points, self.exchange, complete, max(self._left(), 0.1), self._beside)
            self._decisions.append(decision)
            if decision.verdict is Verdict.STOP:
                raise denial(decision)
            if decision.allowed:
                self._calls.append(call)
            else:
                refused.append(f"[{call.name} was not called: {refusal(decision)}]")
        self._look_at_stop()
        whole = draft.text
        delivered = "".join(self._delivered)
        rest = whole[len(delivered) :]
        if refused:
            rest += ("\n\n" if whole else "") + "\n".join(refused)
        reason: FinishReason = draft.reason or "length"
        if draft.complete:
            reason = "tool_calls" if self._calls else "stop"
        if rest:
            self._delivered.append(rest)
        denied = bool(refused) and not self._calls
        ending = "denied" if denied else "flagged" if flagged else "met"
        text = "; ".join(f"{c.asked.described} {c.check.reason}" for c in draft.broken if c.check)
        thought = NO_THOUGHT if self._thought_given else self._thought(draft)
        outcome = self._outcome(ending, reason, text)
        if not await self._record(outcome):
            self._delivered = [delivered]
            raise Failure(503, "unrecorded", "the outcome could not be put on the record, so it is not delivered")
        if thought and self._think is not None and not delivered:
            await self._think(thought)
            thought = NO_THOUGHT
        if rest and self._say is not None:
            await self._say(rest)
        said = "".join(self._delivered)
        answer = Answer(said, tuple(self._calls), reason, self._usage, report(outcome), thought)
        return Ended(answer, outcome)

    async def _spent(self, draft: Draft) -> None:
        """The budget is spent and the answer is broken: returns where it is to be delivered with a flag.

        Raises:
            Failure: it is not.
        """
        named = "; ".join(f"{c.asked.described} ({c.check.reason})" for c in draft.broken if c.check)
        if self.handling.spent == "flag":
            return
        if self.handling.spent == "human":
            outcome = self._outcome("refused", draft.reason, named)
            try:
                async with asyncio.timeout(max(self._left(), 0.1)):
                    decision = await self.points.hand_over(self.exchange, draft.text, outcome)
            except TimeoutError:
                decision = broke("hand-over-timeout", "nobody looked at it in time")
            except Exception as error:
                decision = broke("hand-over-broke", f"it could not be handed over ({type(error).__name__})")
            self._decisions.append(decision)
            if decision.allowed:
                return
            raise Failure(422, "constraints_unmet", f"handed to a person, {refusal(decision)}: {named}")
        tries = len(self._attempts)
        raise Failure(422, "constraints_unmet", f"not met after {tries} attempt{'s' * (tries > 1)}: {named}")

    def _outcome(self, ending: str, reason: FinishReason | None, text: str) -> ExchangeOutcome:
        said = "".join(self._delivered)
        return ExchangeOutcome(
            ending=ending,  # type: ignore[arg-type]  # one of its words
            reason=reason,
            checked=self._checked,
            attempts=tuple(self._attempts),
            decisions=tuple(self._decisions),
            sha256=hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest(),
            characters=len(said),
            calls=tuple(self._calls),
            leaked=self._leaked,
            held=self._held,
            usage=self._usage,
            seconds=time.monotonic() - self._began,
            text=text,
            readings=self.exchange.readings,
            dropped=tuple(self._dropped),
        )

    async def _record(self, outcome: ExchangeOutcome) -> bool:
        """Put the outcome on the record, once; whether it is there."""
        if self._recorded:
            return True
        self._recorded = True
        try:
            async with asyncio.timeout(RECORD_SECONDS):
                await self.points.record(self.exchange, outcome)
        except Exception:
            return False
        return True


@dataclass
class _Filtered:
    """The text of an answer without what it thinks aloud, and without what was delivered already."""

    reasoning: ReasoningFilter | None
    overlap: Overlap

    def feed(self, text: str) -> str:
        return self.overlap.feed(self.reasoning.feed(text) if self.reasoning else text)

    def close(self) -> str:
        rest = self.reasoning.close() if self.reasoning else ""
        return self.overlap.feed(rest) + self.overlap.close()

    @property
    def unfinished(self) -> bool:
        return self.reasoning is not None and bool(self.reasoning.inside)


_ENDINGS = {"constraints_unmet": "refused", "denied": "denied", "stopped": "stopped"}
