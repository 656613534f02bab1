"""Running an agent under the warden, and completing a stop.

Rules
- The agent is started only in a state that allows acts at all, from a folder that the lease names, in a free place.
- While it runs, the clock is looked at four times a second and the state after every nudge; whatever stops the agent
  (a principal through any process, lease, scope timer, monitor) ends in the same few lines: kill, verify, attest,
  STOPPED.
- The admin socket carries no authority: whoever speaks to it can only make the supervisor look at the ledger sooner.
  It lives in the charter's folder, which the agent does not see; the agent's own socket takes acts and nothing else.
- A stop is complete when the attestation is in the ledger. If the supervisor is dead, whoever asks completes it: kills
  leftovers, verifies, attests.
- The charter's witnesses get a checkpoint at the start, every minute and at the end; a witness that is slow or gone
  delays no stop.
- When the agent ends by itself, acts in flight become unknown; the mode stays. Where its end cannot be verified (the
  process reaper was killed, and neither a cgroup nor a namespace vouches), the run is not ended: the ledger holds an
  alarm, and the exit status says so.
- The agent gets the variables of `PASSED` and those named to it, nothing else: keys of other services stay here. With
  another user, HOME and the like are that user's, and the socket belongs to it alone.
- Private keys of principals and sockets of daemons that would start processes for the agent are hidden from it
  (`surroundings`). A key that it could read all the same refuses the run; a door that stays open is in the attestation.
- Before the agent is there, its place is tried from inside (`self_test`); what succeeded is said and attested.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adhere.warden.canonical import Refused
from adhere.warden.charter.keys import home_of_keys
from adhere.warden.engine import high_water, time_limited, witness
from adhere.warden.engine.warden import Warden
from adhere.warden.ledger import processes
from adhere.warden.orders import orders
from adhere.warden.orders.orders import Mode
from adhere.warden.supervision import attest, surroundings
from adhere.warden.supervision.attest import Attestation
from adhere.warden.supervision.control import ADMIN, SOCKET, Server, at_path, handle_agent
from adhere.warden.supervision.self_test import attempt_escapes
from adhere.warden.supervision.supervisor import Killed, Supervisor, leftovers
from adhere.warden.supervision.surroundings import Door, FoundKeys

TICK = 0.25
"""Seconds between two looks at the clock while an agent runs."""
PUBLISH = 60.0
"""Seconds between two checkpoints for the witnesses."""
WAIT = 30.0
"""Seconds that a stop waits for a living supervisor before it says so."""
PASSED = frozenset(
    "PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TERM COLORTERM NO_COLOR TMPDIR PWD VIRTUAL_ENV PYTHONPATH "
    "PYTHONUNBUFFERED OMP_NUM_THREADS CUDA_VISIBLE_DEVICES".split()
)
"""Variables that every agent gets; names that begin with LC_ as well."""


@dataclass(frozen=True)
class Ended:
    """How a run ended: the agent's exit status (None: it was stopped), what was killed, the attestation if any."""

    status: int | None
    killed: Killed
    attestation: Attestation | None


