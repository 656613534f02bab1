"""A stop that has happened: nothing survives it, whoever dies on the way, and it is attested how that is known."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from adhere.warden import Refused
from adhere.warden.integrations.client import Client
from adhere.warden.orders.orders import Mode
from adhere.warden.supervision import attest, running, supervisor
from adhere.warden.supervision.supervisor import Supervisor, marked

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="process containment of Linux")
HERE = supervisor.available()
STUBBORN = """
import asyncio, os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
def for_ever():
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
for _ in range(3):
    if os.fork() == 0:
        for_ever()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for_ever()
        for_ever()
    os._exit(0)
async def swallow():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
print("up", flush=True)
asyncio.run(swallow())
"""
SURVIVORS = 6


def needs(*methods):
    missing = [method for method in methods if not HERE[method]]
    return pytest.mark.skipif(bool(missing), reason=f"this machine gives this user no {', '.join(missing)}")


def until(condition, seconds=20.0):
    """Wait for what another process does; a machine under load takes its time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


@pytest.fixture
def stubborn(tmp_path):
    path = tmp_path / "stubborn.py"
    path.write_text(STUBBORN)
    return [sys.executable, "-I", "-S", str(path)]


def names(run):
    return len(marked(run.run_id))


CONTAINMENTS = [
    pytest.param(None, id="everything there is"),
    pytest.param(("cgroup",), id="cgroup", marks=needs("cgroup")),
    pytest.param(("pid namespace",), id="pid namespace", marks=needs("pid namespace")),
    pytest.param(("subreaper",), id="subreaper"),
]


@pytest.mark.parametrize("methods", CONTAINMENTS)
def test_24_25_an_agent_that_forks_detaches_and_swallows_every_signal_leaves_no_survivor(stubborn, methods):
    with Supervisor(stubborn, methods=methods) as run:
        until(lambda: names(run) >= SURVIVORS)
        killed = run.kill(grace=0.05)
    assert killed.verified, killed
    assert len(killed.processes) >= SURVIVORS
    assert killed.weaker == (methods == ("subreaper",))
    assert marked(run.run_id) == []


def test_what_an_agent_leaves_behind_when_it_ends_is_ended_too():
    with Supervisor(["sh", "-c", "setsid sleep 1000 & sleep 0.1; exit 7"]) as run:
        until(lambda: run.poll(0.1) is not None)
    assert run.ended.status == 7
    assert run.ended.verified
    assert marked(run.run_id) == []


@pytest.mark.parametrize("methods", CONTAINMENTS)
def test_the_keepers_death_is_the_agents(stubborn, methods):
    with Supervisor(stubborn, methods=methods) as run:
        until(lambda: names(run) >= SURVIVORS)
        os.kill(run._keeper.pid, signal.SIGKILL)
        until(lambda: run.poll(0.1) is not None)
    assert marked(run.run_id) == []
    bounded = {"cgroup", "pid namespace"} & set(run.contained)
    assert run.ended.verified == bool(bounded)
    assert run.ended.weaker == (not bounded)


def test_the_supervisors_death_is_the_agents(tmp_path, stubborn):
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, time\nfrom adhere.warden.supervision.supervisor import Supervisor\n"
        f"run = Supervisor({stubborn!r})\nrun.start()\nprint(run.run_id, flush=True)\ntime.sleep(100)\n"
    )
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as process:
        run_id = ""
        while len(run_id) != 16:
            run_id = process.stdout.readline().strip()
        until(lambda: len(marked(run_id)) >= SURVIVORS)
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
    until(lambda: marked(run_id) == [])


def test_a_command_that_does_not_exist_is_one_line():
    with pytest.raises(Refused, match="cannot start no-such-agent"):
        Supervisor(["no-such-agent"]).start()


