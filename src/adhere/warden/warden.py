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
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from adhere.warden import bounded, confirm, instructions, lease, orders, protect
from adhere.warden import charter as charters
from adhere.warden.acts import RANK, Act, Decision, Effect, Table, Verdict, broke
from adhere.warden.canonical import Refused, digest
from adhere.warden.confirm import Level, Preview, Previewer
from adhere.warden.instructions import Statement, Verified
from adhere.warden.latch import Latch
from adhere.warden.lease import Heartbeat
from adhere.warden.ledger import FILE as LEDGER
from adhere.warden.ledger import Ledger, Transaction
from adhere.warden.orders import Lease, Mode, State
from adhere.warden.quorum import Proof
from adhere.warden.review import Case, Reviewer

Monitor = Callable[[Act], float]
"""A monitor: the probability, 0 to 1, that a principal would want to stop, were he watching this act."""


class Policy(Protocol):
    """A further opinion about acts, which can only narrow what the table allows."""

    def decide(self, act: Act) -> Decision:
        """What it says about `act`. May raise: that denies."""
        ...


@dataclass(frozen=True)
class Accepted:
    """A statement that was taken: what it did, and where the ledger has it (-1: nowhere, the disk would not)."""

    kind: str
    reason: str
    state: State
    seq: int
    detail: str = ""


