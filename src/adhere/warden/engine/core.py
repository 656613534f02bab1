"""What a warden keeps: the charter in force, the ledger, the state, the clock; read and changed in one way only.

Rules
- The state is read and written inside a transaction of the ledger, as it stands there: several processes may have the
  same charter open, and none trusts what it remembers.
- A charter that another process amended is read again; one that the ledger does not know, or knows as older, is
  refused.
- A latch above the ledger's epoch is a stop that the ledger has not seen yet, and is carried out.
- Time never runs backwards: judged by is the later of the clock and the latest entry.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from adhere.warden import canonical
from adhere.warden.acts.acts import Act, Decision, Table
from adhere.warden.canonical import Refused
from adhere.warden.charter import charter as charters
from adhere.warden.charter.charter import Charter
from adhere.warden.engine import charter_setup
from adhere.warden.engine.review import Reviewer
from adhere.warden.ledger.latch import Latch
from adhere.warden.ledger.ledger import Ledger, Transaction
from adhere.warden.orders import approvals, lease, orders
from adhere.warden.orders.lease import Heartbeat
from adhere.warden.orders.orders import Mode, State

Monitor = Callable[[Act], float]
"""A monitor: the probability, 0 to 1, that a principal would want to stop, were he watching this act."""


class Policy(Protocol):
    """A further opinion about acts, which can only narrow what the table allows."""

    def decide(self, act: Act) -> Decision:
        """What it says about `act`. May raise: that denies."""
        ...


class Core:
    """The warden of one charter folder, without its voice. Open it with `open`."""

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        *,
        clock: Callable[[], float],
        monitors: Sequence[Monitor],
        reviewers: Sequence[Reviewer],
        policies: Sequence[Policy],
        instance: str,
    ) -> None:
        self.folder, self.ledger, self.clock = folder, ledger, clock
        self.latch = Latch(folder)
        self.monitors, self.reviewers, self._policies = tuple(monitors), tuple(reviewers), tuple(policies)
        self.instance = instance
        self.home = ledger.home()
        self.reload()

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str] = "charter",
        *,
        clock: Callable[[], float] = time.time,
        monitors: Sequence[Monitor] = (),
        reviewers: Sequence[Reviewer] = (),
        policies: Sequence[Policy] = (),
        instance: str = "",
    ) -> Self:
        """The warden of the charter in `folder`.

        `instance` is this agent's name among several; by default the process is the instance. `clock` gives seconds
        since 1970.

        Raises:
            Refused: no charter, a draft, a torn or missing ledger, or one of another charter.
        """
        path = Path(folder)
        if not (path / charters.FILE).exists():
            charters.load(path)
        ledger = Ledger.of(path)
        try:
            return cls(
                path,
                ledger,
                clock=clock,
                monitors=monitors,
                reviewers=reviewers,
                policies=policies,
                instance=instance or f"process {os.getpid()}",
            )
        except BaseException:
            ledger.close()
            raise

    def close(self) -> None:
        """Give up the instance's place and close the ledger."""
        try:
            with self.ledger.transaction(self.clock()) as transaction:
                self.ledger.store.leave(transaction.db, self.instance)
        except Refused:
            pass
        self.ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def reload(self) -> None:
        """Read the charter again and check that it is the one the ledger knows, and no older.

        Raises:
            Refused: it is not.
        """
        charter = self._caught_up(charters.load(self.folder))
        origin, known = self.ledger.get("origin"), json.loads(self.ledger.get("versions") or "[0, 0]")
        if origin != charter.origin:
            raise Refused("charter", f"{self.folder}: charter and ledger are not of one founding")
        if charter.root.version < known[0] or charter.targets.version < known[1]:
            raise Refused(
                "rollback",
                f"{self.folder}: the charter is version {charter.root.version}.{charter.targets.version}, "
                f"{known[0]}.{known[1]} was in force already",
            )
        self.charter = charter
        self.table = Table(charter.terms.rules)
        self.policies: tuple[Policy, ...] = self._policies
        if charter.terms.cedar:
            from adhere.warden.engine.cedar import Cedar

            self.policies = (*self._policies, Cedar(charter.terms.cedar, charter.terms.agent))

    def _caught_up(self, charter: Charter) -> Charter:
        """`charter`, or the one that was adopted since through another machine: the shared ledger has its document.

        Raises:
            Refused: the document is not the one that was adopted, or does not follow `charter`.
        """
        known, document = self.ledger.get("charter"), self.ledger.get(charter_setup.DOCUMENT)
        if self.ledger.path is not None or known == charter.digest or document is None:
            return charter
        newer = Charter.from_bytes(document.encode(), f"the charter in {self.ledger.name}")
        newer.check_signatures()
        if newer.digest != known or newer.origin != charter.origin:
            raise Refused("charter", f"the charter in {self.ledger.name} is not the one that was adopted")
        charter_setup.follows(charter, newer)
        canonical.replace(self.folder / charters.FILE, newer.to_bytes())
        return newer

    def current(self, transaction: Transaction) -> State:
        """The state as it stands, the charter reloaded where another process amended it, the latch honoured."""
        if transaction.get("charter") != self.charter.digest:
            self.reload()
            if transaction.get("charter") != self.charter.digest:
                raise Refused("charter", f"{self.folder}: the charter's file is not the one that was adopted")
        state = read_state(transaction.get("state"))
        latched = self.latch.read()
        if latched > state.epoch and state.mode in (Mode.RUNNING, Mode.PAUSED):
            step = orders.step(state, orders.Stop(None, "recovery"))
            state = self.move(transaction, state, step.state, "stop", {"cause": "latched before the ledger had it"})
        return state

    def move(self, transaction: Transaction, old: State, new: State, kind: str, body: dict[str, Any]) -> State:
        """Write the state and the entry about it. A raised epoch voids what was open."""
        entry = {"mode": new.mode.value, "epoch": new.epoch, **body}
        if new.epoch != old.epoch:
            entry["voided"] = approvals.void(transaction, new.epoch)
            transaction.put("epoch-before", transaction.get("epoch-began") or "0")
            transaction.put("epoch-began", str(transaction.next))
        transaction.append(kind, entry)
        transaction.put("state", json.dumps(orders.to_dict(new)))
        return new

    def look_at_clock(self, transaction: Transaction, state: State, now: float) -> State:
        """What the clock says: the lease, the scope timers. Facts only tighten."""
        level = lease.level(self.heartbeat(), now, self.charter.terms.lease)
        if level > state.lease:
            step = orders.step(state, orders.Lapse(level))
            kind = "stop" if step.state.mode is not state.mode else "lease"
            if kind == "stop":
                self.set_latch(step.state)
            state = self.move(transaction, state, step.state, kind, {"cause": "lease", "lease": level.name.lower()})
        if state.mode in (Mode.RUNNING, Mode.PAUSED):
            out = [link for chain in state.chains for link in chain.in_force if link.expires <= now]
            if out:
                step = orders.step(state, orders.Stop(None, "scope-timer"))
                self.set_latch(step.state)
                body = {"cause": "scope-timer", "instruction": out[0].digest}
                state = self.move(transaction, state, step.state, "stop", body)
        return state

    def set_latch(self, state: State) -> None:
        self.latch.set(state.epoch)

    def check_clock(self, transaction: Transaction, now: float) -> float:
        """The time to judge by, never before what was seen already.

        Raises:
            Refused: the clock was set back further than the charter tolerates.
        """
        behind = transaction.seen - now
        if behind > self.charter.terms.clock_tolerance:
            raise Refused("clock", f"the clock stands {behind:.0f} s before the ledger's last entry: set it right")
        return max(now, transaction.seen)

    def place(self, transaction: Transaction, instances: int) -> bool:
        """Whether this instance has one of the places, taking a free one; places of the dead are free."""
        return self.ledger.store.place(transaction.db, self.instance, instances)

    # -- reading ----------------------------------------------------------------------------------------------

    def state(self) -> State:
        """The state as it stands on the disk, the latch honoured."""
        state = read_state(self.ledger.get("state"))
        if self.latch.read() > state.epoch and state.mode in (Mode.RUNNING, Mode.PAUSED):
            return orders.step(state, orders.Stop(None, "recovery")).state
        return state

    def heartbeat(self) -> Heartbeat | None:
        """The last heartbeat that was taken."""
        text = self.ledger.get("lease")
        return Heartbeat.from_dict(json.loads(text)) if text else None


@lru_cache(maxsize=4)
def read_state(text: str | None) -> State:
    """The state in the ledger's words; most often they are those of the time before.

    Raises:
        Refused: there is none, or it cannot be read.
    """
    try:
        return orders.from_dict(json.loads(text or ""))
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("ledger", f"the ledger holds no state that can be read ({error})") from error
