"""The warden against its targets, and each part against the bare thing it is built on, in the same run.

Targets (wall time on a quiet machine): 2-of-3 verification with parsing <= 0.3 ms; a decision from the table <= 50
microseconds; ledger append >= 3,000/s with full sync one at a time; verify 100,000 entries < 5 s; stop, from the
signed request to verified empty, p99 <= 50 ms with 50 processes; import < 0.3 s.

Printed beside each: processor time, which a busy machine does not stretch, and the machine's load.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROUNDS = 7
STOPS = int(os.environ.get("ADHERE_BENCH_STOPS", "60"))
PROCESSES = 50
ENTRIES = 100_000


def main() -> None:
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n")
    with tempfile.TemporaryDirectory() as folder:
        house = _House(Path(folder))
        _verification(house)
        _decision(house)
        _append(Path(folder))
        _verify(Path(folder))
        _import()
        _stop(Path(folder))


def _line(what: str, wall: float, cpu: float, target: float, unit: str, *, more_is_better: bool = False) -> None:
    met = wall >= target if more_is_better else wall <= target
    sign = ">=" if more_is_better else "<="
    print(f"{what:<46} {wall:>10,.3f} {unit}  (cpu {cpu:,.3f})  target {sign} {target:g}: {'met' if met else 'MISSED'}")


def _times(work: Callable[[], Any], repeat: int) -> tuple[float, float]:
    """Median seconds for one call: wall, processor."""
    walls, cpus = [], []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(repeat):
            work()
        walls.append((time.perf_counter() - wall) / repeat)
        cpus.append((time.process_time() - cpu) / repeat)
    return statistics.median(walls), statistics.median(cpus)


class _House:
    """A charter of three, founded through the library."""

    def __init__(self, folder: Path, *, rules: list[dict[str, Any]] | None = None, name: str = "charter") -> None:
        from securesystemslib.signer import CryptoSigner

        from adhere.warden.charter import charter as charters
        from adhere.warden.charter.charter import Grant, Principal
        from adhere.warden.charter.terms import parse_terms
        from adhere.warden.engine import charter_setup
        from adhere.warden.engine.warden import Warden

        self.folder = folder / name
        self.keys = [CryptoSigner.generate_ed25519() for _ in range(3)]
        people = [Principal(f"person {n}", key.public_key) for n, key in enumerate(self.keys)]
        names = tuple(person.name for person in people)
        quorums = {"amend": 2, "instruct": 2, "stop": 1, "confirm": 1}
        roles = [Grant(role, count, names) for role, count in quorums.items()]
        fields: dict[str, Any] = {"warden": charter_setup.new_warden_key(self.folder)}
        if rules:
            fields["rules"] = rules
        terms = parse_terms(fields, "bench")
        charter_setup.propose(self.folder, charters.draft(people, roles, terms, charter_setup.expiry(time.time(), 9e6)))
        charter_setup.sign(self.folder, self.keys)
        self.warden = Warden.open(self.folder)
        beat = charter_setup.sign_heartbeat(
            self.folder, self.warden.charter, self.keys[0], version=1, now=time.time(), seconds=9e6, instances=9
        )
        self.warden.beat(beat)

    def say(self, kind: Any, count: int, **fields: Any) -> bytes:
        """A statement signed by the first `count` people."""
        from adhere.warden.orders import instructions

        envelope = instructions.seal(self.warden.draft(kind, seconds=9e5, **fields))
        instructions.sign(envelope, self.warden.charter, self.keys[:count])
        return instructions.to_bytes(envelope)


def _verification(house: _House) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from securesystemslib.dsse import Envelope

    from adhere.warden.orders import instructions

    charter, now = house.warden.charter, time.time()
    data = house.say("instruct", 2, text="Summarise the inbox")
    keys = [key.public_key for key in house.keys]
    wall, cpu = _times(lambda: instructions.verify(data, charter, now), 200)
    bare, _ = _times(lambda: Envelope.from_dict(json.loads(data)).verify(keys, 2), 200)
    _line("2-of-3 verification with parsing", wall * 1e3, cpu * 1e3, 0.3, "ms")
    print(f"{'':<46} {wall / bare:>10.2f} x a bare DSSE envelope (no persons, role, time, audience)")
    key = Ed25519PrivateKey.generate()
    public, signature = key.public_key(), key.sign(data)
    raw, _ = _times(lambda: public.verify(signature, data), 200)
    print(f"{'':<46} {2e3 * raw:>10.3f} ms of it are two bare Ed25519 verifications on this machine now\n")


def _decision(house: _House) -> None:
    from adhere.warden.acts.acts import Act, Table, rules_from

    rows: list[dict[str, Any]] = [
        {"tools": [f"tool_{n}"], "then": "allow", "where": {"to": "*@example.org"}} for n in range(20)
    ]
    table = Table(rules_from(json.dumps([*rows, {"tools": ["*"], "then": "ask"}]), "bench"))
    act = Act("tool_15", {"to": "a@example.org", "body": "x" * 200}, sources=("user",))
    wall, cpu = _times(lambda: table.decide(act), 2000)
    _line("a decision from the table (21 rules)", wall * 1e6, cpu * 1e6, 50, "us")
    with contextlib.suppress(ImportError):
        import cedarpy

        policies = "permit(principal, action, resource);"
        request = {"principal": 'A::"a"', "action": 'B::"b"', "resource": 'C::"c"', "context": {}}
        peer, _ = _times(lambda: cedarpy.is_authorized(request, policies, []), 200)
        print(f"{'':<46} {peer / wall:>10.2f} x faster than one Cedar policy, parsed each time\n")
    house.warden.submit(house.say("instruct", 2, text="go"))
    read = Act("read_inbox", {})
    wall, cpu = _times(lambda: house.warden.finished(house.warden.decide(read)), 50)
    print(f"{'decide and finish, both synced to the disk':<46} {wall * 1e3:>10.3f} ms  (cpu {cpu * 1e3:.3f})\n")


def _append(folder: Path) -> None:
    from adhere.warden.ledger.ledger import Ledger

    ledger = Ledger(folder / "append.db", create=True)
    body = {"tool": "send_email", "arguments": {"to": "a@example.org"}, "text": "x" * 200}
    handle = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT)
    page = b"x" * 4096

    def bare() -> None:
        os.write(handle, page)
        os.fdatasync(handle)

    wall, cpu = _times(lambda: ledger.append("decision", body, 1.0), 300)
    peer, _ = _times(bare, 300)
    os.close(handle)
    ledger.close()
    _line("ledger append, full sync, one at a time", 1 / wall, 1 / cpu, 3000, "/s", more_is_better=True)
    print(f"{'':<46} {wall / peer:>10.2f} x the time of a bare 4 KiB write and fdatasync ({1 / peer:,.0f}/s)\n")


def _verify(folder: Path) -> None:
    from adhere.warden.ledger import verify
    from adhere.warden.ledger.ledger import Ledger

    ledger = Ledger(folder / "long.db", create=True)
    body = {"tool": "send_email", "arguments": {"to": "a@example.org"}, "text": "x" * 200}
    with ledger.transaction(1.0) as transaction:
        for _ in range(ENTRIES):
            transaction.append("decision", body)
    ledger.close()
    wall, cpu = time.perf_counter(), time.process_time()
    size, _, faults = verify.verify(folder / "long.db")
    assert (size, faults) == (ENTRIES, [])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    _line(f"verify {ENTRIES:,} entries", wall, cpu, 5, "s ")
    print()


def _import() -> None:
    def run(program: str) -> tuple[float, float]:
        walls, cpus = [], []
        for _ in range(ROUNDS):
            wall, before = time.perf_counter(), os.times()
            subprocess.run([sys.executable, "-c", program], check=True)
            after = os.times()
            walls.append(time.perf_counter() - wall)
            cpus.append(after.children_user + after.children_system - before.children_user - before.children_system)
        return statistics.median(walls), statistics.median(cpus)

    nothing = run("pass")
    for what in ("adhere.warden", "adhere.warden.engine.warden"):
        wall, cpu = run(f"import {what}")
        _line(f"import {what}, less Python's own start", wall - nothing[0], cpu - nothing[1], 0.3, "s ")
    peer, _ = run("import tuf.api.metadata")
    print(f"{'':<46} (tuf's metadata alone: {peer - nothing[0]:.3f} s)\n")


@contextlib.contextmanager
def _crowd(methods: tuple[str, ...] | None) -> Iterator[Any]:
    """Fifty processes under supervision, each detached from the others."""
    from adhere.warden.supervision.supervisor import Supervisor

    script = f"for i in $(seq {PROCESSES - 1}); do setsid sleep 1000 & done; wait"
    with Supervisor(["sh", "-c", script], methods=methods) as run:
        while len(run.processes()) < PROCESSES:
            time.sleep(0.005)
        yield run


def _stop(folder: Path) -> None:
    from adhere.warden.supervision import running, supervisor

    there = supervisor.available()
    ways: list[tuple[str, tuple[str, ...] | None]] = [("everything there is", None)]
    ways += [(name, (name,)) for name in ("cgroup", "pid namespace", "subreaper") if there[name]]
    for name, methods in ways:
        house = _House(folder, name=f"stop {name}")
        spans, kills = [], []
        for _ in range(STOPS if methods is None else max(10, STOPS // 6)):
            with _crowd(methods) as run:
                data = house.say("stop", 1)
                began = time.perf_counter()
                house.warden.submit(data)
                killed = run.kill()
                assert killed.verified
                spans.append((time.perf_counter() - began) * 1e3)
                kills.append(killed.milliseconds)
                running.complete(house.warden, killed)
            house.warden.submit(house.say("resume", 2))
        spans.sort()
        p99 = spans[min(len(spans) - 1, round(0.99 * (len(spans) - 1)))]
        what = f"stop of {PROCESSES} processes, {name}"
        median = statistics.median(spans)
        _line(f"{what}: p99 of {len(spans)}", p99, statistics.median(kills), 50, "ms")
        print(f"{'':<46} {median:>10.3f} ms median; of it {statistics.median(kills):.3f} ms killing and verifying")
    survivors = _killpg()
    print(f"{'peer: SIGKILL to the process group':<46} {survivors:>10} of {PROCESSES} processes survive it")


def _killpg() -> int:
    """How many of the same crowd outlive a killed process group."""
    from adhere.warden.supervision.supervisor import MARK, leftovers, marked

    script = f"for i in $(seq {PROCESSES - 1}); do setsid sleep 1000 & done; wait"
    mark = "b" * 16
    process = subprocess.Popen(["sh", "-c", script], start_new_session=True, env={**os.environ, MARK: mark})
    while len(marked(mark)) < PROCESSES:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.2)
    alive = len(marked(mark))
    leftovers({"run": mark})
    return alive


if __name__ == "__main__":
    main()