class Warden:
    """The warden of one charter folder. Open it with `Warden.open`."""

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
        self.home = lease.home(folder)
        self._load()

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
    ) -> Warden:
        """The warden of the charter in `folder`.

        `instance` is this agent's name among several; by default the process is the instance. `clock` gives seconds
        since 1970.

        Raises:
            Refused: no charter, a draft, a torn or missing ledger, or one of another charter.
        """
        path = Path(folder)
        if not (path / charters.FILE).exists():
            charters.load(path)
        ledger = Ledger(path / LEDGER)
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
                transaction.db.execute("DELETE FROM instance WHERE id = ? AND pid = ?", (self.instance, os.getpid()))
        except Refused:
            pass
        self.ledger.close()

    def __enter__(self) -> Warden:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    # -- the charter in force -----------------------------------------------------------------------------------

    def _load(self) -> None:
        """Read the charter again and check that it is the one the ledger knows, and no older.

        Raises:
            Refused: it is not.
        """
        charter = charters.load(self.folder)
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
            from adhere.warden.cedar import Cedar

            self.policies = (*self._policies, Cedar(charter.terms.cedar, charter.terms.agent))

    def current(self, transaction: Transaction) -> State:
        """The state as it stands, the charter reloaded where another process amended it, the latch honoured."""
        if transaction.get("charter") != self.charter.digest:
            self._load()
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
            entry["voided"] = confirm.void(transaction, new.epoch)
            transaction.put("epoch-before", transaction.get("epoch-began") or "0")
            transaction.put("epoch-began", str(transaction.next))
        transaction.append(kind, entry)
        transaction.put("state", json.dumps(orders.to_dict(new)))
        return new

    def _tick(self, transaction: Transaction, state: State, now: float) -> State:
        """What the clock says: the lease, the scope timers. Facts only tighten."""
        level = lease.level(self.heartbeat(), now, self.charter.terms.lease)
        if level > state.lease:
            step = orders.step(state, orders.Lapse(level))
            kind = "stop" if step.state.mode is not state.mode else "lease"
            if kind == "stop":
                self._latch(step.state)
            state = self.move(transaction, state, step.state, kind, {"cause": "lease", "lease": level.name.lower()})
        if state.mode in (Mode.RUNNING, Mode.PAUSED):
            out = [link for chain in state.chains for link in chain.in_force if link.expires <= now]
            if out:
                step = orders.step(state, orders.Stop(None, "scope-timer"))
                self._latch(step.state)
                body = {"cause": "scope-timer", "instruction": out[0].digest}
                state = self.move(transaction, state, step.state, "stop", body)
        return state

    def _latch(self, state: State) -> None:
        self.latch.set(state.epoch)

    def _check_clock(self, transaction: Transaction, now: float) -> float:
        """The time to judge by, never before what was seen already.

        Raises:
            Refused: the clock was set back further than the charter tolerates.
        """
        behind = transaction.seen - now
        if behind > self.charter.terms.clock_tolerance:
            raise Refused("clock", f"the clock stands {behind:.0f} s before the ledger's last entry: set it right")
        return max(now, transaction.seen)

    # -- reading ------------------------------------------------------------------------------------------------

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

    def orders_text(self) -> str:
        """The standing orders with what is in force, for a model's system prompt."""
        return orders.render(self.state())

    # -- acts ---------------------------------------------------------------------------------------------------

    def decide(self, act: Act, *, preview: Previewer | None = None) -> Decision:
        """Whether `act` may be performed, and what it needs if not yet. In the ledger before this returns.

        `preview` is the tool's own dry run. Never raises for what is wrong with the act or the warden: that is a
        denial with `failed` set.
        """
        try:
            return self._decide(act, preview)
        except Refused as error:
            return broke(error.reason, str(error), retry=error.reason == "ledger-closed").at(act=act)
        except Exception as error:
            return broke("defect", f"{type(error).__name__}: {error}"[:500]).at(act=act)

    def _decide(self, act: Act, preview: Previewer | None) -> Decision:
        _ = act.digest
        before = self.state()
        opinion, shown, count = Decision(Verdict.DENY, "stopped", act=act), "", 0
        suspicion: float | None = None
        weak = ""
        if orders.preempted(before) is None:
            weak = protect.weakens(act, self.charter.terms.protect, self.folder)
            opinion, shown, count = self._opinion(act, preview, before, weak)
            if opinion.verdict is not Verdict.DENY:
                watched, suspicion = self._watch(act)
                opinion = opinion if watched is None else opinion.safer(watched)
        now = self.clock()
        with self.ledger.transaction(now) as transaction:
            now = self._check_clock(transaction, now)
            state = self.current(transaction)
            self.charter.check_time(now)
            state = self._tick(transaction, state, now)
            state = self._suspect(transaction, state, suspicion)
            return self._settle(transaction, state, act, opinion, shown, count, weak)

    def _opinion(self, act: Act, preview: Previewer | None, state: State, weak: str) -> tuple[Decision, str, int]:
        """What table, policies, impact and reviewers make of `act`; what to show, and how many persons confirm it."""
        terms = self.charter.terms
        opinion = self.table.decide(act)
        for policy in self.policies:
            if opinion.verdict is Verdict.DENY:
                break
            outcome = bounded.call(policy.decide, act, seconds=terms.monitor.seconds)
            said = outcome.value
            if outcome.failed or said is None:
                said = broke("policy", f"a policy failed: {outcome.fault}", retry=outcome.timed_out)
            opinion = opinion.safer(said)
        if opinion.verdict is Verdict.DENY and not weak:
            return opinion, "", 0
        found = self.table.find(act)
        impact = found[1].impact if found else None
        dry: Preview | None = None
        if preview is not None and not weak:
            ran = bounded.call(preview, (opinion.act or act).arguments, seconds=terms.monitor.seconds)
            dry = ran.value
            if dry is None:
                line = f"the tool's dry run failed: {ran.fault}"
                return broke("preview", line, retry=ran.timed_out).at(act=act), "", 0
            impact = confirm.worse(impact, dry.impact)
        grave = confirm.level(impact, terms.confirm) if impact else Level.MINOR
        count = confirm.needed(grave, terms.confirm)
        if opinion.verdict is Verdict.ASK and impact is None:
            count = confirm.needed(Level.MAJOR, terms.confirm)
        if count and opinion.verdict <= Verdict.TRANSFORM:
            line = f"an act of {grave.name.lower()} impact"
            opinion = opinion.safer(Decision(Verdict.ASK, "impact", line, act=act))
        if not weak:
            opinion = self._reviewed(act, state, opinion)
        count = max(1, count, self.charter.threshold("confirm"))
        role, people = ("amend", self.charter.threshold("amend")) if weak else ("confirm", count)
        needs = f"Needs: {people} of the role {role}."
        return opinion, confirm.restate(opinion.act or act, weak or opinion.text, impact, dry, needs), people

    def _reviewed(self, act: Act, state: State, opinion: Decision) -> Decision:
        said = tuple(link.text for chain in state.chains for link in chain.in_force)
        for reviewer in self.reviewers:
            case = Case.of(act, said, opinion.evidence)
            outcome = bounded.call(reviewer.review, case, seconds=self.charter.terms.monitor.seconds)
            review = outcome.value
            if review is None:
                line = f"the review by {reviewer.family} failed: {outcome.fault}"
                return broke("review", line, retry=outcome.timed_out).at(act=act)
            if review.agrees is not True:
                line = f"the review by {reviewer.family} disagrees: {review.reason}"
                opinion = opinion.safer(Decision(Verdict.ASK, "review", line, act=act))
        return opinion

    def _watch(self, act: Act) -> tuple[Decision | None, float | None]:
        """The worst probability of the monitors; a decision where one of them broke."""
        worst: float | None = None
        for monitor in self.monitors:
            outcome = bounded.call(monitor, act, seconds=self.charter.terms.monitor.seconds)
            value = outcome.value
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                fault = outcome.fault or f"it answered {value!r:.60}, not a probability"
                return broke("monitor", f"a monitor failed: {fault}", retry=outcome.timed_out).at(act=act), worst
            worst = max(worst or 0.0, float(value))
        return None, worst

    def _suspect(self, transaction: Transaction, state: State, suspicion: float | None) -> State:
        """Order 1 on a monitor's word, by the charter's thresholds."""
        terms = self.charter.terms.monitor
        if suspicion is None or state.mode in (Mode.STOPPING, Mode.STOPPED):
            return state
        body = {"cause": "monitor", "probability": suspicion}
        if terms.stop is not None and suspicion >= terms.stop:
            step = orders.step(state, orders.Stop(None, "monitor"))
            self._latch(step.state)
            return self.move(transaction, state, step.state, "stop", body)
        if terms.pause is not None and suspicion >= terms.pause and state.mode is Mode.RUNNING:
            step = orders.step(state, orders.Pause(None, "monitor"))
            return self.move(transaction, state, step.state, "pause", body)
        return state

    def _settle(
        self, transaction: Transaction, state: State, act: Act, opinion: Decision, shown: str, count: int, weak: str
    ) -> Decision:
        """The decision on the state as it stands, under the lock; spends approvals, opens requests, writes."""
        name = act.id or f"#{transaction.next}"
        barred = orders.preempted(state)
        used: tuple[str, Proof] | None = None
        closed = self._closed(transaction, act) if barred is None else None
        covered = self._covered(state, act.tool)
        asks = opinion.verdict is Verdict.ASK or covered is Effect.ASK
        role = "amend" if weak else "confirm"
        if barred is None and closed is None and (weak or (asks and not opinion.failed)):
            used = confirm.use(transaction, act, role, self.charter, state.epoch)
        effect = EFFECT[opinion.verdict]
        if used and not weak:
            effect = Effect.ALLOW if effect is Effect.ASK else effect
            covered = Effect.ALLOW if covered is Effect.ASK and self._open_to_confirm(state, act.tool) else covered
        if used and weak:
            effect = Effect.ALLOW
        if closed is not None:
            effect = Effect.DENY
        found = self.table.find(act)
        proposal = orders.Propose(
            name, effect, covered, bool(found and found[1].harmless), bool(weak), used[1] if used and weak else None
        )
        step = orders.step(state, proposal)
        verdict = step.verdict if step.verdict is not None else Verdict.DENY
        decision = self._worded(step.reason, verdict, closed or opinion, weak).at(act=opinion.act or act)
        if used:
            decision = decision.at(
                approval=used[0], evidence={**decision.evidence, "confirmed by": list(used[1].persons)}
            )
        elif shown and not decision.failed and step.reason in ("confirm", "conflict", "weakens-control"):
            terms = self.charter.terms.confirm
            request = confirm.request(transaction, act, shown, role, count, state.epoch, terms.seconds)
            decision = decision.at(approval=request)
        if decision.allowed and opinion.verdict is Verdict.TRANSFORM:
            decision = decision.at(verdict=Verdict.TRANSFORM)
        seq = transaction.append("decision", _recorded(name, act, decision, state))
        if decision.allowed:
            transaction.db.execute("INSERT OR REPLACE INTO act VALUES (?, ?, 'flight', ?)", (name, act.digest, seq))
        if step.state != state:
            transaction.put("state", json.dumps(orders.to_dict(step.state)))
        done = decision.act or act
        return decision.at(seq=seq, act=done if done.id else _named(done, name))

    def _closed(self, transaction: Transaction, act: Act) -> Decision | None:
        """Doors that are closed to this act here, whatever the rules say: no place, no lease, done before."""
        beat = self.heartbeat()
        if beat is None or self.home not in beat.homes:
            line = "no heartbeat names this folder on this machine: adhere warden lease --sign KEY"
            return Decision(Verdict.DENY, "no-lease", line, act=act)
        if not self.place(transaction, beat.instances):
            return Decision(
                Verdict.DENY, "no-lease", f"{beat.instances} instances may run, and as many do", act=act, retry=True
            )
        if act.id:
            row = transaction.db.execute("SELECT status, seq FROM act WHERE id = ?", (act.id,)).fetchone()
            if row and row[0] in ("done", "failed"):
                line = f"the act {act.id} is {row[0]} already (entry {row[1]})"
                return Decision(Verdict.DENY, "already-done", line, evidence={"entry": row[1]}, act=act)
        return None

    def place(self, transaction: Transaction, instances: int) -> bool:
        """Whether this instance has one of the places, taking a free one; places of the dead are free."""
        rows = transaction.db.execute("SELECT id, pid, started FROM instance").fetchall()
        alive = set()
        for name, pid, began in rows:
            if lease.started(pid) == began:
                alive.add(name)
            else:
                transaction.db.execute("DELETE FROM instance WHERE id = ?", (name,))
        if self.instance in alive:
            return True
        if len(alive) >= instances:
            return False
        transaction.db.execute(
            "INSERT INTO instance VALUES (?, ?, ?, '')", (self.instance, os.getpid(), lease.started(os.getpid()))
        )
        return True

    def _covered(self, state: State, tool: str) -> Effect | None:
        """The safest effect of the instructions in force that are about `tool`; None where none is."""
        effects = [c.effect for c in state.chains if c.in_force and self.charter.covers(c.scope, tool)]
        return max(effects, key=RANK.__getitem__, default=None)

    def _open_to_confirm(self, state: State, tool: str) -> bool:
        """Whether the asking is an instruction's own, not an open conflict, which a confirmation does not settle."""
        return not any(c.held and self.charter.covers(c.scope, tool) for c in state.chains)

    def _worded(self, reason: str, verdict: Verdict, opinion: Decision, weak: str) -> Decision:
        """The decision in words: the orders' where they decided, else the opinion's."""
        if reason in ("rule", "confirm") and opinion.verdict in (Verdict.DENY, Verdict.ASK):
            return opinion.at(verdict=max(verdict, opinion.verdict))
        if reason == "allowed":
            return opinion.at(verdict=verdict, failed=False, reason="allowed")
        text = TEXTS.get(reason, reason)
        if reason == "weakens-control":
            text += f": {weak}; an amend quorum may permit it"
        return Decision(
            verdict, reason, text, failed=opinion.failed and verdict is Verdict.DENY, evidence=opinion.evidence
        )

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
            return self._suspect(transaction, state, float(probability))

    def tick(self) -> State:
        """Look at the clock: lease and scope timers. Whoever keeps a warden running calls this every second or so."""
        now = self.clock()
        state = self.state()
        if state.mode in (Mode.STOPPING, Mode.STOPPED):
            return state
        level = lease.level(self.heartbeat(), now, self.charter.terms.lease)
        out = any(link.expires <= now for c in state.chains for link in c.in_force)
        if level <= state.lease and not out:
            return state
        with self.ledger.transaction(now) as transaction:
            now = max(now, transaction.seen)
            return self._tick(transaction, self.current(transaction), now)

    def restarted(self) -> State:
        """Say that whoever performed acts is gone: acts in flight are of unknown outcome from here on."""
        with self.ledger.transaction(self.clock()) as transaction:
            state = self.current(transaction)
            step = orders.step(orders.step(state, orders.Crash()).state, orders.Restart())
            if step.state == state:
                return state
            transaction.db.execute("UPDATE act SET status = 'unknown' WHERE status = 'flight'")
            return self.move(transaction, state, step.state, "restart", {"unknown": sorted(step.state.unknown)})

    # -- statements ---------------------------------------------------------------------------------------------

    def submit(self, data: bytes, what: str = "the statement") -> Accepted:
        """Take a signed statement; it is in force, and on the disk, when this returns.

        Raises:
            Refused: whatever is wrong with it, in one line. The refusal of a readable statement is in the ledger.
        """
        try:
            return self._submit(data, what)
        except Refused as error:
            if error.reason not in ("ledger-closed", "too-large", "unreadable"):
                self._note_refusal(data, error)
            raise

    def _note_refusal(self, data: bytes, error: Refused) -> None:
        try:
            with self.ledger.transaction(self.clock()) as transaction:
                transaction.append("refused", {"reason": error.reason, "text": str(error), "digest": digest(data)})
        except Refused:
            pass

    def _submit(self, data: bytes, what: str) -> Accepted:
        now = self.clock()
        seen = float(self.ledger.get("clock") or 0)
        judged = max(now, seen)
        if self.ledger.get("charter") != self.charter.digest:
            self._load()
        verified = instructions.verify(data, self.charter, judged, what)
        if verified.statement.kind == "stop":
            return self._accept_stop(verified, now)
        self.charter.check_time(judged)
        with self.ledger.transaction(now) as transaction:
            now = self._check_clock(transaction, now)
            state = self._tick(transaction, self.current(transaction), now)
            instructions.check_time(verified.statement, now, what)
            self._fresh(transaction, verified, state)
            self._alive(transaction, verified.proof)
            return self._accept(transaction, verified, state)

    def _fresh(self, transaction: Transaction, verified: Verified, state: State) -> None:
        statement = verified.statement
        if statement.epoch != state.epoch:
            raise Refused("epoch", f"the statement is of epoch {statement.epoch}, this is {state.epoch}: sign it again")
        if not transaction.spend(statement.nonce, statement.expires):
            raise Refused("replay", "the statement was taken before: it says so once")

    def _alive(self, transaction: Transaction, proof: Proof) -> None:
        """A principal has given a sign of life: a will that was waiting is cancelled."""
        transaction.put("sign-of-life", repr(transaction.time))
        if transaction.get("will"):
            transaction.put("will", "")
            transaction.append("will", {"cancelled by": list(proof.persons), "because": "a sign of life"})

    def _accept(self, transaction: Transaction, verified: Verified, state: State) -> Accepted:
        statement, proof = verified.statement, verified.proof
        said = {"statement": verified.digest, "by": list(proof.persons), "envelope": verified.envelope.decode()}
        detail = ""
        if statement.kind == "instruct":
            link = orders.Link(
                verified.digest, Effect(statement.effect), statement.text, statement.expires, proof.persons
            )
            event: orders.Event = orders.Instruct(
                proof, statement.epoch, link, statement.prev, statement.seq, statement.scope
            )
        elif statement.kind == "pause":
            event = orders.Pause(proof)
        elif statement.kind == "resume":
            event = orders.Resume(proof, statement.epoch, statement.keep)
        elif statement.kind in ("approve", "refuse"):
            request, status = confirm.accept(transaction, verified, self.charter, state.epoch)
            seq = transaction.append(statement.kind, {**said, "request": request, "status": status})
            return Accepted(statement.kind, status, state, seq, request)
        else:
            seq = transaction.append("cancel", said)
            return Accepted("cancel", "cancelled", state, seq)
        step = orders.step(state, event)
        if not step.accepted:
            raise Refused(step.reason, f"{statement.kind}: {TEXTS.get(step.reason, step.reason)}")
        if statement.kind == "instruct":
            said |= {"scope": statement.scope, "text": statement.text, "effect": statement.effect}
            detail = verified.digest
        seq = transaction.next
        self.move(transaction, state, step.state, statement.kind, {**said, "outcome": step.reason})
        return Accepted(statement.kind, step.reason, step.state, seq, detail)

    def _accept_stop(self, verified: Verified, now: float) -> Accepted:
        """A principal's stop: latched first, then written. It holds even where the ledger cannot be written."""
        statement, proof = verified.statement, verified.proof
        state = self.state()
        if statement.epoch > state.epoch:
            raise Refused("epoch", f"the stop is of epoch {statement.epoch}, which has not come")
        if self.ledger.query("SELECT 1 FROM nonce WHERE nonce = ?", (statement.nonce,)):
            raise Refused("replay", "this stop was taken before: sign a new one")
        after = orders.step(state, orders.Stop(proof)).state
        self._latch(after)
        try:
            with self.ledger.transaction(now) as transaction:
                state = read_state(transaction.get("state"))
                if not transaction.spend(statement.nonce, statement.expires):
                    raise Refused("replay", "this stop was taken before: sign a new one")
                self._alive(transaction, proof)
                step = orders.step(state, orders.Stop(proof))
                body = {
                    "cause": "principal",
                    "by": list(proof.persons),
                    "text": statement.text,
                    "statement": verified.digest,
                    "envelope": verified.envelope.decode(),
                    "outcome": step.reason,
                }
                seq = transaction.next
                self.move(transaction, state, step.state, "stop", body)
                return Accepted("stop", step.reason, step.state, seq)
        except Refused as error:
            if error.reason != "ledger-closed":
                raise
            return Accepted("stop", "latched", after, -1, str(error))

    def beat(self, data: bytes) -> Heartbeat:
        """Take a heartbeat; it is in force when this returns.

        Raises:
            Refused: see `lease.verify`.
        """
        now = self.clock()
        with self.ledger.transaction(now) as transaction:
            now = self._check_clock(transaction, now)
            state = self.current(transaction)
            last = self.heartbeat()
            beat, proof = lease.verify(data, self.charter, now, last.version if last else 0)
            transaction.put("lease", json.dumps(beat.to_dict()))
            self._alive(transaction, proof)
            step = orders.step(state, orders.Renew(proof))
            self.move(transaction, state, step.state, "lease", {"lease": "good", **beat.to_dict()})
            return beat

    # -- what to sign -------------------------------------------------------------------------------------------

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


