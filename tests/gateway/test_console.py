"""The console by HTTP: who gets in, what a page may do, what it shows."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import httpx
import pytest
from tests.gateway import charters
from tests.gateway.fake import Turn
from tests.gateway.ways import ask

from adhere.gateway.console import adherence, pages
from adhere.gateway.policy import policy as policies
from adhere.warden.ledger.ledger import Entry


@pytest.fixture
def charter(tmp_path):
    return charters.found(tmp_path / "charter")


@pytest.fixture
def console(fake, charter, tmp_path):
    key, kept = policies.new_key()
    held = charters.policy(
        tmp_path,
        routes=[{"constraints": [{"kind": "length.words", "at_most": 5}], "wait": 8}],
        console={"key": kept},
    )
    with charters.gateway(fake, held, charter.folder, pages.routes) as url:
        yield url, key


@contextlib.contextmanager
def browser(url: str, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"accept": "text/html"}, follow_redirects=True, timeout=20) as client:
        assert client.post("/console/sign-in", data={"key": key}).status_code == 200
        yield client


def token(page: str) -> str:
    found = re.search(r'data-token="([^"]+)"', page)
    assert found is not None
    return found[1]


PAGES = [
    "/console", "/console/live", "/console/held", "/console/adherence", "/console/ledger", "/console/key",
    "/console/stop",
]  # fmt: skip


def test_nothing_is_shown_without_the_consoles_own_key(console):
    url, key = console
    with httpx.Client(base_url=url, headers={"accept": "application/json"}) as client:
        for path in [
            *PAGES,
            "/console/events",
            "/console/signers",
            "/console/draft?kind=stop",
            "/console/stop/attestation",
        ]:
            assert client.get(path).status_code == 401, path
        assert client.post("/console/statement", content=b"{}").status_code == 401
        assert client.post("/console/sign-in", data={"key": key + "x"}).status_code == 403
        assert client.get("/metrics").status_code == 401
        bearer = {"authorization": f"Bearer {key}"}
        assert "adhere_answers_total" in client.get("/metrics", headers=bearer).text


def test_wrong_keys_close_the_door_for_a_minute(console):
    url, key = console
    with httpx.Client(base_url=url) as client:
        codes = [client.post("/console/sign-in", data={"key": f"wrong {n}"}).status_code for n in range(7)]
        assert codes == [403] * 5 + [429] * 2
        assert client.post("/console/sign-in", data={"key": key}).status_code == 429


def test_a_post_of_another_site_or_without_the_token_is_refused(console):
    url, key = console
    with browser(url, key) as client:
        good = token(client.get("/console").text)
        for path in ("/console/ledger/verify", "/console/sign-out"):
            assert client.post(path, data={"token": "x"}).status_code == 403
            assert client.post(path, data={"token": good}, headers={"origin": "http://evil.example"}).status_code == 403
            assert client.post(path, data={"token": good}, headers={"sec-fetch-site": "cross-site"}).status_code == 403
        assert client.post("/console/ledger/verify", data={"token": good}).status_code == 200
        client.post("/console/sign-out", data={"token": good})
        assert "Console key" in client.get("/console").text


def test_every_page_is_strict_about_what_it_loads(console):
    url, key = console
    with browser(url, key) as client:
        for path in PAGES:
            answer = client.get(path)
            assert answer.status_code == 200, path
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "<script>" not in answer.text
            assert "style=" not in answer.text
            assert key not in answer.text
        cookie = client.post("/console/sign-in", data={"key": key}, follow_redirects=False).headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()


def test_text_of_an_act_is_shown_and_never_markup(fake, charter, console):
    url, key = console
    attack = '{"to": "<script>alert(1)</script>", "x": "</pre><b>approved</b>"}'
    fake.says("m", Turn(calls=(("c1", "send_email", attack),), finish="tool_calls"))
    asking = threading.Thread(target=lambda: ask(url, "chat-whole", "m", tools=["send_email"]))
    asking.start()
    with browser(url, key) as client:
        until = time.monotonic() + 5
        while not (found := re.search(r'href="(/console/held/[0-9a-f]+)"', client.get("/console/held").text)):
            assert time.monotonic() < until
            time.sleep(0.05)
        page = client.get(found[1]).text
        rows = client.get("/console/live?rows").text
    for text in (page, rows):
        assert "<script>alert" not in text
        assert "</pre><b>" not in text
        assert "&lt;script&gt;" in text
    charter.answer(found[1].rsplit("/", 1)[1], kind="refuse")
    asking.join(10)


def test_a_statement_that_nobody_signed_is_refused_in_a_line(console):
    url, key = console
    with browser(url, key) as client:
        headers = {"x-adhere-token": token(client.get("/console").text), "accept": "application/json"}
        draft = client.get("/console/draft", params={"kind": "stop"}, headers=headers).json()
        for body in ({}, {"payload": draft["payload"], "keyid": "no", "signature": "00" * 64}, {"payload": "%"}):
            answer = client.post("/console/statement", json=body, headers=headers)
            assert answer.status_code == 409
            assert "\n" not in answer.json()["error"]
        assert client.get("/console/draft", params={"kind": "instruct"}, headers=headers).status_code == 409
    assert client.base_url is not None


@pytest.mark.parametrize("changed", ["replace(leaf, 'office', 'orifice')", "CAST(replace(leaf, 'o', 'u') AS BLOB)"])
def test_a_changed_ledger_shows_in_the_console(charter, console, changed):
    import sqlite3

    url, key = console
    with browser(url, key) as client:
        good = token(client.get("/console").text)
        assert "consistent" in client.post("/console/ledger/verify", data={"token": good}).text
        db = sqlite3.connect(charter.folder / "ledger.db")
        db.execute(f"UPDATE entry SET leaf = {changed} WHERE seq = 2")
        db.commit()
        db.close()
        answer = client.post("/console/ledger/verify", data={"token": good})
        assert answer.status_code == 200
        assert "entry 2 is not what its hash says" in answer.text


def entry(seq: int, ending: str, attempts: int = 1, at: float = 0.0) -> Entry:
    checked = [{"kind": "length.words", "verdict": "holds" if ending == "met" else "broken", "origin": "policy"}]
    return Entry(seq, "answer", at + seq, {"ending": ending, "attempts": attempts, "checked": checked})


class CountingLedger:
    """A ledger of answers that notes how many entries it was asked for."""

    def __init__(self) -> None:
        self.all: list[Entry] = []
        self.read = 0

    def peaks(self) -> SimpleNamespace:
        return SimpleNamespace(size=len(self.all))

    def entries(self, first: int, count: int) -> list[Entry]:
        self.read += len(self.all[first : first + count])
        return self.all[first : first + count]


def test_an_adherence_page_opened_again_reads_only_new_entries():
    ledger, recent = CountingLedger(), adherence.RecentAnswers(most=50)
    ledger.all = [entry(k, "met" if k % 2 else "refused") for k in range(1200)]
    assert [one.time for one in recent.read(ledger)] == list(range(1150, 1200))
    read = ledger.read
    ledger.all.append(entry(1200, "met"))
    assert recent.read(ledger)[-1].time == 1200
    assert ledger.read == read + 1
    ledger.all = ledger.all[:10]  # another ledger in the same place
    assert len(recent.read(ledger)) == 10


def test_adherence_counts_what_was_asked_and_repaired_and_nothing_else():
    entries = [entry(0, "met"), entry(1, "met", 3), entry(2, "refused", 3), entry(3, "left"), entry(4, "stopped")]
    found = adherence.adherence([adherence.Answer.of(entry) for entry in entries])
    assert (found.whole.met, found.whole.n) == (2, 3)
    assert (found.first.met, found.first.n) == (1, 3)
    assert dict(found.endings) == {"met": 2, "refused": 1, "left": 1, "stopped": 1}
    low, high = found.whole.interval
    assert low < 2 / 3 < high
    assert sum(slot.n for slot in found.slots) == 3
    assert "<svg" in adherence.drawing(found)
    assert adherence.drawing(adherence.adherence([])) == ""
