"""`kill -9` at any moment and a full disk lose nothing and let nothing through."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from adhere.warden import Act, Verdict
from adhere.warden.ledger import verify
from adhere.warden.ledger.latch import Latch
from adhere.warden.orders.orders import STOPPEDNESS, Mode
from adhere.warden.supervision.running import complete
from adhere.warden.supervision.supervisor import Killed

KILLS = 520
SCRIPT = ("decide", "ask", "decide", "instruct", "decide", "pause?", "decide", "stop?", "decide", "decide")


def life(house, line, seed):
    """What the process does that will be killed: every acknowledgement goes over `line` after the call returned."""
    rng = random.Random(seed)

    def told(**fields):
        os.write(line, json.dumps(fields).encode() + b"\n")

    with house.open() as warden:
        first = warden.decide(Act("read_x"))
        told(seq=first.seq, kind="decision", verdict=first.verdict.name, mode=warden.state().mode.value, first=True)
        warden.restarted()
        revive(house, warden)
        told(revived=True)
        while True:
            for word in SCRIPT:
                if word in ("decide", "ask"):
                    act = Act("read_x" if word == "decide" else "send_email", {"n": rng.random()}, sources=("user",))
                    decision = warden.decide(act)
                    told(seq=decision.seq, kind="decision", verdict=decision.verdict.name)
                    if decision.allowed:
                        told(seq=warden.finished(decision), kind="outcome")
                elif word == "instruct" and warden.state().mode in (Mode.RUNNING, Mode.PAUSED):
                    told(seq=house.instruct(warden, f"task {rng.random()}", seconds=9e6).seq, kind="instruct")
                elif word.endswith("?") and rng.random() < 0.5:
                    accepted = house.say(warden, word.rstrip("?"), "board")
                    told(seq=accepted.seq, kind=word.rstrip("?"), mode=accepted.state.mode.value)


def killed_once(house, seed, lines, delay):
    """Fork a life; kill it `delay` seconds after its acknowledgement number `lines`; all its acknowledgements."""
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reads)
            life(house, writes, seed)
        finally:
            os._exit(1)
    os.close(writes)
    with os.fdopen(reads, "rb") as file:
        told = [file.readline() for _ in range(lines)]
        assert all(told), "the process died by itself"
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        told += [line for line in file.read().splitlines(keepends=True) if line.endswith(b"\n")]
    os.waitpid(pid, 0)
    return [json.loads(line) for line in told]


def revive(house, warden):
    """Bring a stopped or paused warden back, so that this life has something to do."""
    if warden.state().mode is Mode.STOPPING:
        complete(warden, Killed())
    if warden.state().mode is not Mode.RUNNING:
        house.say(warden, "resume", "owner", "deputy", keep=True)
    if not warden.state().chain("*").in_force:
        house.instruct(warden, seconds=9e6)


@pytest.fixture
def in_memory(found_at):
    """A folder whose syncs cost nothing: a killed process loses what it had not written, wherever it writes."""
    base = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=base) as folder:
        yield found_at(Path(folder) / "charter")


@pytest.mark.slow
def test_five_hundred_deaths_lose_nothing_and_let_nothing_through(in_memory, capsys):
    house, rng = in_memory, random.Random(7)
    with house.open() as warden:
        house.beat(warden, seconds=9e6)
        house.instruct(warden, seconds=9e6)
    file = house.folder / "ledger.db"
    acknowledged = stops = lagging = 0
    worst, was_stopped = 0, False
    for death in range(KILLS):
        told = killed_once(house, death, rng.randint(1, 14), rng.random() * 0.0015)
        acknowledged += len(told)
        assert STOPPEDNESS[Mode(told[0]["mode"])] >= worst, f"death {death - 1}: less stopped than it was"
        if was_stopped:
            assert told[0]["verdict"] == "STOP", f"death {death - 1}: an act after a stop hears {told[0]['verdict']}"
        with contextlib.closing(sqlite3.connect(file)) as db:
            first = min(line["seq"] for line in told if "seq" in line)
            rows = db.execute("SELECT seq, leaf FROM entry WHERE seq >= ?", (first,))
            kinds = {seq: json.loads(leaf)["kind"] for seq, leaf in rows}
            epoch = json.loads(db.execute("SELECT value FROM fact WHERE name = 'state'").fetchone()[0])["epoch"]
        for line in told:
            assert "seq" not in line or kinds.get(line["seq"]) == line["kind"], f"death {death}: {line} is lost"
        stopped_at = next((i for i, line in enumerate(told) if line.get("kind") == "stop"), None)
        if stopped_at is not None:
            stops += 1
            later = {line["verdict"] for line in told[stopped_at + 1 :] if line.get("kind") == "decision"}
            assert later <= {"STOP"}, f"death {death}: {later} after a stop"
        revived = next((i for i, line in enumerate(told) if "revived" in line), None)
        since = told[revived:] if revived is not None else []
        was_stopped = any(line.get("kind") == "stop" for line in since)
        worst = max((STOPPEDNESS[Mode(line["mode"])] for line in since if "mode" in line), default=0)
        lagging += Latch(house.folder).read() > epoch
    size, _, faults = verify.verify(file)
    assert faults == []
    with capsys.disabled():
        print(
            f"\nkill -9: {KILLS} deaths, {acknowledged:,} acknowledged events, {stops} after a stop, "
            f"{lagging} between latch and ledger, {size:,} entries verified"
        )
    assert stops > 20


def test_a_full_disk_lets_nothing_through_and_keeps_a_stop(house):
    with house.open() as warden:
        house.instruct(warden)
        assert warden.decide(Act("read_x")).allowed
        stop = house.envelope(warden, "stop", "board")
        pages = warden.ledger.query("PRAGMA page_count")[0][0]
        warden.ledger.query(f"PRAGMA max_page_count = {pages}")
        decision = warden.decide(Act("read_x", {"x": "y" * 15_000}))
        for _ in range(50):
            decision = warden.decide(Act("read_x", {"x": "y" * 15_000}))
        assert (decision.allowed, decision.failed, decision.reason) == (False, True, "ledger-closed")
        fill_up(warden)
        accepted = warden.submit(stop)
        if accepted.seq < 0:
            assert accepted.reason == "latched"
        assert warden.state().mode is Mode.STOPPING
        assert not warden.decide(Act("read_x")).allowed
    with house.open() as warden:
        assert warden.state().mode is Mode.STOPPING
        assert warden.decide(Act("read_x")).verdict is Verdict.STOP
    assert verify.verify(house.folder / "ledger.db")[2] == []


def fill_up(warden):
    """Leave not even room for a small entry."""
    for size in (4000, 1000, 100, 1):
        for _ in range(200):
            if warden.decide(Act("read_x", {"x": "y" * size})).reason == "ledger-closed":
                break


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.geteuid() != 0, reason="mounting needs root")
def test_a_really_full_disk(tmp_path, found_at):
    small = tmp_path / "small"
    small.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(small)], check=False)
    if done.returncode != 0:
        pytest.skip("this root may not mount")
    try:
        house = found_at(small / "charter")
        with house.open() as warden:
            house.instruct(warden)
            stop = house.envelope(warden, "stop", "board")
            with contextlib.suppress(OSError), open(small / "filler", "wb") as file:
                while True:
                    file.write(b"x" * 4096)
                    file.flush()
            answers = [warden.decide(Act("read_x", {"x": "y" * 9000})) for _ in range(100)]
            assert not answers[-1].allowed
            assert answers[-1].failed
            accepted = warden.submit(stop)
            assert accepted.state.mode is Mode.STOPPING
            assert accepted.reason == "latched"
        (small / "filler").unlink()
        with house.open() as warden:
            assert warden.decide(Act("read_x")).verdict is Verdict.STOP
            for answer in answers:
                if answer.allowed:
                    assert warden.ledger.entries(answer.seq, 1)[0].body["verdict"] == "allow"
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
