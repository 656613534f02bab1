"""Several gateways under one charter in PostgreSQL: one stop, one order, nothing without the database."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from tests.gateway import charters
from tests.gateway.fake import Fake, Turn
from tests.warden.postgres import postgres

from adhere.gateway.policy import policy as policies
from adhere.warden.engine import charter_setup, shared_ledger
from adhere.warden.engine.warden import Warden
from adhere.warden.ledger.store import Location

__all__ = ["postgres"]
pytestmark = pytest.mark.xdist_group("postgres")
MODEL = "replicas"


@pytest.fixture
def charter(postgres, tmp_path, request):
    """A charter whose ledger is in a database, and its place."""
    made = charters.found(tmp_path / "charter")
    name = "g_" + "".join(c if c.isalnum() else "_" for c in request.node.name.lower())[-40:]
    place = Location(postgres.url(), name)
    shared_ledger.move(made.folder, place, time.time)
    with Warden.open(made.folder, instance="test") as warden:
        last = warden.heartbeat()
        assert last is not None
        warden.beat(
            charter_setup.sign_heartbeat(
                made.folder,
                warden.charter,
                made.keys["owner"],
                version=last.version + 1,
                now=warden.clock(),
                seconds=86_400,
                instances=9,
            )
        )
    return made


def replica(charter: charters.Charter, folder: Path) -> Path:
    """The folder of another machine."""
    folder.mkdir()
    shutil.copy(charter.folder / "warden.key", folder / "warden.key")
    shared_ledger.join(folder, Location(**json.loads((charter.folder / "store.json").read_bytes())))
    return folder


def ask(url: str, key: str = "", **fields: object) -> httpx.Response:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], **fields}
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60)


def test_a_stop_ends_the_streams_of_every_replica(fake: Fake, charter, tmp_path):
    held = charters.policy(tmp_path)
    fake.says(MODEL, *[Turn(*["word "] * 2_000, pause=0.01)] * 2)
    ends: dict[str, str] = {}
    begun = threading.Barrier(3)

    def read(url: str) -> None:
        body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=60) as stream:
            lines = stream.iter_lines()
            first = next(lines)
            begun.wait(30)
            ends[url] = "".join([first, *lines])

    other = replica(charter, tmp_path / "other")
    with charters.gateway(fake, held, charter.folder) as one, charters.gateway(fake, held, other) as two:
        threads = [threading.Thread(target=read, args=(url,)) for url in (one, two)]
        for thread in threads:
            thread.start()
        begun.wait(30)
        charter.say("stop", "owner", text="enough")
        for thread in threads:
            thread.join(30)
        assert [ask(url).status_code for url in (one, two)] == [403, 403]
    assert len(ends) == 2
    for text in ends.values():
        assert "stop" in text
        assert "[DONE]" not in text


def test_a_replica_without_its_database_answers_nothing_and_recovers(fake: Fake, charter, tmp_path, postgres):
    fake.says(MODEL, *[Turn("Hello.")] * 50)
    with charters.gateway(fake, charters.policy(tmp_path), charter.folder) as url:
        assert ask(url).status_code == 200
        postgres.kill()
        try:
            until = time.monotonic() + 10
            while (status := ask(url).status_code) == 200 and time.monotonic() < until:
                time.sleep(0.02)
            assert status in (403, 503)
            answers = [ask(url) for _ in range(3)]
            assert all(answer.status_code in (403, 503) for answer in answers)
            assert "Hello." not in "".join(answer.text for answer in answers)
            assert httpx.get(f"{url}/readyz").status_code == 503
        finally:
            postgres.start()
        until = time.monotonic() + 20
        while (status := ask(url).status_code) != 200 and time.monotonic() < until:
            time.sleep(0.05)
        assert status == 200
    with Warden.open(charter.folder, instance="test") as warden:
        assert warden.ledger.verify()[2] == []


def test_what_was_delivered_is_on_the_record_when_the_database_is_killed_under_load(
    fake: Fake, charter, tmp_path, postgres
):
    fake.says(MODEL, *[Turn("Hello.")] * 5_000)
    other = replica(charter, tmp_path / "other")
    delivered: list[str] = []
    stop = threading.Event()

    def load(url: str) -> None:
        while not stop.is_set():
            try:
                answer = ask(url)
            except httpx.HTTPError:
                continue
            if answer.status_code == 200:
                delivered.append(answer.headers["x-request-id"])

    held = charters.policy(tmp_path)
    with charters.gateway(fake, held, charter.folder) as one, charters.gateway(fake, held, other) as two:
        threads = [threading.Thread(target=load, args=(url,)) for url in (one, two) for _ in range(3)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 60
        while len(delivered) < 60 and time.monotonic() < until:
            time.sleep(0.01)
        postgres.kill()
        postgres.start()
        before = len(delivered)
        until = time.monotonic() + 30
        while len(delivered) < before + 30 and time.monotonic() < until:
            time.sleep(0.01)
        stop.set()
        for thread in threads:
            thread.join(30)
    with Warden.open(charter.folder, instance="test") as warden:
        entries = warden.ledger.entries()
        assert warden.ledger.verify()[2] == []
    recorded = {entry.body["exchange"] for entry in entries if entry.kind == "answer"}
    assert len(delivered) > before
    assert set(delivered) <= recorded


def test_a_budget_is_one_on_all_replicas(fake: Fake, charter, tmp_path):
    key, kept = policies.new_key()
    desk = {"name": "desk", "key": kept, "limits": {"tokens_per_day": 1}}
    held = charters.policy(tmp_path, clients=[desk])
    fake.says(MODEL, *[Turn("Hello.")] * 4)
    other = replica(charter, tmp_path / "other")
    with charters.gateway(fake, held, charter.folder) as one, charters.gateway(fake, held, other) as two:
        assert ask(one, key).status_code == 200
        assert ask(two, key).status_code == 429


KILLED = """
import asyncio, sys
from pathlib import Path
from tests.gateway import charters
from adhere.gateway.governance.governed_gateway import GovernedGateway
from adhere.gateway.policy import policy as policies
from adhere.warden.acts.acts import Act

async def main():
    async with GovernedGateway.open(policies.load(Path(sys.argv[1])), Path(sys.argv[2])) as gateway:
        warden = gateway.warden
        act = Act("write_note", {"text": "x"}, sources=("model",), id=f"{warden.instance}/exchange/call")
        print(warden.decide(act).verdict.name, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def test_acts_of_a_killed_replica_are_of_unknown_outcome_and_those_of_a_living_one_stay(charter, tmp_path):
    charters.policy(tmp_path)
    words = [sys.executable, "-c", KILLED, str(tmp_path / "policy.yaml"), str(charter.folder)]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "ALLOW"
        both[0].send_signal(signal.SIGKILL)
        both[0].wait()
        with Warden.open(charter.folder, instance="test") as warden:
            until = time.monotonic() + 20
            while len(warden.ledger.alive()) > 1 and time.monotonic() < until:
                time.sleep(0.02)
        third = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        both.append(third)
        assert third.stdout is not None
        assert third.stdout.readline().strip() == "ALLOW"
        with Warden.open(charter.folder, instance="test") as warden:
            state = warden.state()
        assert len(state.unknown) == 1
        assert len(state.flight) == 2
    finally:
        for process in both:
            process.kill()
            process.wait()