def run(
    warden: Warden,
    command: Sequence[str],
    *,
    methods: Sequence[str] | None = None,
    user: tuple[int, int] | None = None,
    hide: bool = True,
    pass_env: Sequence[str] = (),
    network: str = "all",
    left_open: Sequence[Path] = (),
    self_test: bool = True,
    on_start: Callable[[Supervisor], None] = lambda _: None,
) -> Ended:
    """Run `command` under supervision until it ends or is stopped.

    Args:
        warden: an open warden.
        command: program and arguments.
        methods: containment to use; all that is there by default.
        user: (uid, gid) to run the agent as.
        hide: whether the charter's folder is hidden from it.
        pass_env: names of variables that it gets besides `PASSED`.
        network: none, loopback or all (see `Supervisor`).
        left_open: sockets of daemons that it may reach although they start processes for it.
        self_test: whether its place is tried from inside first.
        on_start: called once it runs.

    Raises:
        Refused: a stop is in force, the lease does not name this folder, all places are taken, it does not start, a
            variable to be passed is not set, or it could read a principal's private key.
    """
    environment = agent_environment(pass_env, user)
    _ready(warden)
    scratch = Path(tempfile.mkdtemp(prefix="adhere-"))
    os.chmod(scratch, 0o711 if user else 0o700)
    path = scratch / "warden.sock"
    environment[SOCKET] = str(path)
    keys = found_keys(warden, charter_hidden=hide)
    closed, doors = surroundings.doors(user, left_open=left_open)
    hidden = [
        *([warden.folder, high_water.home_of_marks()] if hide else []),
        *keys.paths,
        *(door.path for door in closed),
    ]
    place: dict[str, Any] = {"methods": methods, "hide": hidden, "user": user, "network": network}
    supervisor = Supervisor(command, env=environment, **place)
    try:
        if hidden and not supervisor.hides:
            refuse_readable(keys, user)
            doors = [*closed, *doors]
        reach = Reach(network, tuple(doors), keys, attempt_escapes(**place).open if self_test else (UNTRIED,))
    except BaseException:
        supervisor.abandon()
        raise
    nudge, nudged = os.pipe()
    os.set_blocking(nudged, False)
    agent = Server(path, lambda word: handle_agent(warden, word), mode=0o600)
    if user:
        os.chown(path, *user)
    admin = Server(warden.folder / ADMIN, lambda word: _admin(warden, word, nudged), mode=0o600)
    old = _on_interrupt(nudged)
    try:
        supervisor.start()
        supervisor.open += (*reach.open, *(f"{door}: starts processes outside supervision" for door in doors))
        _note(warden, supervisor, command, reach, charter_hidden=hide and supervisor.hides)
        on_start(supervisor)
        ended = _watch(warden, supervisor, nudge, old)
        time_limited.call(publish, warden, seconds=WITNESS_SECONDS)
        high_water.raise_mark(warden)
        return ended
    finally:
        supervisor.kill() if supervisor.pid else None
        for number, handler in old.items():
            signal.signal(number, handler)
        for server in (agent, admin):
            server.close()
        for handle in (nudge, nudged):
            os.close(handle)
        shutil.rmtree(scratch, ignore_errors=True)


UNTRIED = "the escape self-test was not run, so nothing is verified from inside"


