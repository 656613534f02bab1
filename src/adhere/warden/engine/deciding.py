"""Deciding about an act: opinions first, without a lock; then the orders, under it, on the state as it stands.

Rules
- Order 1 is asked before anything else and again at the end: a stop that arrives while a reviewer is still thinking
  wins.
- Opinions (table, policies, dry run, impact, monitors, reviewers) only narrow. The first that broke is the answer.
- An approval is spent, a request opened and the decision written in the one transaction that lets the act through.
"""

from __future__ import annotations

import json
from typing import Any

from adhere.warden.acts.acts import RANK, Act, Decision, Effect, Verdict, broke
from adhere.warden.charter.quorum import Proof
from adhere.warden.engine import time_limited
from adhere.warden.engine.core import Core
from adhere.warden.engine.review import Case
from adhere.warden.ledger.ledger import Transaction
from adhere.warden.orders import approvals, orders, self_protection
from adhere.warden.orders.approvals import Level, Preview, Previewer
from adhere.warden.orders.orders import Mode, State

EFFECT = {
    Verdict.ALLOW: Effect.ALLOW,
    Verdict.TRANSFORM: Effect.ALLOW,
    Verdict.ASK: Effect.ASK,
    Verdict.DENY: Effect.DENY,
    Verdict.STOP: Effect.DENY,
}

FLIGHT = (
    "INSERT INTO act VALUES (?, ?, 'flight', ?)"
    " ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, status = excluded.status, seq = excluded.seq"
)

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
"""What the orders' reasons mean, in a line each."""


def decide(core: Core, act: Act, preview: Previewer | None) -> Decision:
    """The decision on `act`, written.

    Raises:
        Refused: the door is closed for another reason than the act (clock, charter, ledger).
    """
    _ = act.digest
    before = core.state()
    opinion, shown, count = Decision(Verdict.DENY, "stopped", act=act), "", 0
    suspicion: float | None = None
    weak = ""
    if orders.preempted(before) is None:
        weak = self_protection.weakens(act, core.charter.terms.protect, core.folder)
        opinion, shown, count = opinion_of(core, act, preview, before, weak)
        if opinion.verdict is not Verdict.DENY:
            watched, suspicion = watched_by(core, act)
            opinion = opinion if watched is None else opinion.safer(watched)
    now = core.clock()
    with core.ledger.transaction(now) as transaction:
        now = core.check_clock(transaction, now)
        state = core.current(transaction)
        core.charter.check_time(now)
        state = core.look_at_clock(transaction, state, now)
        state = suspect(core, transaction, state, suspicion)
        return settle(core, transaction, state, act, opinion, shown, count, weak)


def opinion_of(core: Core, act: Act, preview: Previewer | None, state: State, weak: str) -> tuple[Decision, str, int]:
    """What table, policies, impact and reviewers make of `act`; what to show, and how many persons confirm it."""
    terms = core.charter.terms
    opinion = core.table.decide(act)
    for policy in core.policies:
        if opinion.verdict is Verdict.DENY:
            break
        outcome = time_limited.call(policy.decide, act, seconds=terms.monitor.seconds)
        said = outcome.value
        if outcome.failed or said is None:
            said = broke("policy", f"a policy failed: {outcome.fault}", retry=outcome.timed_out)
        opinion = opinion.safer(said)
    if opinion.verdict is Verdict.DENY and not weak:
        return opinion, "", 0
    found = core.table.find(act)
    impact = found[1].impact if found else None
    dry: Preview | None = None
    if preview is not None and not weak:
        ran = time_limited.call(preview, (opinion.act or act).arguments, seconds=terms.monitor.seconds)
        dry = ran.value
        if dry is None:
            line = f"the tool's dry run failed: {ran.fault}"
            return broke("preview", line, retry=ran.timed_out).at(act=act), "", 0
        impact = approvals.worse(impact, dry.impact)
    grave = approvals.level(impact, terms.confirm) if impact else Level.MINOR
    count = approvals.needed(grave, terms.confirm)
    if opinion.verdict is Verdict.ASK and impact is None:
        count = approvals.needed(Level.MAJOR, terms.confirm)
    if count and opinion.verdict <= Verdict.TRANSFORM:
        line = f"an act of {grave.name.lower()} impact"
        opinion = opinion.safer(Decision(Verdict.ASK, "impact", line, act=act))
    if not weak:
        opinion = reviewed(core, act, state, opinion)
    count = max(1, count, core.charter.threshold("confirm"))
    role, people = ("amend", core.charter.threshold("amend")) if weak else ("confirm", count)
    needs = f"Needs: {people} of the role {role}."
    return opinion, approvals.restate(opinion.act or act, weak or opinion.text, impact, dry, needs), people


def reviewed(core: Core, act: Act, state: State, opinion: Decision) -> Decision:
    said = tuple(link.text for chain in state.chains for link in chain.in_force)
    for reviewer in core.reviewers:
        case = Case.of(act, said, opinion.evidence)
        outcome = time_limited.call(reviewer.review, case, seconds=core.charter.terms.monitor.seconds)
        review = outcome.value
        if review is None:
            line = f"the review by {reviewer.family} failed: {outcome.fault}"
            return broke("review", line, retry=outcome.timed_out).at(act=act)
        if review.agrees is not True:
            line = f"the review by {reviewer.family} disagrees: {review.reason}"
            opinion = opinion.safer(Decision(Verdict.ASK, "review", line, act=act))
    return opinion


def watched_by(core: Core, act: Act) -> tuple[Decision | None, float | None]:
    """The worst probability of the monitors; a decision where one of them broke."""
    worst: float | None = None
    for monitor in core.monitors:
        outcome = time_limited.call(monitor, act, seconds=core.charter.terms.monitor.seconds)
        value = outcome.value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            fault = outcome.fault or f"it answered {value!r:.60}, not a probability"
            return broke("monitor", f"a monitor failed: {fault}", retry=outcome.timed_out).at(act=act), worst
        worst = max(worst or 0.0, float(value))
    return None, worst


