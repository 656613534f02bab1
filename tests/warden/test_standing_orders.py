"""The standing orders, explored: every interleaving of up to six events, and the real warden against the machine."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from adhere.warden import Act, Refused
from adhere.warden.acts.acts import Effect, Verdict
from adhere.warden.charter.quorum import Proof
from adhere.warden.orders import orders
from adhere.warden.orders.orders import STOPPEDNESS, Lease, Link, Mode, State, step

DEPTH = 6
ONE, TWO = ("board",), ("deputy", "owner")
STOP = Proof("stop", ONE, 1, 1)
AMEND = Proof("amend", TWO, 2, 2)
INSTRUCT = Proof("instruct", TWO, 2, 2)
SHORT = {role: Proof(role, ONE, 1, 2) for role in ("stop", "amend", "instruct")}
WRONG = Proof("stop", TWO, 2, 1)


def link(state, word, effect=Effect.ALLOW):
    return Link(f"{word} {state.epoch}.{state.chain('*').seq}", effect, word, by=TWO)


def follow(state, by, word="task", effect=Effect.ALLOW, epoch=0):
    chain = state.chain("*")
    return orders.Instruct(by, epoch or state.epoch, link(state, word, effect), chain.head, chain.seq + 1)


def fork(state, word, effect=Effect.ALLOW):
    chain = state.chain("*")
    prev = chain.older[-1] if chain.older else "f" * 64
    return orders.Instruct(INSTRUCT, state.epoch, link(state, word, effect), prev, max(1, chain.seq))


def act(state, name, **more):
    chain = state.chain("*")
    return orders.Propose(name, covered=chain.effect if chain.in_force else None, **more)


SIGNED = {
    "stop": lambda _: orders.Stop(STOP),
    "pause": lambda _: orders.Pause(STOP),
    "instruct": lambda s: follow(s, INSTRUCT),
    "conflicting instruct": lambda s: fork(s, "rival"),
    "conflicting deny": lambda s: fork(s, "do nothing", Effect.DENY),
    "resume": lambda s: orders.Resume(AMEND, s.epoch, keep=True),
    "amend": lambda _: orders.Amend(AMEND, voids=True),
    "heartbeat": lambda _: orders.Renew(Proof("lease", ONE, 1, 1)),
}
UNSIGNED = {
    "unsigned stop": lambda _: orders.Stop(None),
    "stop by the wrong role": lambda _: orders.Stop(replace(INSTRUCT, persons=ONE)),
    "unsigned pause": lambda _: orders.Pause(None),
    "instruct by one of two": lambda s: follow(s, SHORT["instruct"]),
    "instruct by the stop role": lambda s: follow(s, WRONG),
    "instruct of another epoch": lambda s: follow(s, INSTRUCT, epoch=s.epoch + 1),
    "resume by one of two": lambda s: orders.Resume(SHORT["amend"], s.epoch),
    "resume of another epoch": lambda s: orders.Resume(AMEND, s.epoch - 1),
    "amend by the stop role": lambda _: orders.Amend(WRONG, voids=True),
    "unsigned heartbeat": lambda _: orders.Renew(None),
}
FACTS = {
    "act proposed": lambda s: act(s, "a"),
    "harmless act proposed": lambda s: act(s, "b", harmless=True),
    "weakening act proposed": lambda s: act(s, "w", weakens=True),
    "weakening act, wrong permit": lambda s: act(s, "w", weakens=True, permit=STOP),
    "act finished": lambda _: orders.Finish("a"),
    "lease low": lambda _: orders.Lapse(Lease.HARMLESS),
    "lease lapse": lambda _: orders.Lapse(Lease.OUT),
    "monitor": lambda _: orders.Pause(None, "monitor"),
    "emptied": lambda _: orders.Emptied(),
    "crash": lambda _: orders.Crash(),
    "restart": lambda _: orders.Restart(),
}
ALPHABET = {**SIGNED, **UNSIGNED, **FACTS}


def check(word, old, after, stopped):
    """What must hold of every single step; `stopped`: a stop was accepted and no resume since."""
    new = after.state
    if after.verdict is not None and after.verdict <= Verdict.TRANSFORM:
        assert not stopped, f"{word}: an act is allowed after a stop was accepted"
        assert old.mode is Mode.RUNNING, f"{word}: an act is allowed while {old.mode}"
        assert old.alive, f"{word}: an act is allowed while the warden is down"
        assert old.chain("*").in_force, f"{word}: an act is allowed without an instruction"
        assert old.chain("*").effect is Effect.ALLOW, f"{word}: an act is allowed through a conflict or a denial"
        assert "weakening" not in word, f"{word}: order 3 outweighs order 2"
        assert old.lease is not Lease.OUT
        assert old.lease is not Lease.HARMLESS or "harmless" in word
    if stopped and after.verdict is not None and old.alive:
        assert after.verdict is Verdict.STOP, f"{word}: a stop is in force and the act hears {after.verdict}"
    if word in UNSIGNED:
        assert new == old, f"{word}: changed the state"
        assert not after.accepted or old.mode in (Mode.STOPPING, Mode.STOPPED, Mode.PAUSED), word
    if word == "stop" and old.alive:
        assert after.accepted, "a principal's stop is refused"
        assert new.mode in (Mode.STOPPING, Mode.STOPPED)
    if STOPPEDNESS[new.mode] < STOPPEDNESS[old.mode]:
        assert word == "resume", f"{word}: the mode went from {old.mode} to {new.mode}"
        assert new.epoch == old.epoch + 1
        assert old.mode is not Mode.STOPPING
    assert new.epoch >= old.epoch
    if new.epoch > old.epoch:
        assert word in ("stop", "resume", "amend", "lease lapse"), word
    if new.chains != old.chains:
        assert word in ("instruct", "conflicting instruct", "conflicting deny", "resume", "amend"), word
    if new.lease < old.lease:
        assert word == "heartbeat", word
    if word == "restart":
        assert old.flight <= new.unknown
        assert not new.flight
        assert new.mode is old.mode


def test_every_interleaving_of_six_events_keeps_the_orders(capsys):
    layer = Counter({(State(), False): 1})
    seen, steps, interleavings = set(layer), 0, 1
    answers = {}
    for _ in range(DEPTH):
        following: Counter = Counter()
        for (old, stopped), ways in layer.items():
            if (old, stopped) not in answers:
                found = []
                for word, event in ALPHABET.items():
                    after = step(old, event(old))
                    steps += 1
                    check(word, old, after, stopped)
                    took = old.alive and after.accepted
                    now = (stopped or (took and after.state.mode in (Mode.STOPPING, Mode.STOPPED))) and not (
                        took and word == "resume"
                    )
                    found.append((after.state, now))
                answers[old, stopped] = found
            for target in answers[old, stopped]:
                following[target] += ways
        for state, _ in set(following) - seen:
            assert orders.from_dict(orders.to_dict(state)) == replace(state, alive=True)
        layer = following
        interleavings += sum(layer.values())
        seen |= set(layer)
    modes = Counter(state.mode for state, _ in seen)
    with capsys.disabled():
        print(
            f"\nstanding orders: {len(ALPHABET)} events, {interleavings:,} interleavings of up to {DEPTH}, "
            f"{len(seen):,} states, {steps:,} steps; {dict(sorted((m.value, n) for m, n in modes.items()))}"
        )
    assert interleavings == sum(len(ALPHABET) ** k for k in range(DEPTH + 1))
    assert all(modes[mode] for mode in Mode)


def test_two_allowing_instructions_at_once_hold_and_ask_until_settled():
    state = step(State(), follow(State(), INSTRUCT, "first")).state
    state = step(state, fork(state, "second")).state
    assert state.chain("*").held
    assert step(state, act(state, "a")).verdict is Verdict.ASK
    state = step(state, follow(state, INSTRUCT, "settled")).state
    assert step(state, act(state, "a")).verdict is Verdict.ALLOW


def test_of_two_at_once_the_safer_is_in_force():
    state = step(State(), follow(State(), INSTRUCT, "go")).state
    state = step(state, fork(state, "nothing at all", Effect.DENY)).state
    assert [k.text for k in state.chain("*").in_force] == ["nothing at all"]
    state = step(state, fork(state, "go on", Effect.ALLOW)).state
    assert step(state, act(state, "a")).verdict is Verdict.DENY


def test_the_same_words_said_twice_at_once_are_no_conflict():
    state = step(State(), follow(State(), INSTRUCT, "go")).state
    state = step(state, fork(state, "go")).state
    assert not state.chain("*").held


REAL = (
    "stop",
    "pause",
    "instruct",
    "conflicting instruct",
    "resume",
    "act proposed",
    "lease lapse",
    "heartbeat",
    "emptied",
)


def really(house, warden, word, old_heads):
    """Do `word` to a real warden, signed where it must be; True where it was taken."""
    from adhere.warden.supervision.running import complete
    from adhere.warden.supervision.supervisor import Killed

    try:
        if word in ("stop", "pause"):
            house.say(warden, word, "board")
        elif word == "resume":
            house.say(warden, "resume", "owner", "deputy", keep=True)
        elif word == "instruct":
            old_heads.append(warden.state().chain("*").head)
            house.instruct(warden, f"task {random.random()}")
        elif word == "conflicting instruct":
            statement = warden.draft("instruct", seconds=99, text=f"rival {random.random()}")
            prev = warden.state().chain("*").older
            statement = statement.model_copy(update={"prev": prev[-1] if prev else "f" * 64})
            warden.submit(house.seal(warden.charter, statement, "owner", "deputy"))
        elif word == "act proposed":
            return warden.decide(Act("read_x")).verdict
        elif word == "lease lapse":
            with warden.ledger.transaction(house.clock()) as transaction:
                state = warden.current(transaction)
                after = step(state, orders.Lapse(Lease.OUT)).state
                warden.move(transaction, state, after, "lease", {})
        elif word == "heartbeat":
            house.beat(warden)
        elif word == "emptied":
            complete(warden, Killed())
        return True
    except Refused:
        return False


@pytest.mark.parametrize("seed", range(12))
def test_the_real_warden_goes_where_the_machine_goes(founder, seed):
    random.seed(seed)
    house = founder(name=f"charter{seed}")
    model = State()
    warden = house.open()
    for _ in range(14):
        word = random.choice(REAL)
        heads: list[str] = []
        took = really(house, warden, word, heads)
        after = step(model, ALPHABET[word](model))
        if word == "act proposed":
            assert took is after.verdict, word
            model = replace(after.state, flight=frozenset())
        else:
            assert took is after.accepted or after.reason in ("no-better-without-a-heartbeat",), (word, after.reason)
            model = after.state
        real = warden.state()
        assert (real.mode, real.epoch, real.lease) == (model.mode, model.epoch, model.lease), word
        assert real.chain("*").held == model.chain("*").held
        assert len(real.chain("*").in_force) == len(model.chain("*").in_force)
        if random.random() < 0.3:
            warden.close()
            warden = house.open()
    warden.close()


def test_the_orders_are_rendered_with_what_is_in_force(house):
    with house.open() as warden:
        assert "none is in force" in warden.orders_text()
        house.instruct(warden, "Summarise the inbox")
        text = warden.orders_text()
        assert "Summarise the inbox" in text
        assert text.index("says stop") < text.index("Stay open") < text.index("Summarise")
