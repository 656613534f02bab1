"""Taking what principals say: verified, fresh, in its place, and in force in one transaction.

Rules
- A statement is verified before the lock is taken, and judged again under it: epoch, replay, place in the chain.
- A nonce is spent in the transaction that takes the statement; a statement that was refused has spent nothing.
- A stop is latched before the ledger is asked, so it holds on a full disk too, and needs neither a fresh epoch nor a
  right clock.
- Any statement or heartbeat of a principal is a sign of life, which cancels a will that was invoked.
- The refusal of a readable statement is in the ledger.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from adhere.warden.acts.acts import Effect
from adhere.warden.canonical import Refused, digest
from adhere.warden.charter.quorum import Proof
from adhere.warden.engine.core import Core, read_state
from adhere.warden.engine.deciding import TEXTS
from adhere.warden.ledger.ledger import Transaction
from adhere.warden.orders import approvals, instructions, lease, orders
from adhere.warden.orders.instructions import Verified
from adhere.warden.orders.lease import Heartbeat
from adhere.warden.orders.orders import State


@dataclass(frozen=True)
class Accepted:
    """A statement that was taken: what it did, and where the ledger has it (-1: nowhere, the disk would not)."""

    kind: str
    reason: str
    state: State
    seq: int
    detail: str = ""


def submit(core: Core, data: bytes, what: str = "the statement") -> Accepted:
    """Take a signed statement; it is in force, and on the disk, when this returns.

    Raises:
        Refused: whatever is wrong with it, in one line. The refusal of a readable statement is in the ledger.
    """
    try:
        return take(core, data, what)
    except Refused as error:
        if error.reason not in ("ledger-closed", "too-large", "unreadable"):
            note_refusal(core, data, error)
        raise


def note_refusal(core: Core, data: bytes, error: Refused) -> None:
    try:
        with core.ledger.transaction(core.clock()) as transaction:
            transaction.append("refused", {"reason": error.reason, "text": str(error), "digest": digest(data)})
    except Refused:
        pass


def take(core: Core, data: bytes, what: str) -> Accepted:
    """See `submit`; leaves no trace of a refusal."""
    now = core.clock()
    seen = float(core.ledger.get("clock") or 0)
    judged = max(now, seen)
    if core.ledger.get("charter") != core.charter.digest:
        core.reload()
    verified = instructions.verify(data, core.charter, judged, what)
    if verified.statement.kind == "stop":
        return accept_stop(core, verified, now)
    core.charter.check_time(judged)
    with core.ledger.transaction(now) as transaction:
        now = core.check_clock(transaction, now)
        state = core.look_at_clock(transaction, core.current(transaction), now)
        instructions.check_time(verified.statement, now, what)
        check_fresh(transaction, verified, state)
        sign_of_life(transaction, verified.proof)
        return accept(core, transaction, verified, state)


def check_fresh(transaction: Transaction, verified: Verified, state: State) -> None:
    statement = verified.statement
    if statement.epoch != state.epoch:
        raise Refused("epoch", f"the statement is of epoch {statement.epoch}, this is {state.epoch}: sign it again")
    if not transaction.spend(statement.nonce, statement.expires):
        raise Refused("replay", "the statement was taken before: it says so once")


def sign_of_life(transaction: Transaction, proof: Proof) -> None:
    """A principal has given a sign of life: a will that was waiting is cancelled."""
    transaction.put("sign-of-life", repr(transaction.time))
    if transaction.get("will"):
        transaction.put("will", "")
        transaction.append("will", {"cancelled by": list(proof.persons), "because": "a sign of life"})


def accept(core: Core, transaction: Transaction, verified: Verified, state: State) -> Accepted:
    statement, proof = verified.statement, verified.proof
    said = {"statement": verified.digest, "by": list(proof.persons), "envelope": verified.envelope.decode()}
    detail = ""
    if statement.kind == "instruct":
        link = orders.Link(verified.digest, Effect(statement.effect), statement.text, statement.expires, proof.persons)
        event: orders.Event = orders.Instruct(
            proof, statement.epoch, link, statement.prev, statement.seq, statement.scope
        )
    elif statement.kind == "pause":
        event = orders.Pause(proof)
    elif statement.kind == "resume":
        event = orders.Resume(proof, statement.epoch, statement.keep)
    elif statement.kind in ("approve", "refuse"):
        request, status = approvals.accept(transaction, verified, core.charter, state.epoch)
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
    core.move(transaction, state, step.state, statement.kind, {**said, "outcome": step.reason})
    return Accepted(statement.kind, step.reason, step.state, seq, detail)


def accept_stop(core: Core, verified: Verified, now: float) -> Accepted:
    """A principal's stop: latched first, then written. It holds even where the ledger cannot be written."""
    statement, proof = verified.statement, verified.proof
    state = core.state()
    if statement.epoch > state.epoch:
        raise Refused("epoch", f"the stop is of epoch {statement.epoch}, which has not come")
    if core.ledger.query("SELECT 1 FROM nonce WHERE nonce = ?", (statement.nonce,)):
        raise Refused("replay", "this stop was taken before: sign a new one")
    after = orders.step(state, orders.Stop(proof)).state
    core.set_latch(after)
    try:
        with core.ledger.transaction(now) as transaction:
            state = read_state(transaction.get("state"))
            if not transaction.spend(statement.nonce, statement.expires):
                raise Refused("replay", "this stop was taken before: sign a new one")
            sign_of_life(transaction, proof)
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
            core.move(transaction, state, step.state, "stop", body)
            return Accepted("stop", step.reason, step.state, seq)
    except Refused as error:
        if error.reason != "ledger-closed":
            raise
        return Accepted("stop", "latched", after, -1, str(error))


def beat(core: Core, data: bytes) -> Heartbeat:
    """Take a heartbeat; it is in force when this returns.

    Raises:
        Refused: see `lease.verify`.
    """
    now = core.clock()
    with core.ledger.transaction(now) as transaction:
        now = core.check_clock(transaction, now)
        state = core.current(transaction)
        last = core.heartbeat()
        beat, proof = lease.verify(data, core.charter, now, last.version if last else 0)
        transaction.put("lease", json.dumps(beat.to_dict()))
        sign_of_life(transaction, proof)
        step = orders.step(state, orders.Renew(proof))
        core.move(transaction, state, step.state, "lease", {"lease": "good", **beat.to_dict()})
        return beat
