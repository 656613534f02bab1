"""Held: acts and answers that wait for a person, with the caller waiting for as long as the policy allows.

Rules
- What waits is a request of the charter (`warden.confirm`): the exact act, what it changes, who confirms it and how
  many. It is in the ledger, so it outlives the connection and the gateway; whoever asks again finds it.
- An approval is signed, for this act as it was shown, once. Waiting ends with it, with a refusal, a stop, or the time.
- Anybody may confirm, by the console or the command line; the ledger is looked at `LOOK` times a second while somebody
  waits, and at once when the console took a word.
- An answer that could not be mended, or a request that a monitor asks about, is an act too: its arguments are the text
  (as far as a person reads one) and what is wrong with it, and its digest covers all of it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from adhere.warden.acts.acts import Act, Decision, Verdict
from adhere.warden.canonical import Refused, digest
from adhere.warden.engine.warden import Warden
from adhere.warden.orders import approvals
from adhere.warden.orders.orders import Mode

LOOK = 4.0
SHOWN = 8_000
"""Characters of an answer that are shown; beyond them there is the digest."""
ANSWER, ADMISSION = "deliver an answer", "let a request through"
OWN = frozenset({ANSWER, ADMISSION})
"""Names of acts that are the gateway's own; no tool has a space in its name."""


class PendingApprovals:
    """Opens requests, and waits for persons. `stopped` is the gateway's switch."""

    def __init__(self, warden: Warden, stopped: Callable[[], str | None]) -> None:
        self._warden, self._stopped = warden, stopped
        self._word = asyncio.Event()
        self.waiting = 0

    def told(self) -> None:
        """Wake waiters after a decision. From the event loop only."""
        self._word.set()
        self._word = asyncio.Event()

    async def status(self, request: str, seconds: float) -> str:
        """Wait until `request` is approved, refused, used or void, at most `seconds`; its status then."""
        deadline = time.monotonic() + seconds
        self.waiting += 1
        try:
            while True:
                word = self._word
                found = await asyncio.to_thread(approvals.find, self._warden.ledger, request)
                left = deadline - time.monotonic()
                if found.status != "open" or left <= 0 or self._stopped() is not None:
                    return found.status
                try:
                    async with asyncio.timeout(min(left, 1 / LOOK)):
                        await word.wait()
                except TimeoutError:
                    continue
        finally:
            self.waiting -= 1

    async def own(self, what: str, arguments: Mapping[str, Any], why: str, seconds: float) -> Decision:
        """Ask for one of the gateway's own acts, and wait. Only an approval is an allow.

        Raises:
            Refused: the ledger or the charter is closed.
        """
        act = Act(what, arguments, sources=("model",))
        decision = await asyncio.to_thread(self._ask, act, why)
        if decision.verdict is not Verdict.ASK or seconds <= 0:
            return decision
        if await self.status(decision.approval, seconds) == "approved":
            return await asyncio.to_thread(self._ask, act, why)
        return decision

    def _ask(self, act: Act, why: str) -> Decision:
        """Use an approval of `act`, or open (or find) the request for one; in the ledger either way."""
        warden = self._warden
        terms = warden.charter.terms.confirm
        count = max(1, warden.charter.threshold("confirm"))
        shown = approvals.restate(act, why, None, None, f"Needs: {count} of the role confirm.")
        with warden.ledger.transaction(warden.clock()) as transaction:
            state = warden.current(transaction)
            warden.charter.check_time(max(warden.clock(), transaction.seen))
            evidence: dict[str, Any] = {}
            if state.mode in (Mode.STOPPING, Mode.STOPPED):
                made = Decision(Verdict.STOP, "stopped", "a stop is in force", act=act)
            elif used := approvals.use(transaction, act, "confirm", warden.charter, state.epoch):
                people = list(used[1].persons)
                evidence = {"confirmed by": people}
                text = f"confirmed by {', '.join(people)}"
                made = Decision(Verdict.ALLOW, "confirmed", text, evidence=evidence, act=act, approval=used[0])
            else:
                request = approvals.request(transaction, act, shown, "confirm", count, state.epoch, terms.seconds)
                made = Decision(Verdict.ASK, "held", why, act=act, approval=request)
            body = {
                "act": act.tool,
                "digest": act.digest,
                "verdict": made.verdict.name.lower(),
                "reason": made.reason,
                "text": made.text,
                "request": made.approval,
                "epoch": state.epoch,
                "evidence": evidence,
            }
            return made.at(seq=transaction.append("decision", body))


def readable(text: str) -> dict[str, Any]:
    """A text as an act's argument: all of it, or its beginning with a digest of the whole."""
    if len(text) <= SHOWN:
        return {"text": text}
    return {"text": text[:SHOWN], "characters": len(text), "sha256": digest(text.encode("utf-8", "surrogatepass"))}


def arguments_of(text: str) -> dict[str, Any]:
    """The arguments of a tool call, an object with no key twice.

    Raises:
        Refused: they are something else.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a field is named twice")
        return dict(pairs)

    def constant(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    try:
        found = json.loads(text or "{}", object_pairs_hook=once, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise Refused("unreadable", f"the call's arguments cannot be read ({error})") from error
    if not isinstance(found, dict):
        raise Refused("unreadable", "the call's arguments are not one JSON object")
    return found
