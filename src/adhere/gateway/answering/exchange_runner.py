"""Runs one admitted exchange: ask, watch, repair within a budget, decide, record, deliver.

Rules
- `attempt_reader` asks the upstream once, `repair.next_repair` says what to ask next, this loop keeps the budget of
  attempts, completion tokens and seconds.
- Text is delivered as `guard` releases it; tool calls when all of them are complete and decided; the end when the
  outcome is on the record. An answer that is not streamed is delivered at the end, so that all of it may be repaired.
- An upstream that breaks off has not answered: what was held back is not delivered. It is asked to go on, or again, out
  of the same budget.
- Whatever happens, the exchange ends with one outcome on the record: met, flagged, refused, denied, stopped, failed, or
  left by the client.
- Where a last attempt may be delivered although it violates a constraint ("flag", "human"), it is read to its end, and
  what follows the violation is delivered at the end only: with the flag, or when a person allows it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from adhere.gateway.answering import repair as repairs
from adhere.gateway.answering.admission import denial
from adhere.gateway.answering.attempt_reader import AttemptReader, look_at_stop
from adhere.gateway.answering.calls import decide
from adhere.gateway.answering.draft import Draft
from adhere.gateway.answering.guard import Guard
from adhere.gateway.answering.output import Output, Say, Think
from adhere.gateway.answering.repair import Repair
from adhere.gateway.answering.report import report
from adhere.gateway.answering.transcript import Transcript
from adhere.gateway.answering.watching import Watching
from adhere.gateway.exchange import FinishReason
from adhere.gateway.hooks import Attempt, AttemptKind, Checked, Ending, Exchange, ExchangeOutcome, GatewayHooks
from adhere.gateway.upstream.client import Client
from adhere.gateway.wire.form import Answer, Failure
from adhere.warden.acts.acts import Verdict, broke, refusal

RECORD_SECONDS = 10.0
SHORTEST_SECONDS = 0.1
"""What a decision at the end gets where the exchange's time is over."""
_ENDINGS: dict[str, Ending] = {"constraints_unmet": "refused", "denied": "denied", "stopped": "stopped"}
"""How an exchange that failed ended, by the failure's kind; all others failed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The answer is over and on the record. Its text was delivered; its tool calls and its end are still to be."""

    answer: Answer
    outcome: ExchangeOutcome