def suspect(core: Core, transaction: Transaction, state: State, suspicion: float | None) -> State:
    """Order 1 on a monitor's word, by the charter's thresholds."""
    terms = core.charter.terms.monitor
    if suspicion is None or state.mode in (Mode.STOPPING, Mode.STOPPED):
        return state
    body = {"cause": "monitor", "probability": suspicion}
    if terms.stop is not None and suspicion >= terms.stop:
        step = orders.step(state, orders.Stop(None, "monitor"))
        core.set_latch(step.state)
        return core.move(transaction, state, step.state, "stop", body)
    if terms.pause is not None and suspicion >= terms.pause and state.mode is Mode.RUNNING:
        step = orders.step(state, orders.Pause(None, "monitor"))
        return core.move(transaction, state, step.state, "pause", body)
    return state


def settle(
    core: Core, transaction: Transaction, state: State, act: Act, opinion: Decision, shown: str, count: int, weak: str
) -> Decision:
    """The decision on the state as it stands, under the lock; spends approvals, opens requests, writes."""
    name = act.id or f"#{transaction.next}"
    barred = orders.preempted(state)
    used: tuple[str, Proof] | None = None
    closed = closed_doors(core, transaction, act) if barred is None else None
    covered = covered_by(core, state, act.tool)
    asks = opinion.verdict is Verdict.ASK or covered is Effect.ASK
    role = "amend" if weak else "confirm"
    if barred is None and closed is None and (weak or (asks and not opinion.failed)):
        used = approvals.use(transaction, act, role, core.charter, state.epoch)
    effect = EFFECT[opinion.verdict]
    if used and not weak:
        effect = Effect.ALLOW if effect is Effect.ASK else effect
        covered = Effect.ALLOW if covered is Effect.ASK and open_to_confirm(core, state, act.tool) else covered
    if used and weak:
        effect = Effect.ALLOW
    if closed is not None:
        effect = Effect.DENY
    found = core.table.find(act)
    proposal = orders.Propose(
        name, effect, covered, bool(found and found[1].harmless), bool(weak), used[1] if used and weak else None
    )
    step = orders.step(state, proposal)
    verdict = step.verdict if step.verdict is not None else Verdict.DENY
    decision = worded(step.reason, verdict, closed or opinion, weak).at(act=opinion.act or act)
    if used:
        people = list(used[1].persons)
        decision = decision.at(approval=used[0], evidence={**decision.evidence, "confirmed by": people})
        if decision.allowed:
            decision = decision.at(text=f"confirmed by {', '.join(people)}")
    elif shown and not decision.failed and step.reason in ("confirm", "conflict", "weakens-control"):
        terms = core.charter.terms.confirm
        request = approvals.request(transaction, act, shown, role, count, state.epoch, terms.seconds)
        decision = decision.at(approval=request)
    if decision.allowed and opinion.verdict is Verdict.TRANSFORM:
        decision = decision.at(verdict=Verdict.TRANSFORM)
    seq = transaction.append("decision", _recorded(name, act, decision, state))
    if decision.allowed:
        transaction.db.execute(FLIGHT, (name, act.digest, seq))
    if step.state != state:
        transaction.put("state", json.dumps(orders.to_dict(step.state)))
    done = decision.act or act
    return decision.at(seq=seq, act=done if done.id else _named(done, name))


def closed_doors(core: Core, transaction: Transaction, act: Act) -> Decision | None:
    """Doors that are closed to this act here, whatever the rules say: no place, no lease, done before."""
    beat = core.heartbeat()
    if beat is None or core.home not in beat.homes:
        line = "no heartbeat names this folder on this machine: adhere warden lease --sign KEY"
        return Decision(Verdict.DENY, "no-lease", line, act=act)
    if not core.place(transaction, beat.instances):
        return Decision(
            Verdict.DENY, "no-lease", f"{beat.instances} instances may run, and as many do", act=act, retry=True
        )
    if act.id:
        row = transaction.db.execute("SELECT status, seq FROM act WHERE id = ?", (act.id,)).fetchone()
        if row and row[0] in ("done", "failed"):
            line = f"the act {act.id} is {row[0]} already (entry {row[1]})"
            return Decision(Verdict.DENY, "already-done", line, evidence={"entry": row[1]}, act=act)
    return None


def covered_by(core: Core, state: State, tool: str) -> Effect | None:
    """The safest effect of the instructions in force that are about `tool`; None where none is."""
    effects = [c.effect for c in state.chains if c.in_force and core.charter.covers(c.scope, tool)]
    return max(effects, key=RANK.__getitem__, default=None)


def open_to_confirm(core: Core, state: State, tool: str) -> bool:
    """Whether the asking is an instruction's own, not an open conflict, which a confirmation does not settle."""
    return not any(c.held and core.charter.covers(c.scope, tool) for c in state.chains)


def worded(reason: str, verdict: Verdict, opinion: Decision, weak: str) -> Decision:
    """The decision in words: the orders' where they decided, else the opinion's."""
    if reason in ("rule", "confirm") and opinion.verdict in (Verdict.DENY, Verdict.ASK):
        return opinion.at(verdict=max(verdict, opinion.verdict))
    if reason == "allowed":
        return opinion.at(verdict=verdict, failed=False, reason="allowed")
    text = TEXTS.get(reason, reason)
    if reason == "weakens-control":
        text += f": {weak}; an amend quorum may permit it"
    return Decision(verdict, reason, text, failed=opinion.failed and verdict is Verdict.DENY, evidence=opinion.evidence)


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
