"""The warden: takes what principals say, decides about acts, and keeps both in the ledger.

Rules
- Everything that changes is decided under the ledger's write lock, on the state as it stands there, and is on the
  disk before anybody is told.
- An act is allowed only by a decision that is in the ledger. What cannot be written is denied.
- Order 1 is asked before anything else and again at the end: a stop that arrives while a reviewer is still thinking
  wins.
- Every failure is a denial that says so (`Decision.failed`); none is an exception in the agent's hands.
- A stop is latched before the ledger is asked (`latch`), so it holds on a full disk too.
- A clock set back closes the door to everything but a stop.
- Several processes may open the same charter; none trusts what it remembers.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from adhere.warden.acts.acts import Act, Decision, broke
from adhere.warden.canonical import Refused
from adhere.warden.engine import deciding, statements
from adhere.warden.engine.core import Core, Monitor, Policy, read_state
from adhere.warden.engine.statements import Accepted
from adhere.warden.orders import instructions, lease, orders
from adhere.warden.orders.approvals import Previewer
from adhere.warden.orders.instructions import Statement
from adhere.warden.orders.lease import Heartbeat
from adhere.warden.orders.orders import Mode, State

__all__ = ["Accepted", "Monitor", "Policy", "Warden"]


class Warden(Core):
    """The warden of one charter folder. Open it with `Warden.open`."""

    def orders_text(self) -> str:
        """The standing orders with what is in force, for a model's system prompt."""
        return orders.render(self.state())

    def decide(self, act: Act, *, preview: Previewer | None = None) -> Decision:
        """Whether `act` may be performed, and what it needs if not yet. In the ledger before this returns.

        `preview` is the tool's own dry run. Never raises for what is wrong with the act or the warden: that is a
        denial with `failed` set.
        """
        try:
            return deciding.decide(self, act, preview)
        except Refused as error:
            return broke(error.reason, str(error), retry=error.reason == "ledger-closed").at(act=act)
        except Exception as error:
            return broke("defect", f"{type(error).__name__}: {error}"[:500]).at(act=act)

    def finished(self, decision: Decision, outcome: str = "done", evidence: dict[str, Any] | None = None) -> int:
        """Say how an allowed act went: `done`, `failed` (it changed nothing) or `unknown`; return the entry's place.

        Raises:
            Refused: no such act is in flight, or the ledger cannot be written.
        """
        if outcome not in ("done", "failed", "unknown"):
            raise Refused("outcome", f"an act is done, failed or unknown, not {outcome!r}")
        name = decision.act.id if decision.act else ""
        with self.ledger.transaction(self.clock()) as transaction:
            state = self.current(transaction)
            if outcome == "unknown":
                known = name in state.flight | state.unknown
                after = replace(state, flight=state.flight - {name}, unknown=state.unknown | {name})
            else:
                step = orders.step(state, orders.Finish(name))
                known, after = step.accepted, step.state
            if not known:
                raise Refused("outcome", f"no act {name!r} is in flight")
            transaction.db.execute("UPDATE act SET status = ? WHERE id = ?", (outcome, name))
            seq = transaction.append("outcome", {"act": name, "outcome": outcome, "evidence": evidence or {}})
            transaction.put("state", json.dumps(orders.to_dict(after)))
            return seq

    def observe(self, probability: float, evidence: dict[str, Any] | None = None) -> State:
        """A monitor's word outside any act: pause or stop where the charter's thresholds say so.

        A value that is no probability is a failed monitor and pauses.
        """
        whole = not isinstance(probability, bool) and isinstance(probability, (int, float)) and 0 <= probability <= 1
        with self.ledger.transaction(self.clock()) as transaction:
            state = self.current(transaction)
            transaction.append("monitor", {"probability": probability if whole else None, "evidence": evidence or {}})
            if not whole:
                step = orders.step(state, orders.Pause(None, "monitor"))
                if step.state != state:
                    state = self.move(transaction, state, step.state, "pause", {"cause": "monitor", "failed": True})
                return state
            return deciding.suspect(self, transaction, state, float(probability))

    def tick(self) -> State:
        """Look at the clock: lease and scope timers. Whoever keeps a warden running calls this every second or so."""
        now = self.clock()
        state = self.state()
        if state.mode in (Mode.STOPPING, Mode.STOPPED):
            return self._told(state)
        level = lease.level(self.heartbeat(), now, self.charter.terms.lease)
        out = any(link.expires <= now for c in state.chains for link in c.in_force)
        if level <= state.lease and not out:
            return state
        with self.ledger.transaction(now) as transaction:
            now = max(now, transaction.seen)
            return self.look_at_clock(transaction, self.current(transaction), now)

    def _told(self, state: State) -> State:
        """A stop that is latched here and that the ledger has not seen is written: others may share the ledger."""
        if read_state(self.ledger.get("state")).mode not in (Mode.RUNNING, Mode.PAUSED):
            return state
        with self.ledger.transaction(self.clock()) as transaction:
            return self.current(transaction)

    def restarted(self) -> State:
        """Say that whoever performed acts is gone: acts in flight are of unknown outcome from here on."""
        with self.ledger.transaction(self.clock()) as transaction:
            state = self.current(transaction)
            step = orders.step(orders.step(state, orders.Crash()).state, orders.Restart())
            if step.state == state:
                return state
            transaction.db.execute("UPDATE act SET status = 'unknown' WHERE status = 'flight'")
            return self.move(transaction, state, step.state, "restart", {"unknown": sorted(step.state.unknown)})

    def submit(self, data: bytes, what: str = "the statement") -> Accepted:
        """Take a signed statement; it is in force, and on the disk, when this returns.

        Raises:
            Refused: whatever is wrong with it, in one line. The refusal of a readable statement is in the ledger.
        """
        return statements.submit(self, data, what)

    def beat(self, data: bytes) -> Heartbeat:
        """Take a heartbeat; it is in force when this returns.

        Raises:
            Refused: see `lease.verify`.
        """
        return statements.beat(self, data)

    def draft(self, kind: instructions.Kind, *, seconds: float, **fields: Any) -> Statement:
        """A statement that fits the state as it is now: epoch, and for an instruction its place in the chain."""
        now = max(self.clock(), float(self.ledger.get("clock") or 0))
        state = self.state()
        if kind == "instruct":
            chain = state.chain(fields.get("scope", "*"))
            fields |= {"prev": chain.head, "seq": chain.seq + 1}
        return instructions.compose(
            kind,
            now=now,
            seconds=seconds,
            audience=self.charter.terms.agent,
            charter=self.charter.origin,
            epoch=state.epoch,
            **fields,
        )