class ExchangeRunner:
    """Runs one exchange. Call `run`, once."""

    def __init__(self, exchange: Exchange, client: Client, hooks: GatewayHooks) -> None:
        self.exchange, self.client, self.hooks = exchange, client, hooks
        self.handling = exchange.admission.handling
        self._transcript = Transcript(exchange)
        self._transcript.drop((*exchange.request.dropped, *client.upstream.dialect.dropped(exchange.request)))
        admitted = exchange.admission.decision
        if admitted.reason != "open":
            self._transcript.decisions.append(admitted)
        self._watching = Watching(exchange.admission.watches, self._transcript.decisions)
        self._recorded = False
        self._task: asyncio.Task[object] | None = None
        self._shutting_down = False

    def shut_down(self) -> None:
        """End the exchange now: its client is told that the gateway ends."""
        self._shutting_down = True
        if self._task is not None:
            self._task.cancel()

    async def run(self, say: Say | None, think: Think | None = None) -> Ended:
        """The whole answer. `say` is given its text as soon as that may be delivered, `think` the reasoning before it;
        None: the client waits for the whole.

        Raises:
            Failure: the answer is not given, or not to its end. It is on the record.
        """
        output = Output(self._transcript, say, think)
        self._task = asyncio.current_task()
        try:
            try:
                draft = await self._best(output, live=say is not None and not self.handling.decompose)
                return await self._end(draft, output)
            except asyncio.CancelledError:
                if not self._shutting_down or self._task is None:
                    raise
                self._task.uncancel()
                raise Failure(503, "shutting_down", "the gateway is shutting down", after=1.0) from None
        except Failure as failure:
            outcome = self._transcript.outcome(_ENDINGS.get(failure.kind, "failed"), None, failure.text)
            await self._record(outcome)
            failure.report = report(outcome)
            raise
        except asyncio.CancelledError:
            left = self._transcript.outcome("left", None, "the client went away")
            await asyncio.shield(self._record(left))
            raise
        except Exception as error:
            text = f"the gateway broke: {type(error).__name__}"
            await self._record(self._transcript.outcome("failed", None, text))
            raise
        finally:
            self._task = None
            output.close()

    # asking, judging, repairing

    async def _best(self, output: Output, *, live: bool) -> Draft:
        """Ask, and repair within the budget: the draft to end with."""
        reader = AttemptReader(self.client, self.hooks, self._transcript, self._watching, output)
        repair, kind = Repair("again", self.exchange.request), "ask"
        best: Draft | None = None
        step = 0
        while True:
            last = step >= self.handling.attempts
            through = self.handling.decompose or (last and self.handling.spent != "refuse")
            draft = Draft(Guard(self.exchange.asked, self.handling.hold if live else "all"))
            began = time.monotonic()
            await reader.read(repair, draft, live=live, through=through)
            self._judge(draft)
            self._note(draft, kind, time.monotonic() - began)  # type: ignore[arg-type]  # one of the three
            best = self._better(best, draft)
            if best.good:
                break
            step += 1
            following = self._next(best if self.handling.decompose else draft, step)
            if following is None:
                break
            repair, kind = following, following.kind
        self._transcript.checked = best.checked
        return best

    def _note(self, draft: Draft, kind: AttemptKind, seconds: float) -> None:
        self._transcript.drop(draft.thoughts.dropped)
        error = draft.error.text if draft.error else draft.fault
        self._transcript.attempts.append(Attempt(kind, draft.usage, seconds, draft.broken, error))

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
        self._transcript.leaked = max(self._transcript.leaked, guard.leaked())
        if guard.broken and draft.reason is not None:
            # it was read to its end after the break: the checks are those of the whole text
            draft.checked = tuple(Checked(c.asked, c.asked.constraint.check(draft.text)) for c in draft.checked)
        draft.broken = tuple([c for c in draft.checked if c.check is not None and not c.check.met])
        if self.handling.reasoning == "judge":
            draft.broken += draft.thoughts.broken(self.exchange.asked)

    def _better(self, best: Draft | None, draft: Draft) -> Draft:
        """The draft to keep: the latest, but a whole one before one that the upstream broke off; and, where constraints
        are repaired one at a time, only one that undoes nothing that was met."""
        if best is None or draft.good or best.error is not None or best.fault:
            return draft
        worse = draft.error is not None or bool(draft.fault)
        if self.handling.decompose and not worse:
            lost = {c.asked for c in draft.broken} - {c.asked for c in best.broken}
            worse = bool(lost) or len(draft.broken) >= len(best.broken)
        return best if worse and best.text.startswith(self._transcript.delivered) else draft

    def _next(self, draft: Draft, step: int) -> Repair | None:
        """What to ask next, or None where the budget is spent or nothing would help."""
        handling, transcript = self.handling, self._transcript
        spent = handling.tokens is not None and transcript.usage.output >= handling.tokens
        if step > handling.attempts or transcript.seconds_left <= 0 or spent:
            return None
        return repairs.next_repair(
            draft, self.exchange.request, handling, self.client.upstream, step, transcript.delivered
        )

    # the end

    async def _end(self, draft: Draft, output: Output) -> Ended:
        """Deliver what is held back, if it may be, once the outcome is on the record."""
        if draft.error is not None:
            raise Failure(draft.error.status, draft.error.kind, draft.error.text, after=draft.error.after)
        if draft.fault:
            raise Failure(502, "incomplete_answer", draft.fault)
        if draft.broken:
            await self._budget_spent(draft)
        await self._watching.close(self._time_to_decide())
        refused = await self._decide_calls(draft)
        look_at_stop(self.hooks)

        delivered = self._transcript.delivered
        rest = draft.text[len(delivered) :]
        if refused:
            rest += ("\n\n" if draft.text else "") + "\n".join(refused)
        if rest:
            self._transcript.deliver(rest)
        reason: FinishReason = draft.reason or "length"
        if draft.complete:
            reason = "tool_calls" if self._transcript.calls else "stop"
        denied = bool(refused) and not self._transcript.calls
        ending: Ending = "denied" if denied else "flagged" if draft.broken else "met"
        why = "; ".join(f"{c.asked.described} {c.check.reason}" for c in draft.broken if c.check)
        thought = output.thought_to_come(draft)
        outcome = self._transcript.outcome(ending, reason, why)
        if not await self._record(outcome):
            self._transcript.pieces = [delivered]
            raise Failure(503, "unrecorded", "the outcome could not be put on the record, so it is not delivered")
        thought = await output.last(rest, thought, first=not delivered)
        calls = tuple(self._transcript.calls)
        answer = Answer(self._transcript.delivered, calls, reason, self._transcript.usage, report(outcome), thought)
        return Ended(answer, outcome)

    async def _decide_calls(self, draft: Draft) -> list[str]:
        """Decide every tool call; for each that is refused, a line in its place.

        Raises:
            Failure: a decision is a stop.
        """
        refused = []
        for complete in draft.complete:
            seconds, doubt = self._time_to_decide(), self._watching.doubt
            call, decision = await decide(self.hooks, self.exchange, complete, seconds, doubt)
            self._transcript.decisions.append(decision)
            if decision.verdict is Verdict.STOP:
                raise denial(decision)
            if decision.allowed:
                self._transcript.calls.append(call)
            else:
                refused.append(f"[{call.name} was not called: {refusal(decision)}]")
        return refused

    async def _budget_spent(self, draft: Draft) -> None:
        """The repair budget is spent and the answer violates a constraint: returns where it is delivered with a flag.

        Raises:
            Failure: it is not delivered.
        """
        named = "; ".join(f"{c.asked.described} ({c.check.reason})" for c in draft.broken if c.check)
        if self.handling.spent == "flag":
            return
        if self.handling.spent == "human":
            outcome = self._transcript.outcome("refused", draft.reason, named)
            try:
                async with asyncio.timeout(self._time_to_decide()):
                    decision = await self.hooks.hand_over(self.exchange, draft.text, outcome)
            except TimeoutError:
                decision = broke("hand-over-timeout", "no person decided in time")
            except Exception as error:
                decision = broke("hand-over-broke", f"it could not be handed over ({type(error).__name__})")
            self._transcript.decisions.append(decision)
            if decision.allowed:
                return
            raise Failure(422, "constraints_unmet", f"handed to a person, {refusal(decision)}: {named}")
        tries = len(self._transcript.attempts)
        raise Failure(422, "constraints_unmet", f"not met after {tries} attempt{'s' * (tries > 1)}: {named}")

    def _time_to_decide(self) -> float:
        return max(self._transcript.seconds_left, SHORTEST_SECONDS)

    async def _record(self, outcome: ExchangeOutcome) -> bool:
        """Put the outcome on the record, once; whether it is there."""
        if self._recorded:
            return True
        self._recorded = True
        try:
            async with asyncio.timeout(RECORD_SECONDS):
                await self.hooks.record(self.exchange, outcome)
        except Exception:
            return False
        return True