@pytest.mark.skipif(not HERE["pid namespace"], reason="no namespaces for this user")
def test_the_charter_is_hidden_from_the_agent(tmp_path):
    secret = tmp_path / "charter"
    secret.mkdir()
    (secret / "warden.key").write_text("secret")
    seen = tmp_path / "seen"
    run = Supervisor(["sh", "-c", f"ls {secret} > {seen} 2>&1; cat {secret}/warden.key >> {seen} 2>&1"], hide=[secret])
    with run:
        until(lambda: run.poll(0.1) is not None)
    assert run.hides
    assert "secret" not in seen.read_text().replace("warden.key", "")
    assert (secret / "warden.key").read_text() == "secret"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root")
def test_the_agent_may_run_as_another_user():
    with Supervisor(["sh", "-c", 'test "$(id -u)" = 65534'], user=(65534, 65534)) as run:
        until(lambda: run.poll(0.1) is not None)
    assert run.ended.status == 0


def running_house(house, command, **options):
    """Start `command` under the warden in a thread; (thread, box of the end)."""
    box = {}

    def work():
        with house.open(instance="run") as warden:
            try:
                box["ended"] = running.run(warden, command, on_start=lambda s: box.update(run=s), **options)
            except BaseException as error:
                box["error"] = error

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    until(lambda: "run" in box or "error" in box)
    if "error" in box:
        raise box["error"]
    return thread, box


def test_a_stop_kills_verifies_and_attests(house, stubborn):
    with house.open() as warden:
        house.instruct(warden)
        thread, box = running_house(house, stubborn)
        until(lambda: names(box["run"]) >= SURVIVORS)
        house.say(warden, "stop", "board", text="enough")
        attestation = running.finish_stop(warden)
        thread.join(20)
        assert marked(box["run"].run_id) == []
        assert warden.state().mode is Mode.STOPPED
        body = attestation.body
        assert (body["verified_empty"], body["by"], body["text"], body["epoch"]) == (True, ["board"], "enough", 2)
        assert len(body["processes"]) >= SURVIVORS
        assert attest.verify(attestation.envelope, warden.charter.terms.warden).body == dict(body)
        with pytest.raises(Refused):
            attest.verify(attestation.envelope.replace(b"e", b"f", 1), warden.charter.terms.warden)
        with pytest.raises(Refused, match="a stop is in force"):
            running.run(warden, ["true"])
        house.say(warden, "resume", "owner", "deputy")
        assert running.run(warden, ["sh", "-c", "exit 5"]).status == 5


def test_the_attestation_says_what_was_in_flight(house):
    from adhere.warden import Act

    with house.open() as warden:
        house.instruct(warden)
        warden.finished(warden.decide(Act("read_x", id="done")))
        warden.decide(Act("read_x", id="flight"))
        warden.decide(Act("send_email", {}, sources=("user",)))
        house.say(warden, "stop", "board")
        acts = running.finish_stop(warden).body["acts"]
        assert acts["done"]["acts"] == ["done"]
        assert acts["unknown"]["acts"] == ["flight"]
        assert acts["never_started"]["count"] == 1


def test_a_dead_supervisors_stop_is_completed_by_who_asks(house, tmp_path, stubborn):
    with house.open() as warden:
        house.instruct(warden)
        record = subprocess.Popen(stubborn, env={**os.environ, supervisor.MARK: "f" * 16}, stdout=subprocess.DEVNULL)
        until(lambda: len(marked("f" * 16)) >= SURVIVORS)
        with warden.ledger.transaction(house.clock()) as transaction:
            gone = {"run": "f" * 16, "supervisor": 2**22, "cgroup": "", "methods": [], "started": "1"}
            transaction.put("supervised", json.dumps(gone))
        house.say(warden, "stop", "board")
        attestation = running.finish_stop(warden)
        assert attestation.verified_empty
        assert len(attestation.body["processes"]) >= SURVIVORS
        record.wait()
        assert marked("f" * 16) == []


