"""One ledger in PostgreSQL, several wardens: order, stop, death of a replica and of the database."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from tests.warden.conftest import House
from tests.warden.postgres import postgres

from adhere.warden.acts.acts import Act
from adhere.warden.canonical import Refused
from adhere.warden.engine import charter_setup, shared_ledger
from adhere.warden.engine.warden import Warden
from adhere.warden.ledger import verify
from adhere.warden.ledger.ledger import Ledger
from adhere.warden.ledger.postgres_store import PostgresStore
from adhere.warden.ledger.store import Location
from adhere.warden.orders.orders import Mode

__all__ = ["postgres"]
pytestmark = pytest.mark.xdist_group("postgres")
READ = Act("read_mail", {"box": "inbox"}, sources=("user",))


@pytest.fixture
def place(postgres, request):
    name = "t_" + "".join(c if c.isalnum() else "_" for c in request.node.name.lower())[-40:]
    return Location(postgres.url(), name)


@pytest.fixture
def shared(house: House, place: Location) -> House:
    with house.open() as warden:
        house.instruct(warden)
    shared_ledger.move(house.folder, place, house.clock)
    with house.open() as warden:
        house.beat(warden)
    return house


def joined(house: House, folder: Path, place: Location) -> House:
    """Another machine's folder of the same charter."""
    folder.mkdir()
    shutil.copy(house.folder / "warden.key", folder / "warden.key")
    shared_ledger.join(folder, place)
    return House(folder, house.keys, house.clock)


def test_a_moved_ledger_is_whole_and_the_file_is_closed(house: House, place: Location, postgres):
    with house.open() as warden:
        house.instruct(warden)
        before = [(entry.kind, entry.body) for entry in warden.ledger.entries()]
    late = Ledger(house.folder / "ledger.db")  # a process that has the file open all the while
    size = shared_ledger.move(house.folder, place, house.clock)
    assert size == len(before)
    with house.open() as warden:
        assert [(entry.kind, entry.body) for entry in warden.ledger.entries()][:size] == before
        assert warden.ledger.verify()[2] == []
        assert warden.decide(READ).reason == "no-lease"  # the database is another home than the file was
        house.beat(warden)
        assert warden.decide(READ).allowed
    assert verify.verify(postgres.url(place.schema))[2] == []
    assert late.get("charter") != warden.charter.digest
    late.close()


def test_a_changed_entry_is_found(shared: House, place: Location, postgres):
    import psycopg

    with psycopg.connect(postgres.url(place.schema), autocommit=True) as db:
        db.execute("UPDATE entry SET leaf = %s WHERE seq = 1", (b"{}",))
    with shared.open() as warden:
        assert any("entry 1 " in fault for fault in warden.ledger.verify()[2])


def test_a_key_that_is_not_the_wardens_joins_no_charter(shared: House, place: Location, tmp_path):
    folder = tmp_path / "elsewhere"
    charter_setup.new_warden_key(folder)
    with pytest.raises(Refused, match="not the key of this charter's warden"):
        shared_ledger.join(folder, place)
    assert not (folder / "charter.json").exists()


def test_a_stop_given_to_one_warden_holds_for_all(shared: House, place: Location, tmp_path):
    other = joined(shared, tmp_path / "other", place)
    with shared.open(instance="one") as one, other.open(instance="other") as two:
        assert one.decide(READ).allowed
        assert two.decide(READ).allowed
        shared.say(one, "stop", "owner", text="enough")
        assert two.decide(READ).verdict.name == "STOP"
        assert two.state().mode in (Mode.STOPPING, Mode.STOPPED)


def test_an_amendment_reaches_the_machines_that_did_not_make_it(shared: House, place: Location, tmp_path):
    from adhere.warden.charter import charter as charters

    other = joined(shared, tmp_path / "other", place)
    with other.open(instance="other") as two:
        before = two.charter.digest
        now = charters.load(shared.folder)
        until = charter_setup.expiry(shared.clock(), 86400 * 300)
        draft = charters.draft(now.principals(), now.grants(), now.terms, until, before=now)
        charter_setup.propose(shared.folder, draft)
        charter_setup.sign(shared.folder, [shared.keys["owner"], shared.keys["deputy"]], shared.clock)
        two.decide(READ)
        assert two.charter.digest != before
    assert charters.load(other.folder).digest == draft.digest


def test_one_place_is_one_place_on_all_machines(shared: House, place: Location, tmp_path):
    other = joined(shared, tmp_path / "other", place)
    with shared.open(instance="one") as one, other.open(instance="other") as two:
        shared.beat(one, instances=1)
        assert one.decide(READ).allowed
        assert two.decide(READ).reason == "no-lease"
    with other.open(instance="other") as two:
        assert two.decide(READ).allowed  # the first has left


WRITER = """
    import sys
    from adhere.warden.ledger.ledger import Ledger
    from adhere.warden.ledger.postgres_store import PostgresStore
    from adhere.warden.ledger.store import Location

    url, schema, name, count = sys.argv[1:5]
    ledger = Ledger(PostgresStore(Location(url, schema)))
    print("ready", flush=True)
    for number in range(int(count)):
        print(ledger.append("note", {"by": name, "number": number}, 1.0), flush=True)
"""