@dataclass(frozen=True)
class Reach:
    """What the agent can reach outside its place: network, open doors, keys that were hidden, escapes that succeed."""

    network: str
    doors: tuple[Door, ...]
    keys: FoundKeys
    escapes: tuple[str, ...]

    @property
    def open(self) -> tuple[str, ...]:
        """What is open, doors left out, in words."""
        early = () if self.keys.complete else ("the search for private keys ended early: too many files",)
        return (*self.escapes, *early)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, for the ledger and the attestation."""
        return {
            "network": self.network,
            "doors": [str(door) for door in self.doors],
            "keys_hidden": [str(path) for path in self.keys.paths],
            "open": list(self.open),
        }


def found_keys(warden: Warden, *, charter_hidden: bool) -> FoundKeys:
    """Private keys of the charter's people where an agent would look: here, beside the charter, in the keys' home."""
    places = [Path.cwd(), warden.folder.resolve().parent, home_of_keys()]
    return surroundings.private_keys(warden.charter, places, without=[warden.folder] if charter_hidden else [])


def refuse_readable(keys: FoundKeys, user: tuple[int, int] | None) -> None:
    """Refuse a run whose agent could read a principal's key.

    Raises:
        Refused: it could.
    """
    readable = [str(path) for path in keys.paths if surroundings.readable_by(path, user)]
    if readable:
        named = ", ".join(readable[:3])
        raise Refused(
            "key-readable",
            f"the agent could read private keys of principals ({named}), and this machine cannot hide them: "
            "move them to another machine or user, or run the agent with --user NAME",
        )


def agent_environment(names: Sequence[str], user: tuple[int, int] | None) -> dict[str, str]:
    """The variables that the agent gets.

    Raises:
        Refused: one of `names` is not set.
    """
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise Refused("environment", f"--pass-env {missing[0]}: this variable is not set")
    environment = {
        name: value for name, value in os.environ.items() if name in PASSED or name.startswith("LC_") or name in names
    }
    if user is not None:
        import pwd

        try:
            entry = pwd.getpwuid(user[0])
            its_own = {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name, "SHELL": entry.pw_shell}
        except KeyError:
            its_own = {"HOME": "/"}
        environment |= {name: value for name, value in its_own.items() if name not in names}
    return environment


_interrupted = threading.Event()


def _on_interrupt(nudged: int) -> dict[int, Any]:
    """Ctrl-C and SIGTERM end the run in order, with nothing left alive."""
    _interrupted.clear()
    if threading.current_thread() is not threading.main_thread():
        return {}

    def note(*_: object) -> None:
        _interrupted.set()
        os.write(nudged, b"i")

    return {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}


def _ready(warden: Warden) -> None:
    state = warden.tick()
    if state.mode in (Mode.STOPPING, Mode.STOPPED):
        raise Refused("stopped", "a stop is in force: adhere warden resume needs the amend quorum")
    warden.charter.check_time(warden.clock())
    high_water.refuse_rollback(warden)
    record = _record(warden)
    if _elsewhere(record):
        raise Refused("running", f"an agent runs on {record['machine']}, which shares this ledger: end it there first")
    if record and processes.started(record["supervisor"]) == record["started"]:
        raise Refused("running", f"an agent runs already under process {record['supervisor']}")
    if record:
        leftovers(record)
    beat = warden.heartbeat()
    if beat is None or warden.home not in beat.homes:
        raise Refused("no-lease", "no heartbeat names this folder on this machine: adhere warden lease --sign KEY")
    with warden.ledger.transaction(warden.clock()) as transaction:
        if not warden.place(transaction, beat.instances):
            raise Refused("no-lease", f"the lease allows {beat.instances} instances, and as many run")
    warden.restarted()


WITNESS_SECONDS = 10.0
"""How long the end of a run waits for the witnesses."""


def publish(warden: Warden) -> dict[str, str]:
    """Give the witnesses a checkpoint; what they said. A ledger that was closed meanwhile is no fault."""
    try:
        return witness.publish(warden)
    except (Refused, sqlite3.Error):
        return {}


def _record(warden: Warden) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(warden.ledger.get("supervised") or "{}")
    return found


def _elsewhere(record: Mapping[str, Any]) -> bool:
    """Whether the run that is on record belongs to another machine that shares the ledger."""
    here = socket.gethostname()
    return bool(record.get("machine", here) != here)


def _note(
    warden: Warden, supervisor: Supervisor, command: Sequence[str], reach: Reach, *, charter_hidden: bool
) -> None:
    record = {
        **supervisor.record(),
        "reach": reach.to_dict(),
        "started": processes.started(os.getpid()),
        "machine": socket.gethostname(),
    }
    with warden.ledger.transaction(warden.clock()) as transaction:
        transaction.put("supervised", json.dumps(record))
        body = {"command": list(command), "methods": record["methods"], "charter hidden": charter_hidden}
        transaction.append("run", {**body, **reach.to_dict(), "run": supervisor.run_id, "pid": supervisor.pid})


def _watch(warden: Warden, supervisor: Supervisor, nudge: int, old: dict[int, Any]) -> Ended:
    published = 0.0
    while True:
        state = warden.tick()
        if warden.charter.terms.witnesses and time.monotonic() - published > PUBLISH:
            published = time.monotonic()
            threading.Thread(target=publish, args=(warden,), daemon=True, name="adhere witnesses").start()
        if state.mode is Mode.STOPPING:
            grace = 0.0 if state.cause == "principal" else warden.charter.terms.grace
            killed = supervisor.kill(grace)
            return Ended(None, killed, complete(warden, killed))
        if state.mode is Mode.STOPPED:
            killed = supervisor.kill()
            return Ended(None, killed, attest.load_last(warden))
        if _interrupted.is_set() and old:
            killed = supervisor.kill(warden.charter.terms.grace)
            _end(warden, killed, "interrupted")
            return Ended(130, killed, None)
        ready, _, _ = select.select([nudge, supervisor.fileno()], [], [], TICK)
        if nudge in ready:
            os.read(nudge, 4096)
        if supervisor.fileno() in ready and supervisor.poll() is not None:
            ended = supervisor.ended
            assert ended is not None
            if warden.state().mode is Mode.STOPPING:
                return Ended(None, ended, complete(warden, ended))
            if not ended.verified:
                _alarm(warden, ended)
                return Ended(None, ended, None)
            _end(warden, ended, "ended")
            return Ended(ended.status, ended, None)


def _end(warden: Warden, killed: Killed, how: str) -> None:
    with warden.ledger.transaction(warden.clock()) as transaction:
        transaction.append(how, {"run": how, **killed.to_dict()})
        transaction.put("supervised", "{}")
    warden.restarted()


def _alarm(warden: Warden, killed: Killed) -> None:
    """The run is over and nobody can say that nothing is left. The record of it stays, for a stop to look again."""
    with warden.ledger.transaction(warden.clock()) as transaction:
        transaction.append("alarm", {"run": "not verified", **killed.to_dict()})
    warden.restarted()


def _admin(warden: Warden, word: dict[str, Any], nudged: int) -> dict[str, Any]:
    """What the admin socket does: make the supervisor look, and say how far it is."""
    if word.get("do") == "look":
        with contextlib.suppress(BlockingIOError):
            os.write(nudged, b"n")
    return {"mode": warden.state().mode.value}


def complete(warden: Warden, killed: Killed) -> Attestation:
    """Write the end of a stop: attestation, then STOPPED, in one transaction.

    Raises:
        Refused: no stop is going on, or what was to be killed is not verified to be gone.
    """
    began = int(warden.ledger.get("epoch-began") or 0)
    requests = [entry for entry in warden.ledger.entries(began, 1) if entry.kind == "stop"]
    request = {**requests[0].body, "time": requests[0].time} if requests else {}
    first = int(warden.ledger.get("epoch-before") or 0)
    reach = _record(warden).get("reach", {})
    attestation = attest.attest(warden, killed, request, first, warden.clock(), reach=reach)
    with warden.ledger.transaction(warden.clock()) as transaction:
        state = warden.current(transaction)
        transaction.db.execute("UPDATE act SET status = 'unknown' WHERE status = 'flight'")
        if killed.methods and not killed.verified:
            transaction.append("not-empty", dict(attestation.body))
        else:
            step = orders.step(state, orders.Emptied())
            if not step.accepted:
                raise Refused(step.reason, "no stop is going on, or another process has completed it")
            warden.move(transaction, state, step.state, "stopped", {"attestation": dict(attestation.body)})
            transaction.put("supervised", "{}")
        text = json.dumps({"body": json.dumps(dict(attestation.body)), "envelope": attestation.envelope.decode()})
        transaction.put("attestation", text)
    high_water.raise_mark(warden)
    return attestation


def finish_stop(warden: Warden, seconds: float = WAIT) -> Attestation:
    """Bring a stop that is in force to its end: by the supervisor that lives, else by clearing up after a dead one.

    Raises:
        Refused: no stop is in force, or the supervisor lives and does not come to an end.
    """
    deadline = time.monotonic() + seconds
    while True:
        state = warden.state()
        if state.mode is Mode.STOPPED:
            last = attest.load_last(warden)
            if last is not None:
                return last
            raise Refused("stopped", "a stop is in force, and the ledger holds no attestation of it")
        if state.mode is not Mode.STOPPING:
            raise Refused("running", "no stop is in force")
        record = _record(warden)
        here = not _elsewhere(record)
        if not record or (here and processes.started(record["supervisor"]) != record["started"]):
            killed = leftovers(record) if record else Killed()
            try:
                return complete(warden, killed)
            except Refused as error:
                if error.reason != "not-stopping":
                    raise
                continue
        if not here or not ask(warden.folder / ADMIN, {"do": "look"}):
            time.sleep(0.02)
        if time.monotonic() > deadline:
            raise Refused("stopping", f"the supervisor, process {record['supervisor']}, has not ended the agent yet")
        time.sleep(0.002)


def ask(path: Path, word: dict[str, Any], seconds: float = 5.0) -> dict[str, Any]:
    """One word to a socket and its answer; empty where nobody listens."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(seconds)
            at_path(line.connect, path)
            line.sendall(json.dumps(word).encode() + b"\n")
            with line.makefile("rb") as file:
                answer: dict[str, Any] = json.loads(file.readline(1 << 20) or b"{}")
                return answer
    except (OSError, ValueError):
        return {}