EFFECT = {
    Verdict.ALLOW: Effect.ALLOW,
    Verdict.TRANSFORM: Effect.ALLOW,
    Verdict.ASK: Effect.ASK,
    Verdict.DENY: Effect.DENY,
    Verdict.STOP: Effect.DENY,
}

TEXTS = {
    "stopped": "a stop is in force",
    "paused": "paused: an amend quorum may resume",
    "down": "the warden is down",
    "lease": "the lease has run low: a principal's heartbeat renews it",
    "no-instruction": "no instruction in force is about this tool",
    "instruction": "the instruction in force forbids it",
    "conflict": "the instruction in force asks, or two of them conflict",
    "in-flight": "this very act is being performed already",
    "outcome-unknown": "a crash overtook this very act: its outcome is unknown, so it is not repeated",
    "weakens-control": "it would weaken the principals' means of control",
    "no-quorum": "the quorum is missing",
    "epoch": "it was signed in another epoch: sign it again",
    "still-stopping": "the stop is still going on: adhere warden stop shows how far it is",
    "running": "the agent is running already",
    "out-of-sequence": "its sequence number does not follow the head of the chain",
    "unknown-previous": "it follows an instruction that nobody knows here",
    "rule": "a rule denies it",
}


def read_state(text: str | None) -> State:
    """The state in the ledger's words.

    Raises:
        Refused: there is none, or it cannot be read.
    """
    try:
        return orders.from_dict(json.loads(text or ""))
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("ledger", f"the ledger holds no state that can be read ({error})") from error


def _named(act: Act, name: str) -> Act:
    return Act(act.tool, act.arguments, act.because, act.sources, name)


def _recorded(name: str, act: Act, decision: Decision, state: State) -> dict[str, Any]:
    """What the ledger keeps of a decision."""
    arguments: Any = dict(act.arguments)
    if len(json.dumps(arguments)) > 20_000:
        arguments = {"too long to keep": act.digest}
    body: dict[str, Any] = {
        "act": name,
        "tool": act.tool,
        "arguments": arguments,
        "digest": act.digest,
        "because": act.because[:2000],
        "source": act.lowest.name.lower(),
        "verdict": decision.verdict.name.lower(),
        "reason": decision.reason,
        "text": decision.text,
        "epoch": state.epoch,
        "evidence": dict(decision.evidence),
    }
    if decision.failed:
        body["failed"] = True
    if decision.approval:
        body["request"] = decision.approval
    if decision.verdict is Verdict.TRANSFORM and decision.act is not None:
        body["performed"] = dict(decision.act.arguments)
    return body


def nonce() -> str:
    """128 random bits, hexadecimal."""
    return secrets.token_hex(16)


__all__ = ["Accepted", "Lease", "Monitor", "Policy", "Warden"]