def writer(place: Location, name: str, count: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", textwrap.dedent(WRITER), place.url, place.schema, name, str(count)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_entries_of_several_writers_keep_one_order(shared: House, place: Location):
    writers = [writer(place, f"w{number}", 40) for number in range(3)]
    places = []
    for each in writers:
        out, _ = each.communicate(timeout=60)
        own = [int(line) for line in out.split()[1:]]
        assert own == sorted(own)
        places += own
    with shared.open() as warden:
        size, _, faults = warden.ledger.verify()
        entries = warden.ledger.entries(min(places))
    assert faults == []
    assert sorted(places) == list(range(size - 120, size))
    for name in ("w0", "w1", "w2"):
        assert [e.body["number"] for e in entries if e.body.get("by") == name] == list(range(40))


def test_what_a_killed_writer_was_told_is_there_and_the_others_go_on(shared: House, place: Location):
    killed, other = writer(place, "killed", 100_000), writer(place, "other", 60)
    assert killed.stdout is not None
    told = [killed.stdout.readline() for _ in range(20)][1:]
    killed.send_signal(signal.SIGKILL)
    told += killed.stdout.read().split()
    killed.wait()
    assert len(other.communicate(timeout=60)[0].split()) == 61
    with shared.open() as warden:
        assert warden.ledger.verify()[2] == []
        there = {e.seq for e in warden.ledger.entries() if e.body.get("by") == "killed"}
    assert {int(line) for line in told if line.strip().isdigit()} <= there
    assert len(there) <= len(told) + 1  # the one that was committed and not told


def test_a_killed_instance_frees_its_place(shared: House, place: Location):
    code = """
        import sys, time
        from pathlib import Path
        from adhere.warden.engine.warden import Warden
        from adhere.warden.acts.acts import Act

        warden = Warden.open(Path(sys.argv[1]), instance="killed", clock=lambda: float(sys.argv[2]))
        print(warden.decide(Act("read_mail", {"box": "inbox"}, sources=("user",))).verdict.name, flush=True)
        time.sleep(60)
    """
    with shared.open() as warden:
        shared.beat(warden, instances=1)
        words = [sys.executable, "-c", textwrap.dedent(code), str(shared.folder), str(shared.clock())]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ALLOW"
        assert warden.decide(READ).reason == "no-lease"
        process.kill()
        process.wait()
        deadline = time.monotonic() + 20
        while warden.ledger.alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert warden.decide(READ).allowed


def test_a_warden_without_its_database_denies_and_a_stop_is_latched(shared: House, place: Location, postgres):
    with shared.open() as warden:
        stop = shared.envelope(warden, "stop", "owner", text="now")
        postgres.kill()
        try:
            decision = warden.decide(READ)
            assert decision.failed
            assert not decision.allowed
            with pytest.raises(Refused, match="cannot be read"):
                warden.state()
        finally:
            postgres.start()
        deadline = time.monotonic() + 10
        while not warden.decide(READ).allowed and time.monotonic() < deadline:
            time.sleep(0.05)
        warden.submit(stop)
        assert warden.ledger.verify()[2] == []


def test_a_stop_latched_on_one_machine_reaches_the_others_with_its_next_look(shared: House, place, tmp_path):
    other = joined(shared, tmp_path / "other", place)
    with shared.open(instance="one") as one, other.open(instance="other") as two:
        one.latch.set(one.state().epoch + 1)  # as a stop that could not be written
        assert two.decide(READ).allowed
        one.tick()
        assert two.decide(READ).verdict.name == "STOP"


def test_nothing_that_was_acknowledged_is_lost_when_the_database_is_killed(shared: House, place, postgres):
    writers = [writer(place, f"w{number}", 100_000) for number in range(2)]
    for each in writers:
        assert each.stdout is not None
        for _ in range(15):
            each.stdout.readline()
    postgres.kill()
    told = []
    for each in writers:
        assert each.stdout is not None
        told += [int(line) for line in each.stdout.read().split() if line.isdigit()]
        assert each.wait(timeout=30) != 0
    postgres.start()
    with shared.open() as warden:
        size, _, faults = warden.ledger.verify()
    assert faults == []
    assert max(told) < size


def test_whoever_waits_is_woken_by_a_stop(shared: House, place: Location):
    waiting = Ledger(PostgresStore(place))
    waiting.store.wait(0.01)  # from here on it listens
    woken = threading.Event()

    def wait() -> None:
        waiting.store.wait(60.0)
        woken.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    with shared.open() as warden:
        shared.say(warden, "stop", "owner", text="enough")
    assert woken.wait(30.0)
    thread.join(5.0)
    waiting.close()


def test_a_database_that_loses_commits_is_refused(postgres, shared: House, place: Location):
    import psycopg

    with psycopg.connect(postgres.url(), autocommit=True) as db:
        db.execute("ALTER SYSTEM SET fsync = off")
        db.execute("SELECT pg_reload_conf()")
        try:
            deadline = time.monotonic() + 10
            while db.execute("SHOW fsync").fetchone() != ("off",) and time.monotonic() < deadline:
                time.sleep(0.02)
            with pytest.raises(Refused, match="fsync"):
                Warden.open(shared.folder)
        finally:
            db.execute("ALTER SYSTEM RESET fsync")
            db.execute("SELECT pg_reload_conf()")


def test_a_store_file_that_is_none_is_a_line(tmp_path):
    (tmp_path / "store.json").write_text(json.dumps({"url": "postgresql://x/y", "password": "secret"}))
    with pytest.raises(Refused, match="not in the form") as refused:
        Ledger.of(tmp_path)
    assert "secret" not in str(refused.value)


def test_a_server_that_is_not_there_is_a_line_without_its_password(monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "secret")
    with pytest.raises(Refused, match="cannot be used") as refused:
        PostgresStore(Location("postgresql://me@127.0.0.1:1/nothing"))
    assert "secret" not in str(refused.value)
    assert os.environ["PGPASSWORD"] == "secret"