def test_the_lease_and_the_scope_timer_end_the_agent_by_themselves(house):
    with house.open() as warden:
        house.instruct(warden, seconds=50)
        thread, box = running_house(house, ["sleep", "1000"])
        house.clock.now += 60
        thread.join(20)
        assert box["ended"].attestation.body["cause"] == "scope-timer"
        assert box["ended"].killed.verified


def test_the_agents_socket_takes_acts_and_nothing_else(house, tmp_path):
    agent = tmp_path / "agent.py"
    said = tmp_path / "said.json"
    agent.write_text(
        "import json, sys\nfrom adhere.warden.integrations.client import Client\nw = Client()\n"
        "first = w.decide('read_x', because='b', sources=['principal'])\n"
        "out = [first, w.finish(first), w.decide('send_email', {}, sources=['principal']),\n"
        "       w.ask(do='stop'), w.ask(do='resume'), w.ask(do='instruct', text='x'), w.ask(do='decide'),\n"
        "       w.ask(do='decide', tool='x', arguments=3), w.orders()]\n"
        f"open({str(said)!r}, 'w').write(json.dumps(out))\n"
    )
    with house.open() as warden:
        house.instruct(warden)
        ended = running.run(warden, [sys.executable, str(agent)])
        assert ended.status == 0
        assert warden.state().mode is Mode.RUNNING
    answers = json.loads(said.read_text())
    assert answers[0]["allowed"]
    assert "entry" in answers[1]
    assert (answers[2]["verdict"], answers[2]["reason"]) == ("ask", "low-source"), "an agent vouched for itself"
    assert all(a["verdict"] == "deny" and a["failed"] for a in answers[3:8])
    assert "Summarise the inbox" in answers[8]


def test_a_dead_warden_is_a_denial():
    assert not Client("/nowhere/warden.sock").decide("read_x")["allowed"]
    ours, theirs = socket.socketpair()
    client = Client()
    client._line, client._file = ours, ours.makefile("rwb")
    theirs.close()
    assert client.decide("read_x")["reason"] == "down"


def test_a_copy_without_a_lease_does_nothing(house, tmp_path):
    import shutil

    from adhere.warden import Act, Warden

    with house.open() as warden:
        house.instruct(warden)
        assert warden.decide(Act("read_x")).allowed
    copy = tmp_path / "copy"
    shutil.copytree(house.folder, copy)
    with Warden.open(copy, clock=house.clock) as stolen:
        assert stolen.decide(Act("read_x")).reason == "no-lease"
        with pytest.raises(Refused, match="names this folder"):
            running.run(stolen, ["true"])


def test_no_more_instances_run_than_the_lease_names(house):
    from adhere.warden import Act

    with house.open() as warden:
        house.instruct(warden)
        house.beat(warden, instances=2)
        with (
            house.open(instance="one") as one,
            house.open(instance="two") as two,
            house.open(instance="three") as three,
        ):
            assert one.decide(Act("read_x")).allowed
            assert two.decide(Act("read_x")).allowed
            refused = three.decide(Act("read_x"))
            assert (refused.reason, refused.retry) == ("no-lease", True)
            two.close()
            assert three.decide(Act("read_x")).allowed


def test_a_lease_that_lapses_warns_then_allows_only_harmless_acts_then_stops(house):
    from adhere.warden import Act, Verdict

    with house.open() as warden:
        house.instruct(warden, seconds=9e6)
        house.beat(warden, seconds=1000)
        risky = Act("write_note", {}, sources=("user",))
        house.clock.now += 1000
        assert warden.decide(risky).allowed
        assert warden.state().lease.name == "WARN"
        house.clock.now += 600
        assert warden.decide(risky).reason == "lease"
        assert warden.decide(Act("read_x")).allowed
        house.beat(warden, seconds=1000)
        assert warden.decide(risky).allowed
        house.clock.now += 1000 + 3600
        assert warden.decide(Act("read_x")).verdict is Verdict.STOP
        assert Path(house.folder / "latch").read_bytes().count(b"2\n") == 1
